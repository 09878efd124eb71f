"""The PostgreSQL layer: the version's own database, restored from the raw archive and verified."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.defs import pools
from mediatool_assets.defs.failures import retried
from mediatool_assets.defs.layers import (
    CODE_VERSION,
    OWNERS,
    TABLES_IO,
    LoggedProgress,
    key,
)
from mediatool_assets.defs.partitions import DAYS
from mediatool_assets.defs.resources import Platform
from mediatool_assets.defs.runs import RunVersion
from mediatool_assets.domain.errors import CheckFailed
from mediatool_assets.domain.keys import postgres_database
from mediatool_assets.domain.schema import namespaces
from mediatool_assets.domain.version import Version
from mediatool_assets.flows import archives
from mediatool_assets.flows.ports import Target
from mediatool_assets.flows.restore import restore_postgres, restored
from mediatool_assets.flows.restore_record import RestoreRequest, recorded
from mediatool_assets.stores.environment import account


def postgres_layer(tables: Sequence[str]) -> dg.AssetsDefinition:
    """The step that restores the version's database: all of its tables, or none."""

    @dg.multi_asset(
        name="restore",
        specs=[_spec(table) for table in tables],
        partitions_def=DAYS,
        pool=pools.RESTORE,
    )
    def restore_layer(
        context: dg.AssetExecutionContext, platform: Platform
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Restore the version's raw archive into a database of its own, and read it back."""
        with retried():
            version = RunVersion.of(context).to_read(platform.objects())
            target, raw = platform.target(), archives.reader(platform.objects(), "raw", version)
            if restored(target, raw.manifest) is not None:
                context.log.info(f"{postgres_database(version)} is complete: adopted")
            else:
                _restore(context, platform, target, version)
            results = list(_results(target, version, raw, tables))
        yield from results

    return restore_layer


def _spec(table: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key("postgres", table),
        deps=[key("raw", table)],
        description=f"The table `{table}` of the version's own database `media_tool_VERSION`. An "
        "input of it is read from the raw archive, whose rows it has been proven to hold.",
        group_name="postgres",
        kinds={"postgres"},
        owners=OWNERS,
        tags={"mediatool/layer": "postgres"},
        code_version=CODE_VERSION,
    ).with_io_manager_key(TABLES_IO)


def _restore(
    context: dg.AssetExecutionContext, platform: Platform, target: Target, version: Version
) -> None:
    """Restore and verify, and keep evidence of it."""
    objects, database = platform.objects(), postgres_database(version)
    with platform.workers() as (executor, _):
        evidence = recorded(
            objects,
            RestoreRequest(version, "postgres", database, target.server, account()),
            lambda: restore_postgres(
                objects, target, executor, version, progress=LoggedProgress(context)
            ),
            lambda: datetime.now(UTC),
        )
    context.log.info(f"{database}: {sum(evidence.rows.values()):,} rows verified")


def _results(
    target: Target, version: Version, raw: ArchiveReader, tables: Sequence[str]
) -> Iterator[dg.MaterializeResult[Any]]:
    database, members = postgres_database(version), raw.manifest.tables()
    if missing := [table for table in tables if table not in members]:
        raise CheckFailed(
            f"{database} has no {', '.join(missing)}, which the model names; the model has changed "
            "since the version was made: make a new version"
        )
    where = f"postgresql://{target.server}/{database}"
    schema = str(raw.manifest.source.get("schema"))
    prefix = f"{schema}." if len(namespaces(schema)) == 1 else ""  # else it is part of the name
    for table in tables:
        member = members[table]
        yield dg.MaterializeResult(
            asset_key=key("postgres", table),
            data_version=dg.DataVersion(member.fingerprint or member.sha256),
            metadata={
                "version": str(version),
                "dagster/row_count": member.rows,
                "dagster/partition_row_count": member.rows,
                "dagster/uri": where,
                "dagster/table_name": f"{database}.{prefix}{table}",
                "fingerprint": member.fingerprint or "",
            },
        )
