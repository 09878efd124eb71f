"""The PostgreSQL layer: the version's own database, restored from the raw archive and verified."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import dagster as dg

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.defs import pools
from mediatool_assets.defs.failures import retried
from mediatool_assets.defs.layers import (
    TABLES_IO,
    TOGETHER,
    key,
    layer_spec,
    require_named,
)
from mediatool_assets.defs.partitions import DAYS
from mediatool_assets.defs.progress import LoggedProgress
from mediatool_assets.defs.raw import RAW_ARCHIVE
from mediatool_assets.defs.resources import Platform
from mediatool_assets.defs.runs import RunVersion
from mediatool_assets.domain.ddl.kinds import by_setting
from mediatool_assets.domain.errors import BadArchive, CheckFailed
from mediatool_assets.domain.keys import postgres_database
from mediatool_assets.domain.schema import namespaces
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import RestoreTarget
from mediatool_assets.flows.restore.postgres import RestoreOptions, restore_postgres, restored
from mediatool_assets.flows.restore.records import RestoreRequest, recorded, why_not_restored
from mediatool_assets.flows.versions import archives
from mediatool_assets.stores.environment import account

DATABASE = dg.AssetKey("postgres_database")


def postgres_layer(tables: Sequence[str]) -> dg.AssetsDefinition:
    """The step that restores the version's database: all of its tables or none."""

    @dg.multi_asset(
        name="restore",
        specs=[_database_spec(tables), *map(_spec, tables)],
        partitions_def=DAYS,
        pool=pools.RESTORE,
    )
    def restore_layer(
        context: dg.AssetExecutionContext, platform: Platform
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Restore the version's raw archive to its own database, and read it back.

        If the database cannot be made (an object fails, or rows are rejected), the version
        continues without it: its metadata has the reason, and a check fails.
        """
        with retried():
            version = RunVersion.of(context).to_read(platform.objects())
            target, raw = platform.target(), archives.reader(platform.objects(), "raw", version)
            problem = None
            if restored(target, raw.manifest) is not None:
                context.log.info(f"{postgres_database(version)} is complete: adopted")
            else:
                problem = _restore(context, platform, target, version, raw)
            results = [_database(target, version, problem)]
            if problem is None:
                results += _results(target, version, raw, tables)
        yield from results

    return restore_layer


def _database_spec(tables: Sequence[str]) -> dg.AssetSpec:
    return layer_spec(
        "postgres",
        DATABASE,
        [RAW_ARCHIVE, *(key("raw", table) for table in tables)],
        "The version's own database `media_tool_VERSION`, or why there is none: the version is "
        "complete without it, and the check `restored` of its metadata fails.",
        {"postgres"},
    )


def _spec(table: str) -> dg.AssetSpec:
    spec = layer_spec(
        "postgres",
        key("postgres", table),
        [RAW_ARCHIVE, key("raw", table)],
        f"The table `{table}` of the version's own database `media_tool_VERSION`. As an input it "
        f"is read from the raw archive, which holds the same rows.{TOGETHER}",
        {"postgres"},
    ).with_io_manager_key(TABLES_IO)
    return spec.replace_attributes(skippable=True)


def _restore(
    context: dg.AssetExecutionContext,
    platform: Platform,
    target: RestoreTarget,
    version: Version,
    raw: ArchiveReader,
) -> str | None:
    """Restore, verify and record it; returns why the version has no database, or None."""
    objects, database = platform.objects(), postgres_database(version)
    skip = by_setting(platform.settings().restore_skip)

    request = RestoreRequest(version, "postgres", database, target.server, account())
    try:
        with platform.workspace(LoggedProgress(context)) as workspace:
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


def _database(
    target: RestoreTarget, version: Version, problem: str | None
) -> dg.MaterializeResult[Any]:
    database = postgres_database(version)
    return dg.MaterializeResult(
        asset_key=DATABASE,
        metadata={
            "version": str(version),
            "restored": problem is None,
            **({"problem": problem} if problem else {}),
            "dagster/uri": f"postgresql://{target.server}/{database}",
        },
    )


def _results(
    target: RestoreTarget, version: Version, raw: ArchiveReader, tables: Sequence[str]
) -> Iterator[dg.MaterializeResult[Any]]:
    database, members = postgres_database(version), raw.manifest.tables()
    require_named(database, tables, members)
    where = f"postgresql://{target.server}/{database}"
    schema = str(raw.manifest.source.get("schema"))
    prefix = f"{schema}." if len(namespaces(schema)) == 1 else ""  # else it is part of the name
    for table in tables:
        member = members[table]
        yield dg.MaterializeResult(
            asset_key=key("postgres", table),
            data_version=dg.DataVersion(member.fingerprint or member.content),
            metadata={
                "version": str(version),
                "dagster/row_count": member.rows,
                "dagster/partition_row_count": member.rows,
                "dagster/uri": where,
                "dagster/table_name": f"{database}.{prefix}{table}",
                "fingerprint": member.fingerprint or "",
            },
        )
