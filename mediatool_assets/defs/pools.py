"""Pools: how many steps of a kind work at once, over all runs; ``dagster.yaml`` gives each one.

A step spreads over MEDIATOOL_WORKERS processes by itself: two of a kind would only halve each.
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
