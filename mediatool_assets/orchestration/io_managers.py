"""The IO managers by their resource keys, and that of JSON documents.

IO managers of the archives, and of the tables and collections in them.

IO managers of a version's databases, and of the tables and collections in them.

What the IO managers of a version's assets share.

A step hands over what it has stored, a ``Stored``: ``handle_output`` reads the store and records
where the asset is, its rows, bytes and digest, or fails where the store has something else. The
flows write, never these IO managers.

``load_input`` reads the run's own partition from the run's version, and every other one from its
newest complete version. An input of several partitions is a dict by partition, of those that have a
version. An input annotated ``pandas.DataFrame``, ``pyarrow.Table``, ``polars.DataFrame`` or
``duckdb.DuckDBPyRelation`` gets the whole table or collection; any other gets a handle that reads
lazily.

An IO manager for users' assets: tables as Parquet in the bucket, one file for each partition.

A returned pandas or polars frame, Arrow table or DuckDB relation is stored at ``user-assets/{asset
key}/{partition}.parquet``, replacing the previous file. An input is read in the annotated type of
the parameter. Built on Dagster's UPathIOManager, which handles partitions.

The value that a step returns to an asset's IO manager: what it has stored.

Shared by the report assets: their place in the bucket, their HTML, and their check.

A report is about the newest complete version of its partition, which may be another one than the
run's. The asset is its JSON, written by the JSON IO manager; the HTML is stored beside it.
"""

import io
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import dagster as dg
import msgspec
import orjson
from pydantic import PrivateAttr
from upath import UPath

from mediatool_assets.core.errors import CheckFailed, MediatoolError, Misuse, NotFound
from mediatool_assets.core.manifest import Manifest, Member
from mediatool_assets.core.outcomes import Finding
from mediatool_assets.core.schema import namespaces
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import (
    REGISTRY_KEY,
    Kind,
    Report,
    Version,
    metadata_key,
    report_key,
)
from mediatool_assets.orchestration import (
    ARCHIVES_IO,
    COLLECTIONS_IO,
    DATABASE_IO,
    DUMP_ARCHIVE,
    JSON_IO,
    METADATA,
    MONGODB_DATABASE,
    RAW_ARCHIVE,
    REGISTRY,
    RESTORED_DATABASE_IO,
    RESTORED_TABLES_IO,
    SANITIZED,
    TABLES_IO,
    TRANSFORMED_ARCHIVE,
    Facts,
    Namespace,
    check_result,
    check_spec,
    layer_spec,
    name_of,
    shown,
)
from mediatool_assets.orchestration.resources import (
    ServersResource,
    as_annotated,
    as_arrow,
    from_arrow,
    mapping_value_type,
)
from mediatool_assets.orchestration.runs import (
    RunVersion,
    errors_as_failures,
    record_process,
    retried,
)
from mediatool_assets.pages import ReportForms, keep, keep_twin, markdown
from mediatool_assets.query.handles import (
    ArchiveHandle,
    Documents,
    LiveDatabase,
    LiveDocuments,
    RestoredDatabase,
    TableRows,
    archive_of,
    live_database,
    restored_database,
)
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.versions import catalog
from mediatool_assets.versions.catalog import StoredArchive
from mediatool_assets.versions.records import Loaded

if TYPE_CHECKING:
    import pyarrow

PARQUET_IO = "parquet"
FOLDER = "user-assets"


class ParquetFiles(dg.UPathIOManager):
    """Writes and reads the files with the bucket's own client."""

    extension = ".parquet"

    def __init__(self, servers: ServersResource) -> None:
        super().__init__(base_path=UPath(FOLDER))
        self.servers = servers

    def dump_to_path(self, context: dg.OutputContext, obj: Any, path: UPath) -> None:
        """Store a table, and record its URI, rows, bytes and columns."""
        from pyarrow import parquet  # noqa: PLC0415  # slow

        with errors_as_failures():
            table, file = as_arrow(_name(context), obj), io.BytesIO()
            parquet.write_table(table, file, compression="zstd")
            data = file.getvalue()
            uri = keep(self.servers.objects(), str(path), data)
        context.add_output_metadata(
            {
                "dagster/uri": uri,
                "dagster/row_count": table.num_rows,
                "dagster/partition_row_count": table.num_rows,
                "bytes": len(data),
                "dagster/column_schema": _columns(table),
            }
        )

    def load_from_path(self, context: dg.InputContext, path: UPath) -> Any:
        """Read a table in the input's annotated type; raises FileNotFoundError if it does not
        exist.

        Dagster skips such a partition if the input has the metadata allow_missing_partitions.
        """
        from pyarrow import parquet  # noqa: PLC0415  # slow

        kind = context.dagster_type.typing_type if context.has_input_name else None
        with errors_as_failures():
            objects = self.servers.objects()
            if objects.head(str(path)) is None:
                raise FileNotFoundError(
                    f"{objects.uri(str(path))} does not exist; materialize {_name(context)} of "
                    "that partition"
                )
            data, _ = objects.get(str(path))
            table = parquet.read_table(io.BytesIO(data))
            return from_arrow(_name(context), table, mapping_value_type(kind))

    def path_exists(self, path: UPath) -> bool:
        """True if the file exists."""
        return self.servers.objects().head(str(path)) is not None

    def unlink(self, path: UPath) -> None:
        """Do nothing: the new file replaces the old one."""

    def make_directory(self, path: UPath) -> None:
        """Do nothing: a bucket has no directories."""


class Parquet(dg.ConfigurableIOManagerFactory):  # type: ignore[type-arg]  # of Dagster's own base
    """The resource with which Dagster creates the IO manager."""

    servers: dg.ResourceDependency[ServersResource]

    def create_io_manager(self, context: dg.InitResourceContext) -> ParquetFiles:  # noqa: ARG002
        """Create the IO manager for one process."""
        return ParquetFiles(self.servers)


def _name(context: dg.InputContext | dg.OutputContext) -> str:
    return context.asset_key.to_user_string()


def _columns(table: "pyarrow.Table") -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(each.name, str(each.type)) for each in table.schema])


@dataclass(frozen=True, slots=True)
class Stored:
    """One asset of a version, as described by the step that stored it.

    ``rows`` are rows or documents and ``bytes`` those of their JSON or BSON, None where there are
    none; ``digest`` is equal for equal content. ``more`` is recorded and not compared.
    """

    version: Version
    uri: str
    rows: int | None
    bytes: int | None
    digest: str
    more: Facts = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        rows = "" if self.rows is None else f"{self.rows:,} rows, "
        size = "" if self.bytes is None else f"{self.bytes:,} bytes, "
        return f"{rows}{size}digest {self.digest[:16]} of version {self.version} at {self.uri}"

    def facts(self) -> Facts:
        """The metadata of the materialization; the UI plots the row counts."""
        rows = {"dagster/row_count": self.rows, "dagster/partition_row_count": self.rows}
        return {
            "version": str(self.version),
            "dagster/uri": self.uri,
            **(rows if self.rows is not None else {}),
            **({"bytes": self.bytes} if self.bytes is not None else {}),
            "digest": self.digest,
            **self.more,
        }


def stored_archive(version: Version, archived: StoredArchive, digest: str) -> Stored:
    """A whole archive; ``digest`` is its reader's."""
    manifest = archived.manifest
    more = _of_archive(archived)
    return Stored(version, archived.uri, manifest.rows, manifest.bytes, digest, more)


def stored_member(version: Version, archived: StoredArchive, member: Member) -> Stored:
    """A table or collection of an archive."""
    more: Facts = {
        **_of_archive(archived),
        "member": member.name,
        "compressed_bytes": sum(block.length for block in member.blocks),
        "fingerprint": member.fingerprint or "",
    }
    return Stored(version, archived.uri, member.rows, member.bytes, member.content, more)


def _of_archive(archived: StoredArchive) -> Facts:
    return {"archive": dg.MetadataValue.path(archived.uri), "archive_bytes": archived.size}


def stored_mongodb_database(version: Version, server: str, database: Loaded) -> Stored:
    """A MongoDB database; ``server`` is its URI without user, password and database."""
    rows, size = sum(database.documents.values()), sum(database.bytes.values())
    return Stored(version, f"{server}/{database.database}", rows, size, database.content)


def stored_collection(version: Version, server: str, database: Loaded, name: str) -> Stored:
    """A collection of a MongoDB database, as it was read back."""
    fingerprint = database.fingerprints[name]
    more: Facts = {
        "dagster/table_name": f"{database.database}.{name}",
        "fingerprint": fingerprint,
    }
    uri, rows = f"{server}/{database.database}", database.documents[name]
    return Stored(version, uri, rows, database.bytes[name], fingerprint, more)


def stored_postgres_database(database: RestoredDatabase) -> Stored:
    """A PostgreSQL database that was restored and read back."""
    rows = sum(database.rows.values())
    more: Facts = {"restored": True}
    return Stored(database.version, database.uri, rows, None, database.content, more)


def stored_postgres_table(database: RestoredDatabase, manifest: Manifest, member: Member) -> Stored:
    """A table of a PostgreSQL database, whose rows the restore compared with the raw archive's."""
    schema = str(manifest.source.get("schema"))
    prefix = f"{schema}." if len(namespaces(schema)) == 1 else ""  # else it is part of the name
    fingerprint = member.fingerprint or ""
    more: Facts = {
        "dagster/table_name": f"{database.database}.{prefix}{member.table}",
        "fingerprint": fingerprint,
    }
    return Stored(database.version, database.uri, member.rows, None, fingerprint, more)


def stored_json(version: Version, uri: str, data: bytes) -> Stored:
    """A JSON document of the bucket."""
    return Stored(version, uri, None, len(data), sha256(data).hexdigest())


def server_uri(settings: Settings) -> str:
    """``mongodb://hosts``, without user, password and options; raises BadSettings."""
    url = settings.required_url("mongodb_url")
    return f"{url.scheme}://{url.hosts}"


class VersionIOManager(dg.ConfigurableIOManager):
    """Records what a version's flows have stored, and reads it; the flows write, never this."""

    servers: dg.ResourceDependency[ServersResource]
    prefix: str = ""

    _last: tuple[object, Any] | None = PrivateAttr(default=None)

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Record what a step has stored; raises CheckFailed where the store has something else."""
        asset = context.asset_key
        with retried():
            if not isinstance(obj, Stored):
                raise Misuse(
                    f"{asset.to_user_string()}: this IO manager records what the platform's own "
                    f"steps stored, not a {type(obj).__name__}; give the asset an IO manager of "
                    f"its own, such as `{PARQUET_IO}` for tables"
                )
            found = self.find(asset, self._place(asset, obj.version))
            if found != obj:
                self._last = None  # the next attempt reads anew
                raise CheckFailed(
                    f"{shown(asset)}: the step stored {obj}, but the store has {found}; "
                    "run the step again"
                )
        context.add_output_metadata(found.facts())

    def load_input(self, context: dg.InputContext) -> Any:
        """The asset of the input's partition, a dict of several, or None of no partition.

        A server that does not answer is asked again some seconds later, as by a step.
        """
        keys = context.asset_partition_keys
        with retried():
            if not keys:
                return None
            if len(keys) == 1:
                return self._read(context, self._version(context, keys[0]))
            versions = _newest(self.servers.objects(), keys)
            return {key: self._read(context, version) for key, version in versions.items()}

    def _read(self, context: dg.InputContext, version: Version) -> Any:
        kind = context.dagster_type.typing_type if context.has_input_name else None
        opened = self.open_place(self.place(context.asset_key), version)
        handle = self.open(context.asset_key, opened)
        return as_annotated(shown(context.asset_key), handle, mapping_value_type(kind))

    def _version(self, context: dg.InputContext, key: str) -> Version:
        """The run's version for its own partition, the newest complete one for any other."""
        objects = self.servers.objects()
        if context.has_input_name and context.has_partition_key and context.partition_key == key:
            run = context.step_context.dagster_run
            names = Namespace(self.prefix)
            return RunVersion(context.instance, run, key, names).to_read(objects)
        return catalog.latest(objects, key).version

    def _place(self, asset: dg.AssetKey, version: Version) -> Any:
        """The place of an output, which is read once for all outputs of a step."""
        wanted = self.place(asset), version
        if self._last is None or self._last[0] != wanted:
            self._last = wanted, self.open_place(*wanted)
        return self._last[1]

    @abstractmethod
    def place(self, asset: dg.AssetKey) -> str:
        """Which archive, database or document of a version holds the asset."""

    @abstractmethod
    def open_place(self, place: str, version: Version) -> Any:
        """The archive, database or document; raises NotFound where it is not there."""

    @abstractmethod
    def open(self, asset: dg.AssetKey, opened: Any) -> Any:
        """The asset as an input, out of its opened place; none of its rows has been read yet."""

    @abstractmethod
    def find(self, asset: dg.AssetKey, opened: Any) -> Stored:
        """What the opened place has of the asset."""


def _newest(objects: ObjectStore, keys: Sequence[str]) -> Mapping[str, Version]:
    """The newest complete version of each of the partitions that has one."""
    first, last = min(keys), max(keys)
    versions = catalog.versions(objects, date.fromisoformat(first), date.fromisoformat(last))
    newest = {version.partition: version for version in versions}  # oldest first: the last one wins
    wanted = set(keys)
    return {key: version for key, version in newest.items() if key in wanted}


@dataclass(frozen=True, slots=True)
class OpenArchive:
    """An archive, and what its manifest lists by name."""

    handle: ArchiveHandle
    stored: StoredArchive
    members: Mapping[str, Member]


class ArchivedAssets(VersionIOManager):
    """Assets that are an archive, or a table or collection in it."""

    def open_place(self, place: Kind, version: Version) -> OpenArchive:  # type: ignore[override]  # a name
        """The archive of that kind, and what its manifest lists."""
        handle = archive_of(self.servers.objects(), place, version)
        manifest = handle.manifest
        stored = StoredArchive(handle.uri, handle.archive.source.size, manifest)
        return OpenArchive(handle, stored, {**manifest.tables(), **manifest.collections()})

    def find(self, asset: dg.AssetKey, opened: OpenArchive) -> Stored:
        """The table or collection that the manifest lists; raises NotFound."""
        member = opened.members.get(name_of(asset))
        if member is None:
            raise NotFound(f"{opened.handle.uri} has no {name_of(asset)}")
        return stored_member(opened.handle.version, opened.stored, member)


class RawTables(ArchivedAssets):
    """Tables of the raw archive."""

    def place(self, asset: dg.AssetKey) -> Kind:  # noqa: ARG002  # the same for all
        """The raw archive."""
        return "raw"

    def open(self, asset: dg.AssetKey, opened: OpenArchive) -> TableRows:
        """The table that the asset is called after."""
        return opened.handle.table(name_of(asset))


class Collections(ArchivedAssets):
    """Collections of the transformed archive."""

    def place(self, asset: dg.AssetKey) -> Kind:  # noqa: ARG002  # the same for all
        """The transformed archive."""
        return "transformed"

    def open(self, asset: dg.AssetKey, opened: OpenArchive) -> Documents:
        """The collection that the asset is called after."""
        return opened.handle.collection(name_of(asset))


class Archives(ArchivedAssets):
    """Archives as a whole: raw, transformed, dump, and the sanitized copy."""

    def place(self, asset: dg.AssetKey) -> Kind:
        """The archive of the asset."""
        names = Namespace(self.prefix)
        kinds: dict[dg.AssetKey, Kind] = {
            names.key(RAW_ARCHIVE): "raw",
            names.key(TRANSFORMED_ARCHIVE): "transformed",
            names.key(DUMP_ARCHIVE): "dump",
            names.key(SANITIZED): "sanitized",
        }
        return kinds[asset]

    def open(self, asset: dg.AssetKey, opened: OpenArchive) -> ArchiveHandle:  # noqa: ARG002  # the place is the asset
        """The archive, whose tables or collections are then taken by name."""
        return opened.handle

    def find(self, asset: dg.AssetKey, opened: OpenArchive) -> Stored:  # noqa: ARG002  # likewise
        """The archive as the bucket has it."""
        handle = opened.handle
        return stored_archive(handle.version, opened.stored, handle.archive.digest)


class MongoDatabase(VersionIOManager):
    """The version's MongoDB database and its collections, read from the server."""

    def place(self, asset: dg.AssetKey) -> str:  # noqa: ARG002  # the same for all
        """The database."""
        return "mongodb"

    def open_place(self, place: str, version: Version) -> LiveDatabase:  # noqa: ARG002  # likewise
        """The complete database, as its marker describes it."""
        return live_database(self.servers.documents(), version)

    def open(self, asset: dg.AssetKey, opened: LiveDatabase) -> LiveDatabase | LiveDocuments:
        """The database, or the collection that the asset is called after."""
        return opened if self._is_whole(asset) else opened.collection(name_of(asset))

    def find(self, asset: dg.AssetKey, opened: LiveDatabase) -> Stored:
        """What the marker says was read back."""
        server = server_uri(self.servers.settings())
        if self._is_whole(asset):
            return stored_mongodb_database(opened.version, server, opened.loaded)
        name = opened.collection(name_of(asset)).collection
        return stored_collection(opened.version, server, opened.loaded, name)

    def _is_whole(self, asset: dg.AssetKey) -> bool:
        return asset == Namespace(self.prefix).key(MONGODB_DATABASE)


class RestoredTables(RawTables):
    """Tables of the version's PostgreSQL database. As inputs they are read from the raw archive.

    It has the same rows: the restore compared them.
    """

    _restored: tuple[OpenArchive, RestoredDatabase] | None = PrivateAttr(default=None)

    def find(self, asset: dg.AssetKey, opened: OpenArchive) -> Stored:
        """The table as the restore read it back; raises NotFound where there is no database."""
        if self._restored is None or self._restored[0] is not opened:
            self._restored = opened, _restored(self.servers, opened.handle.manifest)
        database, table = self._restored[1], name_of(asset)
        if table not in database.rows:
            raise NotFound(f"{database.uri} has no {table}")
        return stored_postgres_table(database, opened.handle.manifest, opened.members[table])


class RestoredDatabases(VersionIOManager):
    """The version's PostgreSQL database as a whole."""

    def place(self, asset: dg.AssetKey) -> str:  # noqa: ARG002  # there is one
        """The database."""
        return "postgres"

    def open_place(self, place: str, version: Version) -> RestoredDatabase:  # noqa: ARG002  # likewise
        """The complete database, as its marker describes it."""
        archive = archive_of(self.servers.objects(), "raw", version)
        return _restored(self.servers, archive.manifest)

    def open(self, asset: dg.AssetKey, opened: RestoredDatabase) -> RestoredDatabase:  # noqa: ARG002  # the place is the asset
        """The database."""
        return opened

    def find(self, asset: dg.AssetKey, opened: RestoredDatabase) -> Stored:  # noqa: ARG002  # likewise
        """What the marker says was read back."""
        return stored_postgres_database(opened)


def _restored(servers: ServersResource, manifest: Manifest) -> RestoredDatabase:
    return restored_database(servers.objects(), servers.target(), manifest)


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


GROUP = "reports"


def report_asset(report: Report) -> dg.AssetKey:
    """The asset key of a report, from its name."""
    return dg.AssetKey(report.replace("-", "_"))


def report_spec(report: Report, description: str) -> dg.AssetSpec:
    """The asset of a report, made once the version is complete."""
    spec = layer_spec(GROUP, report_asset(report), [METADATA], description, {"s3", "json"})
    metadata = {DOCUMENT_KEY: report_key(report, "{partition}")}
    return spec.merge_attributes(metadata=metadata).with_io_manager_key(JSON_IO)


def newest_version(context: dg.AssetExecutionContext, objects: ObjectStore) -> Version:
    """The version that the partition's reports are about: the newest complete one."""
    RunVersion.of(context).to_read(objects)  # pins the run's version, which may be another one
    return catalog.latest(objects, context.partition_key).version


def publish_report(
    objects: ObjectStore, report: Report, version: Version, written: ReportForms
) -> dg.MaterializeResult[Any]:
    """Write the HTML report, and return the JSON to its IO manager; the UI shows Markdown."""
    return dg.MaterializeResult(
        asset_key=report_asset(report),
        value=msgspec.json.decode(msgspec.json.encode(written.content)),
        metadata={
            "report": dg.MetadataValue.md(markdown(written.page)),  # the UI shows the first first
            "html": keep_twin(objects, report, version.partition, written.page),
            "version": str(version),
            **written.figures,
        },
    )


def report_check(
    report: Report, name: str, says: str, judge: Callable[[ObjectStore, str], Finding]
) -> dg.AssetChecksDefinition:
    """A check of a report, which ``judge`` reads from the bucket by its partition."""
    asset = report_asset(report)

    @dg.multi_asset_check(name=f"check_{asset.path[-1]}", specs=[check_spec(asset, name, says)])
    def check_report(
        context: dg.AssetCheckExecutionContext, servers: ServersResource
    ) -> dg.AssetCheckResult:
        """Judge the report; one that cannot be read has not passed."""
        record_process(context.instance, context.run)
        key = dg.AssetCheckKey(asset, name)
        with errors_as_failures():
            try:
                finding = judge(servers.objects(), context.partition_key)
            except NotFound as error:
                finding = Finding("failed", str(error))
            except MediatoolError as error:
                finding = Finding("unknown", str(error))
        return check_result(key, finding)

    return check_report
