"""IO managers: a downstream asset gets a table, collection, archive or document of its partition.

An input annotated ``pandas.DataFrame``, ``pyarrow.Table``, ``polars.DataFrame`` or
``duckdb.DuckDBPyRelation`` gets the whole table or collection; any other gets a handle that reads
lazily. The run's own partition is read from the run's version, every
other one from its newest complete version. An input of several partitions is a dict by partition,
of those that have a version.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
import orjson

from mediatool_assets.defs.dump import DUMP
from mediatool_assets.defs.failures import errors_as_failures
from mediatool_assets.defs.frames import as_annotated, each_of
from mediatool_assets.defs.layers import (
    ARCHIVES_IO,
    COLLECTIONS_IO,
    DATABASE_IO,
    JSON_IO,
    TABLES_IO,
    name_of,
    shown,
)
from mediatool_assets.defs.namespace import Namespace
from mediatool_assets.defs.parquet import PARQUET_IO, Parquet
from mediatool_assets.defs.publication import METADATA, REGISTRY
from mediatool_assets.defs.raw import RAW_ARCHIVE
from mediatool_assets.defs.resources import Platform
from mediatool_assets.defs.runs import RunVersion
from mediatool_assets.domain.errors import Misuse
from mediatool_assets.domain.keys import REGISTRY_KEY, Kind, metadata_key
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.query.handles import (
    ArchiveHandle,
    Documents,
    LiveDocuments,
    TableRows,
    archive_of,
    live_documents,
)
from mediatool_assets.flows.reports.storage import keep
from mediatool_assets.flows.versions import catalog

DOCUMENT_KEY = "mediatool/key"
"""Definition metadata of a JSON document: its key in the bucket, with ``{partition}`` in it."""


class VersionIOManager(dg.ConfigurableIOManager):
    """Reads what a version's flows have stored; they write, so that this one never does."""

    platform: dg.ResourceDependency[Platform]
    prefix: str = ""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Refuse a value: the platform's own steps have stored what they made, and give none."""
        with errors_as_failures():
            raise Misuse(
                f"{context.asset_key.to_user_string()}: this IO manager keeps what the platform's "
                f"own steps made, not a {type(obj).__name__}; give the asset an IO manager of its "
                f"own, such as `{PARQUET_IO}` for tables"
            )

    def load_input(self, context: dg.InputContext) -> Any:
        """The asset of the input's partition, a dict of several, or None of no partition."""
        keys = context.asset_partition_keys
        with errors_as_failures():
            if not keys:
                return None
            if len(keys) == 1:
                return self._read(context, self._version(context, keys[0]))
            versions = _newest(self.platform.objects(), keys)
            return {key: self._read(context, version) for key, version in versions.items()}

    def _read(self, context: dg.InputContext, version: Version) -> Any:
        kind = context.dagster_type.typing_type if context.has_input_name else None
        handle = self.open(context.asset_key, version)
        return as_annotated(shown(context.asset_key), handle, each_of(kind))

    def _version(self, context: dg.InputContext, key: str) -> Version:
        """The run's version for its own partition, the newest complete one for any other."""
        objects = self.platform.objects()
        if context.has_input_name and context.has_partition_key and context.partition_key == key:
            run = context.step_context.dagster_run
            names = Namespace(self.prefix)
            return RunVersion(context.instance, run, key, names).to_read(objects)
        return catalog.latest(objects, key).version

    @abstractmethod
    def open(self, asset: dg.AssetKey, version: Version) -> Any:
        """The asset of a version, of which nothing has been read yet."""


class RawTables(VersionIOManager):
    """Tables of the raw archive."""

    def open(self, asset: dg.AssetKey, version: Version) -> TableRows:
        """The table that the asset is called after."""
        return archive_of(self.platform.objects(), "raw", version).table(name_of(asset))


class Collections(VersionIOManager):
    """Collections of the transformed archive."""

    def open(self, asset: dg.AssetKey, version: Version) -> Documents:
        """The collection that the asset is called after."""
        archive = archive_of(self.platform.objects(), "transformed", version)
        return archive.collection(name_of(asset))


class Database(VersionIOManager):
    """Collections of the version's MongoDB database, read from the server."""

    def open(self, asset: dg.AssetKey, version: Version) -> LiveDocuments:
        """The collection that the asset is called after."""
        return live_documents(self.platform.documents(), version, name_of(asset))


class Archives(VersionIOManager):
    """Archives as a whole: the raw archive and the dump."""

    def open(self, asset: dg.AssetKey, version: Version) -> ArchiveHandle:
        """The archive, whose tables or collections are then taken by name."""
        names = Namespace(self.prefix)
        kinds: dict[dg.AssetKey, Kind] = {
            names.key(RAW_ARCHIVE): "raw",
            names.key(DUMP): "dump",
        }
        return archive_of(self.platform.objects(), kinds[asset], version)


class JsonDocuments(VersionIOManager):
    """JSON files of the bucket as plain Python values: metadata, registry, and reports.

    An asset whose definition metadata has DOCUMENT_KEY is written there, over the one that it was.
    """

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write the document to its key; AlreadyExists where another writer was quicker."""
        place = context.definition_metadata.get(DOCUMENT_KEY)
        if place is None:
            super().handle_output(context, obj)
            return
        with errors_as_failures():
            objects = self.platform.objects()
            key = str(place).format(partition=context.asset_partition_key)
            data = orjson.dumps(obj, option=orjson.OPT_INDENT_2)
            keep(objects, key, data)
        context.add_output_metadata({"dagster/uri": objects.uri(key), "bytes": len(data)})

    def _read(self, context: dg.InputContext, version: Version) -> Any:
        upstream = context.upstream_output
        place = upstream.definition_metadata.get(DOCUMENT_KEY) if upstream else None
        if place is None:
            return super()._read(context, version)
        data, _ = self.platform.objects().get(str(place).format(partition=version.partition))
        return orjson.loads(data)

    def open(self, asset: dg.AssetKey, version: Version) -> Any:
        """The parsed document."""
        names = Namespace(self.prefix)
        keys = {
            names.key(METADATA): metadata_key(version),
            names.key(REGISTRY): REGISTRY_KEY,
        }
        data, _ = self.platform.objects().get(keys[asset])
        return orjson.loads(data)


def io_managers(
    names: Namespace, platform: Platform
) -> dict[str, dg.ConfigurableIOManager | Parquet]:
    """Every IO manager by its resource key."""
    own: dict[str, Any] = {"platform": platform, "prefix": names.prefix}
    managers: dict[str, dg.ConfigurableIOManager | Parquet] = {
        TABLES_IO: RawTables(**own),
        COLLECTIONS_IO: Collections(**own),
        DATABASE_IO: Database(**own),
        ARCHIVES_IO: Archives(**own),
        JSON_IO: JsonDocuments(**own),
        PARQUET_IO: Parquet(platform=platform),
    }
    return {names.name(key): manager for key, manager in managers.items()}


def _newest(objects: ObjectStore, keys: Sequence[str]) -> Mapping[str, Version]:
    """The newest complete version of each of the partitions that has one."""
    first, last = min(keys), max(keys)
    versions = catalog.versions(objects, date.fromisoformat(first), date.fromisoformat(last))
    newest = {version.partition: version for version in versions}  # oldest first: the last one wins
    wanted = set(keys)
    return {key: version for key, version in newest.items() if key in wanted}
