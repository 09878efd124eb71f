"""The raw layer: every table of the source, from one snapshot, in one archive.

A day's RDS snapshot that AWS exports: as an asset, or when a version needs it.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from mediatool_assets import orchestration as pools
from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.core.errors import BadArchive, BadSettings, BadSource, NotFound
from mediatool_assets.core.metadata import Purpose
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.resolution import resolve
from mediatool_assets.core.schema import Table
from mediatool_assets.core.version import Version, checked_notes
from mediatool_assets.export.flow import Asked, OnDay, Origin, SourceCandidates, adopt, export
from mediatool_assets.export.rds import SnapshotExporter
from mediatool_assets.orchestration import (
    ARCHIVES_IO,
    CODE_VERSION,
    DAYS,
    RAW_ARCHIVE,
    TABLES_IO,
    TOGETHER,
    key,
    layer_spec,
    log_warnings,
    warnings_of,
)
from mediatool_assets.orchestration.io_managers import stored_archive, stored_member
from mediatool_assets.orchestration.resources import ServersResource
from mediatool_assets.orchestration.runs import LoggedProgress, RunVersion, VersionRequest, retried
from mediatool_assets.stores.ports import Task
from mediatool_assets.versions import catalog
from mediatool_assets.versions.catalog import StoredArchive


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


ON_DEMAND = "on_demand_export"
"""The job with which people make a version, in the launchpad or from the command line."""


class ExportRequest(dg.Config):
    """The purpose, notes and source of a version."""

    purpose: Literal["auto", "daily_backup", "testing"] = Field(
        default="auto",
        description="decides the retention: daily_backup or testing (a few days). auto: testing if "
        "on_demand_export makes a version of now, else daily_backup",
    )
    notes: str = Field(default="", description="free text, for instance why it is made")
    source: Asked = Field(
        default="auto",
        description="postgres: the live database; archive: the raw archive of the day; rds: an RDS "
        "snapshot export, which AWS makes first if there is none. auto: postgres for today, else "
        "archive, else rds",
    )


def raw_layer(tables: Sequence[str]) -> dg.AssetsDefinition:
    """The step that makes the raw archive: all of its tables or none."""

    @dg.multi_asset(
        name="export",
        specs=[_archive_spec(), *(_spec(table) for table in tables)],
        partitions_def=DAYS,
        pool=pools.EXPORT,
    )
    def export_layer(
        context: dg.AssetExecutionContext, config: ExportRequest, servers: ServersResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Export every table of the source in one snapshot."""
        with retried():
            objects, run = servers.objects(), RunVersion.of(context)
            version = run.named()
            archived = catalog.find(objects, "raw", version) if version else None
            if version is None or archived is None:
                version, archived = _make(context, config, servers)
            else:
                run.keep(version_request(run, config))
                context.log.info(f"{archived.uri} is complete: adopted")
            archive = catalog.reader(objects, "raw", version)
            _check_tables(archive, tables, servers.settings().model)
            results = list(_results(context, archive, version, archived, tables))
        yield from results

    return export_layer


def _archive_spec() -> dg.AssetSpec:
    return layer_spec(
        "raw",
        RAW_ARCHIVE,
        (),
        "The day's raw archive as a whole: the tables of one snapshot, their schema, the manifest.",
        {"s3", "json"},
    ).with_io_manager_key(ARCHIVES_IO)


def _spec(table: str) -> dg.AssetSpec:
    return layer_spec(
        "raw",
        key("raw", table),
        [key("source", table)],
        f"The rows of `{table}` as NDJSON in the day's raw archive, every digit kept.{TOGETHER}",
        {"s3", "json"},
    ).with_io_manager_key(TABLES_IO)


def version_request(run: RunVersion, config: ExportRequest) -> VersionRequest:
    """The request in the run's tags, else in its configuration."""
    is_now = run.partition == datetime.now(UTC).date().isoformat()
    by_hand = run.run.job_name == run.names.name(ON_DEMAND)
    otherwise: Purpose = "testing" if is_now and by_hand else "daily_backup"
    purpose = otherwise if config.purpose == "auto" else config.purpose
    return run.asked() or VersionRequest(purpose, checked_notes(config.notes))


def _make(
    context: dg.AssetExecutionContext, config: ExportRequest, servers: ServersResource
) -> tuple[Version, StoredArchive]:
    """Make the day's raw archive from its source; raises PastDay or NothingOfDay if it has none."""
    objects, run = servers.objects(), RunVersion.of(context)
    places = source_candidates(servers)
    request = version_request(run, config)
    origin = _origin(context, servers, places, config.source)
    if origin.source is None and (there := origin.version) is not None:
        try:
            with servers.workspace() as workspace:
                archived = adopt(objects, workspace.executor, there)
        except BadArchive as error:
            if config.source != "auto" or places.has_complete(run.partition):
                raise
            origin = _instead(context, servers, places, error)
        else:
            run.pin(there)
            run.keep(request)
            context.log.info(f"{archived.uri} was read again and is complete: adopted")
            return there, archived
    version = run.pin(origin.version) if origin.version else run.to_make(objects)
    run.keep(request)
    source = origin.source or servers.source()
    if origin.version is None:
        source = OnDay(source, version.day, lambda: datetime.now(UTC).date())
    exclude = servers.settings().exclude_tables
    with servers.workspace(LoggedProgress(context)) as workspace:
        return version, export(source, objects, workspace, version, exclude=exclude)


def _origin(
    context: dg.AssetExecutionContext,
    servers: ServersResource,
    places: SourceCandidates,
    asked: Asked,
) -> Origin:
    snapshot_first(context, servers, places, asked)
    run = RunVersion.of(context)
    return places.origin(run.partition, asked, run.named())


def _instead(
    context: dg.AssetExecutionContext,
    servers: ServersResource,
    places: SourceCandidates,
    damage: BadArchive,
) -> Origin:
    """Use RDS instead of the day's damaged archive; raises the damage if RDS lacks the day."""
    try:
        origin = _origin(context, servers, places, "rds")
    except (NotFound, BadSettings) as missing:
        raise damage from missing
    context.log.warning(f"{damage.where}: {damage.problem}; using RDS for the day instead")
    return origin


def _check_tables(archive: ArchiveReader, tables: Sequence[str], model: Path) -> None:
    """Raise BadModel or BadSource if the archive lacks a table that the model names."""
    members = archive.manifest.tables()
    if missing := [table for table in tables if table not in members]:
        excluded = {exclusion.table for exclusion in archive.manifest.exclusions}
        resolve(load_model(model), archive.schema(), excluded)  # BadModel names the lines to change
        raise BadSource(
            f"{archive.source.name} has no {', '.join(missing)}, which the model names; remove the "
            "table from the model; if the export excluded it, set MEDIATOOL_EXCLUDE_TABLES in "
            "Dagster's environment too"
        )


def _results(
    context: dg.AssetExecutionContext,
    archive: ArchiveReader,
    version: Version,
    archived: StoredArchive,
    tables: Sequence[str],
) -> Iterator[dg.MaterializeResult[Any]]:
    members = archived.manifest.tables()
    schema = {table.name: table for table in archive.schema().tables}
    unlisted = [f"{name}: exported, but not in the model" for name in members.keys() - set(tables)]
    warnings = [*archived.manifest.warnings, *sorted(unlisted)]
    log_warnings(context, warnings)
    yield dg.MaterializeResult(
        asset_key=RAW_ARCHIVE,
        value=stored_archive(version, archived, archive.digest),
        metadata={"rows": {table: members[table].rows for table in tables}},
    )
    for table in tables:
        member = members[table]
        yield dg.MaterializeResult(
            asset_key=key("raw", table),
            value=stored_member(version, archived, member),
            data_version=dg.DataVersion(member.fingerprint or member.content),
            metadata={
                **warnings_of(table, warnings, tables),
                "dagster/column_schema": _columns(schema[table]),
            },
        )


def _columns(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        [
            dg.TableColumn(
                column.name,
                column.type,
                column.comment,
                dg.TableColumnConstraints(
                    nullable=column.nullable,
                    unique=(column.name,) in (table.primary_key, *table.unique_keys),
                ),
                tags={"primary_key": ""} if column.name in table.primary_key else {},
            )
            for column in table.columns
        ]
    )
