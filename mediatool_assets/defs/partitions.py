"""Daily partitions: the key is the UTC date on which an export was taken, so today exists today."""

import dagster as dg

FIRST_DAY = "2025-06-01"
"""The month of the oldest exports that anybody keeps."""

DAYS = dg.DailyPartitionsDefinition(FIRST_DAY, timezone="UTC", end_offset=1)
