"""The MongoDB layer: the version's own database, loaded, compared and marked complete."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from mediatool_assets.defs import pools
from mediatool_assets.defs.collection_columns import columns, unchanged
from mediatool_assets.defs.dead_runs import record_process
from mediatool_assets.defs.failures import retried
from mediatool_assets.defs.layers import (
    DATABASE_IO,
    MONGODB_DATABASE,
    TOGETHER,
    TRANSFORMED_ARCHIVE,
    key,
    layer_spec,
    require_named,
)
from mediatool_assets.defs.partitions import DAYS
from mediatool_assets.defs.progress import LoggedProgress
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.defs.stored import server_uri, stored_collection, stored_mongodb_database
from mediatool_assets.domain.errors import AlreadyExists
from mediatool_assets.flows.dump import load_and_dump
from mediatool_assets.flows.query.handles import ArchiveHandle
from mediatool_assets.flows.versions.version_databases import Loaded, loaded


def mongodb_layer(collections: Sequence[str]) -> dg.AssetsDefinition:
    """The step that makes the version's database: all of its collections or none."""

    @dg.multi_asset(
        name="load",
        specs=[_database_spec(), *map(_spec, collections)],
        ins={"transformed_archive": dg.AssetIn(TRANSFORMED_ARCHIVE)},
        partitions_def=DAYS,
        pool=pools.LOAD,
    )
    def load_layer(
        context: dg.AssetExecutionContext,
        servers: ServersResource,
        transformed_archive: ArchiveHandle,
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Load the version's transformed archive into a database of its own."""
        record_process(context.instance, context.run)
        with retried():
            database = _load(context, servers, transformed_archive)
            server = server_uri(servers.settings())
            results = list(_results(transformed_archive, server, database, collections))
        yield from results

    return load_layer


def _database_spec() -> dg.AssetSpec:
    return layer_spec(
        "mongodb",
        MONGODB_DATABASE,
        [TRANSFORMED_ARCHIVE],  # one parent, as each collection has (docs/how-to/backfills.md)
        "The version's own database `mediatool_VERSION` as a whole, complete and read back.",
        {"mongodb"},
    ).with_io_manager_key(DATABASE_IO)


def _spec(name: str) -> dg.AssetSpec:
    return layer_spec(
        "mongodb",
        key("mongodb", name),
        [key("transformed", name)],
        f"The collection `{name}` of the version's own MongoDB database.{TOGETHER}",
        {"mongodb"},
    ).with_io_manager_key(DATABASE_IO)


def _load(
    context: dg.AssetExecutionContext, servers: ServersResource, archive: ArchiveHandle
) -> Loaded:
    """Load the version, or adopt its complete database if that equals the archive.

    What reads a new database back makes the dump too, which the next step adopts.
    """
    objects, documents, version = servers.objects(), servers.documents(), archive.version
    present = loaded(documents, version)
    if present is None:
        with servers.workspace(LoggedProgress(context)) as workspace:
            return load_and_dump(objects, documents, workspace, version)
    if not present.agrees_with(archive.manifest):
        raise AlreadyExists(
            f"the complete database {present.database}",
            "and differs from the transformed archive; materialize a new version",
        )
    context.log.info(f"{present.database} is complete: adopted")
    return present


def _results(
    transformed: ArchiveHandle, server: str, database: Loaded, collections: Sequence[str]
) -> Iterator[dg.MaterializeResult[Any]]:
    require_named(database.database, collections, database.documents)
    version, members = transformed.version, transformed.manifest.collections()
    yield dg.MaterializeResult(
        asset_key=MONGODB_DATABASE,
        value=stored_mongodb_database(version, server, database),
        metadata={"documents": {name: database.documents[name] for name in collections}},
    )
    for name in collections:
        fields = columns(transformed.archive, members[name], None)
        yield dg.MaterializeResult(
            asset_key=key("mongodb", name),
            value=stored_collection(version, server, database, name),
            data_version=dg.DataVersion(database.fingerprints[name]),
            metadata={
                "dagster/column_schema": fields,
                "dagster/column_lineage": unchanged(fields, "transformed", name),
            },
        )
