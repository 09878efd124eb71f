"""Daily partitions: the key is the UTC date on which an export was taken, so today exists today."""

import dagster as dg

from mediatool_assets.domain.days import FIRST_DAY

DAYS = dg.DailyPartitionsDefinition(FIRST_DAY.isoformat(), timezone="UTC", end_offset=1)
