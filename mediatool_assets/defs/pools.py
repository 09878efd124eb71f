"""Pools: how many steps of a kind work at once, over all runs; ``dagster.yaml`` gives each one.

A step spreads over MEDIATOOL_WORKERS processes by itself: two of a kind would only halve each.
"""

import fcntl
from pathlib import Path

import dagster as dg

EXPORT = "mediatool_export"
TRANSFORM = "mediatool_transform"
LOAD = "mediatool_load"
RESTORE = "mediatool_restore"
DUMP = "mediatool_dump"
PUBLISH = "mediatool_publish"
REPORT = "mediatool_report"
SANITIZE = "mediatool_sanitize"
OPERATIONS = "mediatool_operations"
EVERY = (EXPORT, TRANSFORM, LOAD, RESTORE, DUMP, PUBLISH, REPORT, SANITIZE, OPERATIONS)


def initialize_pools(instance: dg.DagsterInstance) -> None:
    """Record the pools in Dagster's storage, one process after the other.

    Dagster does so at a pool's first use, where one of two processes that come at once fails.
    """
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits:
        with Path(instance.root_directory, "pools.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for pool in set(EVERY) - storage.get_concurrency_keys():
                storage.initialize_concurrency_limit_to_default(pool)
