"""The PostgreSQL layer: the version's own database, restored from the raw archive and verified.

The weekly restore drill: the newest version restored to scratch databases.

Starts a job for each new version; the shipped job loads a staging database.

``MEDIATOOL_NEW_VERSION_JOB`` names the job. Its runs have the tag ``mediatool/version``. There is
one run for each new complete version, even if several complete at once; Dagster's own asset sensor
would report only the last.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import dagster as dg
from pydantic import Field

from mediatool_assets import orchestration as pools
from mediatool_assets.core.errors import BadArchive, CheckFailed, MediatoolError
from mediatool_assets.core.manifest import Manifest
from mediatool_assets.core.metadata import RestoreRecord
from mediatool_assets.core.setting_values import by_setting
from mediatool_assets.core.version import Version
from mediatool_assets.load.flow import DocumentKind, LoadOptions
from mediatool_assets.orchestration import (
    DAYS,
    GROUP,
    METADATA,
    POSTGRES_DATABASE,
    RAW_ARCHIVE,
    RESTORED_DATABASE_IO,
    RESTORED_TABLES_IO,
    TOGETHER,
    Namespace,
    key,
    layer_spec,
    operation,
    require_named,
    scheduled,
)
from mediatool_assets.orchestration.io_managers import (
    stored_postgres_database,
    stored_postgres_table,
)
from mediatool_assets.orchestration.resources import ServersResource
from mediatool_assets.orchestration.runs import (
    VERSION_TAG,
    LoggedProgress,
    errors_as_failures,
    record_process,
    retried,
)
from mediatool_assets.query.handles import ArchiveHandle, RestoredDatabase, restored_database
from mediatool_assets.restore.flow import (
    SCRATCH,
    RestoreOptions,
    drill_mongodb,
    drill_postgres,
    restore_mongodb,
    restore_postgres,
)
from mediatool_assets.stores.environment import account
from mediatool_assets.stores.ports import RestoreTarget
from mediatool_assets.versions import catalog
from mediatool_assets.versions.records import RestoreRequest, recorded, restored, why_not_restored
from mediatool_assets.work.scratch import Workspace


def postgres_layer(tables: Sequence[str]) -> dg.AssetsDefinition:
    """The step that restores the version's database: all of its tables or none."""

    @dg.multi_asset(
        name="restore",
        specs=[_database_spec(tables), *map(_spec, tables)],
        ins={"raw_archive": dg.AssetIn(RAW_ARCHIVE)},
        partitions_def=DAYS,
        pool=pools.RESTORE,
    )
    def restore_layer(
        context: dg.AssetExecutionContext, servers: ServersResource, raw_archive: ArchiveHandle
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Restore the version's raw archive to its own database, and read it back.

        If the database cannot be made (an object fails, or rows are rejected), the version
        continues without it: its metadata has the reason, and a check fails.
        """
        record_process(context.instance, context.run)
        with retried():
            target, version, problem = servers.target(), raw_archive.version, None
            if restored(target, raw_archive.manifest) is not None:
                context.log.info(
                    f"{target.database_names.in_postgres(version)} is complete: adopted"
                )
            else:
                problem = _restore(context, servers, target, raw_archive)
            if problem is None:
                database = restored_database(servers.objects(), target, raw_archive.manifest)
                results = list(_results(database, raw_archive.manifest, tables))
            else:
                results = [_missing(target, version, problem)]
        yield from results

    return restore_layer


def _database_spec(tables: Sequence[str]) -> dg.AssetSpec:
    return layer_spec(
        "postgres",
        POSTGRES_DATABASE,
        [RAW_ARCHIVE, *(key("raw", table) for table in tables)],
        "The version's own PostgreSQL database, or the reason why there is none: the version is "
        "complete without it, and the check `restored` of its metadata fails.",
        {"postgres"},
    ).with_io_manager_key(RESTORED_DATABASE_IO)


def _spec(table: str) -> dg.AssetSpec:
    spec = layer_spec(
        "postgres",
        key("postgres", table),
        [RAW_ARCHIVE, key("raw", table)],
        f"The table `{table}` of the version's own PostgreSQL database. As an input it "
        f"is read from the raw archive, which holds the same rows.{TOGETHER}",
        {"postgres"},
    ).with_io_manager_key(RESTORED_TABLES_IO)
    return spec.replace_attributes(skippable=True)


def _restore(
    context: dg.AssetExecutionContext,
    servers: ServersResource,
    target: RestoreTarget,
    raw: ArchiveHandle,
) -> str | None:
    """Restore, verify and record it; returns why the version has no database, or None."""
    objects, version = servers.objects(), raw.version
    database = target.database_names.in_postgres(version)
    skip = by_setting(servers.settings().restore_skip)

    request = RestoreRequest(version, "postgres", database, target.server, account())
    try:
        with servers.workspace(LoggedProgress(context)) as workspace:
            restore = partial(
                restore_postgres, objects, target, workspace, version, RestoreOptions(skip=skip)
            )
            record = recorded(objects, request, restore, workspace.clock)
    except (CheckFailed, BadArchive) as error:
        context.log.error(f"the version continues without a restored database: {error}")
        return str(error)
    context.log.info(f"{database}: {sum(record.rows.values()):,} rows verified")
    is_whole = restored(target, raw.manifest) is not None
    return None if is_whole else why_not_restored(objects, version, database)


def _missing(target: RestoreTarget, version: Version, problem: str) -> dg.MaterializeResult[Any]:
    """The asset's result if there is no database: the reason, and no value for the IO manager."""
    return dg.MaterializeResult(
        asset_key=POSTGRES_DATABASE,
        metadata={
            "version": str(version),
            "restored": False,
            "problem": problem,
            "dagster/uri": f"postgresql://{target.server}/{target.database_names.in_postgres(version)}",
        },
    )


def _results(
    database: RestoredDatabase, manifest: Manifest, tables: Sequence[str]
) -> Iterator[dg.MaterializeResult[Any]]:
    members = manifest.tables()
    require_named(database.database, tables, database.rows)
    yield dg.MaterializeResult(
        asset_key=POSTGRES_DATABASE, value=stored_postgres_database(database)
    )
    for table in tables:
        member = members[table]
        yield dg.MaterializeResult(
            asset_key=key("postgres", table),
            value=stored_postgres_table(database, manifest, member),
            data_version=dg.DataVersion(member.fingerprint or member.content),
        )


DRILL = dg.AssetKey([GROUP, "restore_drill"])


class DrillConfig(dg.Config):
    """The version to restore."""

    version: str | None = Field(
        default=None, description="a version; default: the newest complete one"
    )


@operation(
    DRILL,
    "Restores the newest version to scratch databases, verifies and times it, drops them.",
    {"mongodb", "postgres"},
)
def restore_drill(
    context: dg.AssetExecutionContext, config: DrillConfig, servers: ServersResource
) -> dg.MaterializeResult[None]:
    """Restore to the server of every target; one that fails, fails the run."""
    record_process(context.instance, context.run)
    with errors_as_failures():
        drills = _drills(context, servers, config.version)
    return dg.MaterializeResult(
        metadata={
            "version": drills[0].version,
            "verdict": "verified",
            **{f"seconds_{drill.to}": drill.seconds for drill in drills},
            **{f"rows_{drill.to}": sum(drill.rows.values()) for drill in drills},
            "servers": [f"{drill.to} {drill.server}" for drill in drills],
        }
    )


def _drills(
    context: dg.AssetExecutionContext, servers: ServersResource, asked: str | None
) -> list[RestoreRecord]:
    """Run the drills; raises the first error. Without a dump, the transformed archive is loaded."""
    settings, objects = servers.settings(), servers.objects()
    settings.require(*settings.targets.settings)
    newest = (
        catalog.latest(objects) if asked is None else catalog.read(objects, Version.parse(asked))
    )
    version, who = newest.version, account()

    def on_postgres(workspace: Workspace) -> RestoreRecord:
        target, skip = servers.target(), by_setting(settings.restore_skip)
        request = RestoreRequest(version, "postgres", SCRATCH, target.server, who)
        return drill_postgres(objects, target, workspace, request, skip)

    def on_mongodb(workspace: Workspace) -> RestoreRecord:
        from mediatool_assets.stores.mongodb import MongoDocuments  # noqa: PLC0415  # slow

        documents = MongoDocuments.of(settings, SCRATCH)
        request = RestoreRequest(version, "mongodb", SCRATCH, documents.server, who)
        kind: DocumentKind = "dump" if newest.targets.mongodb else "transformed"
        return drill_mongodb(objects, documents, workspace, request, kind)

    targets = settings.targets
    wanted = [
        *([on_postgres] if targets.postgres else []),
        *([on_mongodb] if targets.mongodb else []),
    ]
    drills, errors = list[RestoreRecord](), list[MediatoolError]()
    with servers.workspace(LoggedProgress(context)) as workspace:
        for drill in wanted:
            try:
                drills.append(drill(workspace))
            except MediatoolError as error:  # the other server is still tried
                context.log.error(str(error))
                errors.append(error)
    if errors:
        raise errors[0]
    return drills


WEEKLY_DRILL = scheduled(
    "weekly_restore_drill",
    DRILL,
    "Each Sunday at 05:00 UTC the newest version is restored to scratch databases.",
    "0 5 * * 0",
)


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
