"""The PostgreSQL layer: the version's own database, restored from the raw archive and verified."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import dagster as dg

from mediatool_assets.defs import pools
from mediatool_assets.defs.dead_runs import record_process
from mediatool_assets.defs.failures import retried
from mediatool_assets.defs.layers import (
    POSTGRES_DATABASE,
    RAW_ARCHIVE,
    RESTORED_DATABASE_IO,
    RESTORED_TABLES_IO,
    TOGETHER,
    key,
    layer_spec,
    require_named,
)
from mediatool_assets.defs.partitions import DAYS
from mediatool_assets.defs.progress import LoggedProgress
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.defs.stored import stored_postgres_database, stored_postgres_table
from mediatool_assets.domain.ddl.kinds import by_setting
from mediatool_assets.domain.errors import BadArchive, CheckFailed
from mediatool_assets.domain.manifest import Manifest
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import RestoreTarget
from mediatool_assets.flows.query.handles import ArchiveHandle
from mediatool_assets.flows.restore.database import RestoredDatabase, restored_database
from mediatool_assets.flows.restore.postgres import RestoreOptions, restore_postgres
from mediatool_assets.flows.restore.records import RestoreRequest, recorded, why_not_restored
from mediatool_assets.flows.versions.version_databases import restored
from mediatool_assets.stores.environment import account


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
