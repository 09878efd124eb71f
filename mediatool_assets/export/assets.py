"""The raw layer: every table of the source, from one snapshot, in one archive."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.defs import pools
from mediatool_assets.defs.failures import retried
from mediatool_assets.defs.layers import (
    ARCHIVES_IO,
    RAW_ARCHIVE,
    TABLES_IO,
    TOGETHER,
    key,
    layer_spec,
    log_warnings,
    warnings_of,
)
from mediatool_assets.defs.partitions import DAYS
from mediatool_assets.defs.progress import LoggedProgress
from mediatool_assets.defs.rds import snapshot_first, source_candidates
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.defs.runs import RunVersion, VersionRequest
from mediatool_assets.defs.stored import stored_archive, stored_member
from mediatool_assets.domain.errors import BadArchive, BadSettings, BadSource, NotFound
from mediatool_assets.domain.metadata import Purpose
from mediatool_assets.domain.notes import checked_notes
from mediatool_assets.domain.resolution import resolve
from mediatool_assets.domain.schema import Table
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.export import export
from mediatool_assets.flows.export.origin import Asked, OnDay, Origin, SourceCandidates, adopt
from mediatool_assets.flows.model.file import load_model
from mediatool_assets.flows.versions import archives
from mediatool_assets.flows.versions.archives import StoredArchive

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
            archived = archives.find(objects, "raw", version) if version else None
            if version is None or archived is None:
                version, archived = _make(context, config, servers)
            else:
                run.keep(version_request(run, config))
                context.log.info(f"{archived.uri} is complete: adopted")
            archive = archives.reader(objects, "raw", version)
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
