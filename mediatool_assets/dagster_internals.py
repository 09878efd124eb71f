"""All uses of Dagster's private API.

Tried with Dagster 1.13.20 to 1.13.27. A later release may move or change any of it; then a test of
this module fails and names it. Each name is used because no public one exists:

- tags of runs that Dagster sets itself, and its own event of a failed freshness policy
- the state of sensors, and records of asset checks, by partition
- a run in this process that belongs to the code location of ``workspace.yaml``
- base classes of storages and log managers, which ``dagster.yaml`` loads by name
"""

from functools import cached_property, lru_cache

from dagster import AssetsDefinition, StepExecutionContext
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.metadata import RawMetadataValue
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.execution.api import execute_run
from dagster._core.execution.context.compute import current_execution_context
from dagster._core.execution.stats import StepEventStatus
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import SensorInstigatorData
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.compute_log_manager import ComputeLogManager
from dagster._core.storage.event_log import EventLogStorage
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._core.storage.tags import (
    AUTO_RETRY_RUN_ID_TAG,
    BACKFILL_ID_TAG,
    MAX_RETRIES_TAG,
    PARTITION_NAME_TAG,
    PRIORITY_TAG,
    WILL_RETRY_TAG,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._serdes import ConfigurableClass, ConfigurableClassData

TRIED = "1.13"
"""The release of Dagster, without its last number, with which all of this was tried."""

KEYS = "asset_and_check_keys"


def keep_key_sets() -> None:
    """Keep, in this process, the keys of each definition, and those of the step that runs.

    For each output of a step, Dagster computes the set of all keys of the step twice: with 2,000
    tables that takes a minute for each layer. The sets never change, so they are kept.
    """
    keys = vars(AssetsDefinition)[KEYS]
    if isinstance(keys, cached_property):
        return  # they are kept
    kept = cached_property(keys.fget)
    kept.__set_name__(AssetsDefinition, KEYS)
    setattr(AssetsDefinition, KEYS, kept)
    of_step = lru_cache(maxsize=1)(StepExecutionContext.get_output_asset_keys)
    StepExecutionContext.get_output_asset_keys = of_step  # type: ignore[method-assign]
