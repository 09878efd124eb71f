"""A day's RDS snapshot that AWS exports: as an asset, or when a version needs it."""

import time
from datetime import UTC, date, datetime
from functools import partial

import dagster as dg

from mediatool_assets.defs.failures import retried
from mediatool_assets.defs.layers import CODE_VERSION
from mediatool_assets.defs.partitions import DAYS
from mediatool_assets.defs.progress import LoggedProgress
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.defs.runs import RunVersion
from mediatool_assets.domain.errors import NotFound
from mediatool_assets.domain.rds_task import Task
from mediatool_assets.flows.export.origin import Asked, SourceCandidates
from mediatool_assets.flows.export.rds_snapshot import SnapshotExporter


def source_candidates(servers: ServersResource) -> SourceCandidates:
    """The possible sources of a day, as of now."""
    settings = servers.settings()
    live = servers.source() if settings.postgres_url else None
    return SourceCandidates.of(settings, servers.objects(), live, datetime.now(UTC).date())


def snapshot_first(
    context: dg.AssetExecutionContext,
    servers: ServersResource,
    places: SourceCandidates,
    asked: Asked,
) -> Task | None:
    """Have AWS export a snapshot if the day has to come from RDS and has no export yet.

    For today, a snapshot is taken under the run's version. For a past day, the snapshot is the last
    automated one, whose time names the version, or one that was taken for a version. The run is
    pinned to the version before the first request to AWS, so that a retry finds its snapshot and
    task. Raises BadSettings if ``rds`` is requested, no export exists, and the settings do not name
    the instance.
    """
    run = RunVersion.of(context)
    if not places.lacks_export(run.partition, asked, run.named()):
        return None
    settings = servers.settings()
    if not settings.can_export_rds_snapshots and (
        asked != "rds" or places.has_exports(run.partition)
    ):
        return None
    wait = partial(time.sleep, settings.rds_poll_seconds)  # an interrupt ends it
    work = SnapshotExporter(servers.snapshots(), wait, LoggedProgress(context))
    if run.partition == places.today.isoformat():
        return work.of_now(run.to_make(places.objects))
    try:
        version, snapshot = work.chosen(date.fromisoformat(run.partition), run.named())
    except NotFound as error:
        if asked == "rds":
            raise
        context.log.info(str(error))
        return None
    return work.export(run.pin(version), snapshot)


@dg.asset(
    partitions_def=DAYS,
    group_name="source",
    kinds={"aws", "parquet"},
    tags={"mediatool/layer": "rds"},
    code_version=CODE_VERSION,
)
def rds_snapshot_export(
    context: dg.AssetExecutionContext, servers: ServersResource
) -> dg.MaterializeResult[None]:
    """An RDS snapshot of the day, exported to the bucket by AWS, its files listed and checked."""
    with retried():
        run, places = RunVersion.of(context), source_candidates(servers)
        task = snapshot_first(context, servers, places, "rds")
        if task is not None and task.warning:
            context.log.warning(f"RDS export task {task.name}: {task.warning}")
        export = places.export(run.partition, run.named())
        version = run.pin(export.version)
        with export.snapshot() as snapshot:
            facts = snapshot.facts
    return dg.MaterializeResult(
        metadata={
            "version": str(version),
            "dagster/uri": str(facts["export"]),
            "snapshot": str(facts["snapshot_id"]),
            "structure_from": str(facts["structure_from"]),
            "tables": len(snapshot.schema.tables),
        }
    )
