"""Daily partitions: the key is the UTC date on which an export was taken, so today exists today.

Dagster's decorators want them where the modules of assets are read, so that their first day is the
one setting that is read there.
"""

import dagster as dg

from mediatool_assets.stores.environment import first_day

DAYS = dg.DailyPartitionsDefinition(first_day().isoformat(), timezone="UTC", end_offset=1)
