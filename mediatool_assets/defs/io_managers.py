"""The IO managers by their resource keys, and that of JSON documents."""

from hashlib import sha256
from typing import Any, NamedTuple

import dagster as dg
import orjson

from mediatool_assets.defs.archive_io import Archives, Collections, RawTables
from mediatool_assets.defs.database_io import MongoDatabase, RestoredDatabases, RestoredTables
from mediatool_assets.defs.failures import retried
from mediatool_assets.defs.layers import (
    ARCHIVES_IO,
    COLLECTIONS_IO,
    DATABASE_IO,
    JSON_IO,
    METADATA,
    REGISTRY,
    RESTORED_DATABASE_IO,
    RESTORED_TABLES_IO,
    TABLES_IO,
)
from mediatool_assets.defs.namespace import Namespace
from mediatool_assets.defs.parquet import PARQUET_IO, Parquet
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.defs.stored import Stored, stored_json
from mediatool_assets.defs.version_io import VersionIOManager
from mediatool_assets.domain.keys import REGISTRY_KEY, metadata_key
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.reports.storage import keep

DOCUMENT_KEY = "mediatool/key"
"""Definition metadata of a JSON document: its key in the bucket, with ``{partition}`` in it."""


class _Document(NamedTuple):
    version: Version
    uri: str
    data: bytes


class JsonDocuments(VersionIOManager):
    """JSON files of the bucket as plain Python values: metadata, registry, and reports.

    An asset whose definition metadata has DOCUMENT_KEY is written to that key, and replaces it.
    """

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write the document to its key; raises AlreadyExists if another writer was first."""
        place = context.definition_metadata.get(DOCUMENT_KEY)
        if place is None:
            super().handle_output(context, obj)
            return
        with retried():
            objects = self.servers.objects()
            key = str(place).format(partition=context.asset_partition_key)
            data = orjson.dumps(obj, option=orjson.OPT_INDENT_2)
            uri = keep(objects, key, data)
        context.add_output_metadata(
            {"dagster/uri": uri, "bytes": len(data), "digest": sha256(data).hexdigest()}
        )

    def _read(self, context: dg.InputContext, version: Version) -> Any:
        upstream = context.upstream_output
        place = upstream.definition_metadata.get(DOCUMENT_KEY) if upstream else None
        if place is None:
            return super()._read(context, version)
        data, _ = self.servers.objects().get(str(place).format(partition=version.partition))
        return orjson.loads(data)

    def place(self, asset: dg.AssetKey) -> str:
        """The document that the asset is."""
        return asset.path[-1]

    def open_place(self, place: str, version: Version) -> _Document:
        """The document as the bucket has it."""
        keys = {METADATA.path[-1]: metadata_key(version), REGISTRY.path[-1]: REGISTRY_KEY}
        objects, key = self.servers.objects(), keys[place]
        data, _ = objects.get(key)
        return _Document(version, objects.uri(key), data)

    def open(self, asset: dg.AssetKey, opened: _Document) -> Any:  # noqa: ARG002  # the place is the asset
        """The parsed document."""
        return orjson.loads(opened.data)

    def find(self, asset: dg.AssetKey, opened: _Document) -> Stored:  # noqa: ARG002  # likewise
        """Its bytes, as one digest."""
        return stored_json(opened.version, opened.uri, opened.data)


def io_managers(
    names: Namespace, servers: ServersResource
) -> dict[str, dg.ConfigurableIOManager | Parquet]:
    """Every IO manager by its resource key."""
    own: dict[str, Any] = {"servers": servers, "prefix": names.prefix}
    managers: dict[str, dg.ConfigurableIOManager | Parquet] = {
        TABLES_IO: RawTables(**own),
        COLLECTIONS_IO: Collections(**own),
        DATABASE_IO: MongoDatabase(**own),
        RESTORED_TABLES_IO: RestoredTables(**own),
        RESTORED_DATABASE_IO: RestoredDatabases(**own),
        ARCHIVES_IO: Archives(**own),
        JSON_IO: JsonDocuments(**own),
        PARQUET_IO: Parquet(servers=servers),
    }
    return {names.name(key): manager for key, manager in managers.items()}
