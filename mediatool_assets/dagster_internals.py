"""All uses of Dagster's private API.

Tried with Dagster 1.13.20 to 1.13.27. A later release may move or change any of it; then a test of
this module fails and names it. Each name is imported when it is used: storages load SQLAlchemy,
which takes half a second. Which public way is missing:

- ``execute_run``, ``ReconstructableRepository``: ``dg.execute_job`` makes a run of its own, without
  the tags and the origin by which the UI and the daemon know it
- ``RemoteJobOrigin`` and what it is made of: the origin of a run of the code location of
  ``workspace.yaml``
- ``DagsterSqliteStorage``, ``LocalComputeLogManager``: what ``dagster.yaml`` names must extend a
  storage and a manager of compute logs, and the default ones are to be used without PostgreSQL
- tags that Dagster sets itself have no public constants: they are written here as its database has
  them
"""

from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dagster import StepExecutionContext

if TYPE_CHECKING:
    from dagster._core.definitions.reconstruct import ReconstructableRepository
    from dagster._core.execution.api import execute_run
    from dagster._core.remote_origin import (
        ManagedGrpcPythonEnvCodeLocationOrigin,
        RemoteJobOrigin,
        RemoteRepositoryOrigin,
    )
    from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
    from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

TRIED = "1.13"
"""The release of Dagster, without its last number, with which all of this was tried."""

MODULES = {
    "DagsterSqliteStorage": "storage.sqlite_storage",
    "LoadableTargetOrigin": "types.loadable_target_origin",
    "LocalComputeLogManager": "storage.local_compute_log_manager",
    "ManagedGrpcPythonEnvCodeLocationOrigin": "remote_origin",
    "ReconstructableRepository": "definitions.reconstruct",
    "RemoteJobOrigin": "remote_origin",
    "RemoteRepositoryOrigin": "remote_origin",
    "execute_run": "execution.api",
}
"""The private names, and the modules of Dagster's core that have them."""

AUTO_RETRY_RUN_ID_TAG = "dagster/auto_retry_run_id"
BACKFILL_ID_TAG = "dagster/backfill"
MAX_RETRIES_TAG = "dagster/max_retries"
PARTITION_NAME_TAG = "dagster/partition"
PRIORITY_TAG = "dagster/priority"
WILL_RETRY_TAG = "dagster/will_retry"
RUNLESS_RUN_ID = ""
"""The run id of events that no run reported."""


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"dagster._core.{MODULES[name]}"), name)


def keep_key_sets() -> None:
    """Keep, in this process, the keys of the assets of the step that runs.

    For each output of a step, Dagster computes the set of all keys of the step twice: with 2,000
    tables that takes a minute for each layer. The set never changes, so it is kept.
    """
    current = StepExecutionContext.get_output_asset_keys
    if not hasattr(current, "cache_info"):  # it is not kept yet
        StepExecutionContext.get_output_asset_keys = lru_cache(maxsize=1)(current)  # type: ignore[method-assign]
