"""Daily partitions: the key is the UTC date on which an export was taken, so today exists today.

Dagster's decorators need them when the asset modules are imported. The first day is therefore the
only setting that is read at import.
"""

import dagster as dg

from mediatool_assets.stores.environment import first_day

DAYS = dg.DailyPartitionsDefinition(first_day().isoformat(), timezone="UTC", end_offset=1)
