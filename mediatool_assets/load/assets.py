"""The MongoDB layer: the version's own database, loaded, compared and marked complete.

The dump: the version's MongoDB database in mongodump's layout, in one archive.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from mediatool_assets import orchestration as pools
from mediatool_assets.core.errors import AlreadyExists
from mediatool_assets.load.flow import dump, load_and_dump
from mediatool_assets.orchestration import (
    ARCHIVES_IO,
    DATABASE_IO,
    DAYS,
    DUMP_ARCHIVE,
    MONGODB_DATABASE,
    TOGETHER,
    TRANSFORMED_ARCHIVE,
    VERSION,
    columns,
    key,
    layer_spec,
    require_named,
    unchanged,
)
from mediatool_assets.orchestration.io_managers import (
    server_uri,
    stored_archive,
    stored_collection,
    stored_mongodb_database,
)
from mediatool_assets.orchestration.resources import ServersResource
from mediatool_assets.orchestration.runs import LoggedProgress, record_process, retried
from mediatool_assets.query.handles import ArchiveHandle, LiveDatabase
from mediatool_assets.versions import catalog
from mediatool_assets.versions.records import Loaded, loaded


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


def dump_layer(collections: Sequence[str]) -> dg.AssetsDefinition:
    """The step that dumps the version's database."""

    @dg.multi_asset(
        name="dump",
        specs=[_dump_spec(collections)],
        ins={"mongodb_database": dg.AssetIn(MONGODB_DATABASE)},
        partitions_def=DAYS,
        pool=pools.DUMP,
    )
    def dump_asset(
        context: dg.AssetExecutionContext, servers: ServersResource, mongodb_database: LiveDatabase
    ) -> dg.MaterializeResult[Any]:
        """Dump the version's database; an existing dump with the same content is adopted."""
        record_process(context.instance, context.run)
        with retried():
            objects, version = servers.objects(), mongodb_database.version
            with servers.workspace(LoggedProgress(context)) as workspace:
                archived = dump(objects, servers.documents(), workspace, version)
            digest = catalog.reader(objects, "dump", version).digest
        manifest = archived.manifest
        return dg.MaterializeResult(
            value=stored_archive(version, archived, digest),
            metadata={"documents": {name: m.rows for name, m in manifest.collections().items()}},
        )

    return dump_asset


def _dump_spec(collections: Sequence[str]) -> dg.AssetSpec:
    spec = layer_spec(
        "dump",
        DUMP_ARCHIVE,
        [MONGODB_DATABASE, *(key("mongodb", name) for name in collections)],
        "The version's database in mongodump's layout; mongorestore can restore it.",
        {"s3", "mongodb", "bson"},
    )
    return spec.replace_attributes(group_name=VERSION).with_io_manager_key(ARCHIVES_IO)
