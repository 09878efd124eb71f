"""Pools: how many steps of a kind run at once, over all runs; ``dagster.yaml`` sets the limits.

One step already uses MEDIATOOL_WORKERS processes: two of a kind would halve each other's speed.
"""

EXPORT = "mediatool_export"
TRANSFORM = "mediatool_transform"
LOAD = "mediatool_load"
RESTORE = "mediatool_restore"
DUMP = "mediatool_dump"
PUBLISH = "mediatool_publish"
REPORT = "mediatool_report"
SANITIZE = "mediatool_sanitize"
OPERATIONS = "mediatool_operations"
