"""Starts a job for each new version; the shipped job loads a staging database.

``MEDIATOOL_NEW_VERSION_JOB`` names the job. Its runs have the tag ``mediatool/version``. There is
one run for each new complete version, even if several complete at once; Dagster's own asset sensor
would report only the last.
"""

from collections.abc import Iterable, Iterator
from functools import partial

import dagster as dg

from mediatool_assets.defs.dead_runs import record_process
from mediatool_assets.defs.failures import errors_as_failures
from mediatool_assets.defs.layers import METADATA
from mediatool_assets.defs.namespace import Namespace
from mediatool_assets.defs.operations import GROUP, operation
from mediatool_assets.defs.progress import LoggedProgress
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.defs.runs import VERSION_TAG
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.load import LoadOptions
from mediatool_assets.flows.restore.mongodb import restore_mongodb
from mediatool_assets.flows.restore.records import RestoreRequest, recorded
from mediatool_assets.flows.versions import catalog
from mediatool_assets.stores.environment import account

STAGING = dg.AssetKey([GROUP, "staging"])

_VERSIONS = 100  # maximum of runs that one tick requests


@operation(
    STAGING,
    "The newest version in the MongoDB database that MEDIATOOL_STAGING_DATABASE names.",
    {"mongodb"},
)
def staging(
    context: dg.AssetExecutionContext, servers: ServersResource
) -> dg.MaterializeResult[None]:
    """Restore the newest complete version there, unless the database has it already."""
    from mediatool_assets.stores.mongodb import MongoDocuments  # noqa: PLC0415  # slow

    record_process(context.instance, context.run)
    with errors_as_failures(), servers.workspace(LoggedProgress(context)) as workspace:
        settings, objects = servers.settings(), servers.objects()
        name, version = settings.staging_database, catalog.latest(objects).version
        documents = MongoDocuments.of(settings, name)
        marker = documents.marker(name) or {}
        if marker.get("_id") == str(version):
            return dg.MaterializeResult(metadata={"version": str(version), "reloaded": False})
        request = RestoreRequest(version, "mongodb", name, documents.server, account())
        options = LoadOptions(database=name, replace=True)
        restore = partial(restore_mongodb, objects, documents, workspace, version, options)
        evidence = recorded(objects, request, restore, workspace.clock)
    return dg.MaterializeResult(
        metadata={
            "version": str(version),
            "reloaded": True,
            "database": f"{evidence.server}/{evidence.database}",
            "documents": sum(evidence.rows.values()),
            "seconds": evidence.seconds,
        }
    )


RELOAD = dg.define_asset_job(
    "reload_staging",
    dg.AssetSelection.assets(STAGING),
    description="Loads the newest version into the staging database (see new_version_sensor).",
    executor_def=dg.in_process_executor,
)


def new_version_sensor(names: Namespace, job: str) -> dg.SensorDefinition:
    """The sensor that starts ``job`` for each new complete version; off by default."""

    @dg.sensor(
        name=names.name("new_version_sensor"),
        job_name=job,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Starts {job} for each new complete version (MEDIATOOL_NEW_VERSION_JOB).",
    )
    def sense(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """Read the versions published since the last tick; the cursor is the last position."""
        instance, metadata = context.instance, names.key(METADATA)
        if context.cursor is None:
            newest = instance.fetch_materializations(metadata, limit=1).records
            first = str(newest[0].storage_id if newest else 0)
            return dg.SensorResult(skip_reason="from now on", cursor=first)
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(metadata, after_storage_id=int(context.cursor)),
            limit=_VERSIONS,
            ascending=True,
        ).records
        last = str(records[-1].storage_id) if records else context.cursor
        return dg.SensorResult(run_requests=list(_requests(names, job, records)), cursor=last)

    return sense


def _requests(
    names: Namespace, job: str, records: Iterable[dg.EventLogRecord]
) -> Iterator[dg.RunRequest]:
    for record in records:
        made = record.asset_materialization
        if made is not None:
            version = Version.parse(str(made.metadata["version"].value))
            tags = {names.tag(VERSION_TAG): str(version)}
            yield dg.RunRequest(run_key=f"{job} {version}", tags=tags)
