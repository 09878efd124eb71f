"""Tables and collections of a version, to be read in batches or as data frames.

Whole tables in memory: as Arrow tables, pandas and polars frames, and DuckDB relations.

Versions from Python: ``open_version("latest")["campaigns"].to_pandas()``.

For scripts and notebooks; a Dagster asset gets the same objects from the IO managers. The servers
are those of the command line: from the environment, or the local ones that are up.

The PostgreSQL database that a version was restored to, or the reason why there is none.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import uuid4

from bson import decode

from mediatool_assets.archive.reader import ArchiveReader, split_documents, split_lines
from mediatool_assets.core.errors import Misuse, NotFound
from mediatool_assets.core.manifest import Block, Manifest, Member
from mediatool_assets.core.metadata import content_of
from mediatool_assets.core.schema import Table
from mediatool_assets.core.version import Kind, Version
from mediatool_assets.query.reading import StoredRows
from mediatool_assets.query.session import CODEC
from mediatool_assets.stores.environment import settings
from mediatool_assets.stores.ports import DocumentStore, ObjectStore, RestoreTarget
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets.versions.catalog import named_version
from mediatool_assets.versions.records import Loaded, loaded, restored, row_parser, why_not_restored
from mediatool_assets.work.scratch import identifier

if TYPE_CHECKING:
    import duckdb
    import pandas
    import polars
    import pyarrow


class Frames(ABC):
    """Rows or documents that can be read as a whole. Column types never follow from values.

    ``text`` names columns that are read as text, whatever their type.
    """

    __slots__ = ()

    @abstractmethod
    def stored(self, text: Collection[str] = ()) -> "StoredRows":
        """The stored rows, with their columns and types."""

    def to_duckdb(
        self, connection: "duckdb.DuckDBPyConnection | None" = None, *, text: Collection[str] = ()
    ) -> "duckdb.DuckDBPyRelation":
        """All rows as a temporary table of ``connection``, by default a new one.

        docs/how-to/query.md lists the types. Raises Misuse if a value does not fit its type.
        """

        return temporary_table(self.stored(text), connection)

    def to_arrow(self, *, text: Collection[str] = ()) -> "pyarrow.Table":
        """All rows in memory, with the types of ``to_duckdb``.

        Raises Misuse also for an infinite date, which Arrow cannot represent.
        """

        return arrow_table(self.stored(text))

    def to_pandas(self, *, text: Collection[str] = ()) -> "pandas.DataFrame":
        """All rows in memory, in Arrow-backed columns: integers with nulls stay integers."""

        return pandas_frame(self.to_arrow(text=text))

    def to_polars(self, *, text: Collection[str] = ()) -> "polars.DataFrame":
        """All rows in memory; raises Misuse if polars is not installed."""

        return polars_frame(self.to_arrow(text=text))


@dataclass(frozen=True, slots=True)
class ArchivedRows(Frames):
    """One file of rows of an archive. It is read on demand, block by block."""

    archive: ArchiveReader
    member: Member

    @property
    def uri(self) -> str:
        """The archive that holds it."""
        return self.archive.source.name

    @property
    def rows(self) -> int:
        """The number of rows or documents."""
        return self.member.rows

    @abstractmethod
    def batches(self) -> Iterator[Sequence[bytes]]:
        """The rows in the archive's format, one block of some megabytes at a time."""

    @abstractmethod
    def __iter__(self) -> Iterator[dict[str, object]]:
        """Each row as Python values."""


@dataclass(frozen=True, slots=True)
class TableRows(ArchivedRows):
    """One table of a raw archive; batches are NDJSON lines without newlines."""

    table: Table

    def batches(self) -> Iterator[list[bytes]]:
        """The lines of one block of some megabytes at a time."""
        return (split_lines(content) for content in self.archive.blocks(self.member.blocks))

    def __iter__(self) -> Iterator[dict[str, object]]:
        """Yield rows as decoded from JSON; docs/reference/archive-format.md defines the strings."""
        parse = row_parser(self.table)
        return (parse(line) for batch in self.batches() for line in batch)

    def stored(self, text: Collection[str] = ()) -> "StoredRows":
        """The columns of the source's schema."""
        from mediatool_assets.query.reading import StoredRows  # noqa: PLC0415  # slow

        return StoredRows(self.archive, self.member, self.table, frozenset(text))


@dataclass(frozen=True, slots=True)
class Documents(ArchivedRows):
    """One collection of an archive; batches are BSON documents."""

    def batches(self) -> Iterator[Sequence[bytes]]:
        """The documents of one block of some megabytes at a time."""
        blocks = self.archive.blocks(self.member.blocks)
        return (list(split_documents(content)) for content in blocks)

    def __iter__(self) -> Iterator[dict[str, object]]:
        """Document by document."""
        return _documents(self.batches())

    def stored(self, text: Collection[str] = ()) -> "StoredRows":
        """The fields of the collection's validator."""
        from mediatool_assets.query.session import collection_rows  # noqa: PLC0415  # slow

        return collection_rows(self.archive, self.member, frozenset(text))


@dataclass(frozen=True, slots=True)
class LiveDocuments(Frames):
    """One collection of the version's MongoDB database, read from the server on demand."""

    store: DocumentStore
    loaded: Loaded
    collection: str

    @property
    def database(self) -> str:
        """The name of the database."""
        return self.loaded.database

    @property
    def rows(self) -> int:
        """How many documents were loaded."""
        return self.loaded.documents[self.collection]

    @property
    def uri(self) -> str:
        """``database.collection``."""
        return f"{self.database}.{self.collection}"

    def batches(self) -> Iterator[Sequence[bytes]]:
        """The documents as BSON in batches, in order of ``_id``."""
        batches = self.store.documents(self.database, self.collection)
        return (list(split_documents(batch)) for batch in batches)

    def __iter__(self) -> Iterator[dict[str, object]]:
        """Document by document."""
        return _documents(self.batches())

    def stored(self, text: Collection[str] = ()) -> "StoredRows":
        """The fields of the server's validator."""
        from mediatool_assets.query.session import document_rows  # noqa: PLC0415  # slow

        options = {each.name: each.options for each in self.store.collections(self.database)}
        validator = options[self.collection].get("validator", {})
        assert isinstance(validator, dict)  # noqa: S101  # MongoDB has no other
        member = Member(self.uri, self.rows, 0, (), collection=self.collection)
        return document_rows(_LiveBlocks(self), member, validator, frozenset(text))


@dataclass(frozen=True, slots=True)
class _LiveBlocks:
    """A live collection with the interface of an archive's blocks."""

    live: LiveDocuments

    @property
    def source(self) -> "_LiveBlocks":
        return self

    @property
    def name(self) -> str:
        return self.live.uri

    def blocks(self, _: Sequence[Block]) -> Iterator[bytes]:
        return (b"".join(batch) for batch in self.live.batches() if batch)


def _documents(batches: Iterator[Sequence[bytes]]) -> Iterator[dict[str, object]]:
    return (decode(data, CODEC) for batch in batches for data in batch)


@dataclass(frozen=True, slots=True)
class ArchiveHandle:
    """A whole archive: its manifest, and its tables or collections by name."""

    archive: ArchiveReader

    @property
    def version(self) -> Version:
        """The version that it is of."""
        return Version.parse(self.manifest.version)

    @property
    def uri(self) -> str:
        """The archive's URI."""
        return self.archive.source.name

    @property
    def rows(self) -> int:
        """Rows of all tables, or documents of all collections."""
        return self.manifest.rows

    @property
    def manifest(self) -> Manifest:
        """The archive's manifest."""
        return self.archive.manifest

    def tables(self) -> dict[str, TableRows]:
        """The tables of a raw archive by name; raises BadArchive if its schema does not match."""
        schema = self.archive.schema()
        return {
            name: TableRows(self.archive, member, schema.table(name))
            for name, member in self.manifest.tables().items()
        }

    def table(self, name: str) -> TableRows:
        """One table of a raw archive; raises NotFound, BadArchive."""
        found = self.tables().get(name)
        if found is None:
            raise NotFound(f"{self.uri} has no table {name}; its manifest lists what it has")
        return found

    def collection(self, name: str) -> Documents:
        """One collection; raises NotFound."""
        member = self.manifest.collections().get(name)
        if member is None:
            raise NotFound(f"{self.uri} has no collection {name}; its manifest lists what it has")
        return Documents(self.archive, member)


def archive_of(objects: ObjectStore, kind: Kind, version: Version) -> ArchiveHandle:
    """An archive of the version; raises NotFound."""
    return ArchiveHandle(catalog.reader(objects, kind, version))


@dataclass(frozen=True, slots=True)
class LiveDatabase:
    """The MongoDB database of a version as a whole: its collections by name."""

    store: DocumentStore
    version: Version
    loaded: Loaded

    @property
    def database(self) -> str:
        """Its name."""
        return self.loaded.database

    @property
    def rows(self) -> int:
        """Documents of all collections."""
        return sum(self.loaded.documents.values())

    def collection(self, name: str) -> LiveDocuments:
        """One collection; raises NotFound."""
        if name not in self.loaded.documents:
            raise NotFound(
                f"{self.database} has no collection {name}; it has "
                f"{', '.join(sorted(self.loaded.documents))}"
            )
        return LiveDocuments(self.store, self.loaded, name)


def live_database(documents: DocumentStore, version: Version) -> LiveDatabase:
    """The version's MongoDB database; raises NotFound unless it is complete."""
    present = loaded(documents, version)
    if present is None:
        raise NotFound(
            f"the MongoDB database of {version} is absent or half-loaded; load it: "
            f"`mediatool restore {version} --to mongodb`"
        )
    return LiveDatabase(documents, version, present)


def arrow_table(rows: StoredRows) -> "pyarrow.Table":
    """All rows; each field has its PostgreSQL type in its metadata, as ``postgres``."""
    import duckdb  # noqa: PLC0415  # slow
    import pyarrow as pa  # noqa: PLC0415  # slow

    read: list[pa.Table] = []
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows.read(connection, lambda found: read.append(found.to_arrow_table()), finite=True)
    fields = [
        pa.field(field.name, field.type, column.nullable, {"postgres": column.type})
        for field, column in zip(read[0].schema, rows.table.columns, strict=True)
    ]
    return read[0].cast(pa.schema(fields))


def temporary_table(
    rows: StoredRows, connection: "duckdb.DuckDBPyConnection | None"
) -> "duckdb.DuckDBPyRelation":
    """Store all rows in a temporary table of the connection, or of a new one."""
    connection = connection or _connection()
    name = _name(rows.table.name)
    try:
        rows.read(connection, lambda found: _store(connection, name, found))
    except BaseException:
        connection.execute(f"DROP TABLE IF EXISTS {identifier(name)}")
        raise
    return connection.table(identifier(name))


def table_of_arrow(
    table: "pyarrow.Table", connection: "duckdb.DuckDBPyConnection | None"
) -> "duckdb.DuckDBPyRelation":
    """Store an Arrow table in a temporary table of the connection, or of a new one."""
    connection = connection or _connection()
    name = _name("documents")
    _store(connection, name, connection.from_arrow(table))
    return connection.table(identifier(name))


def pandas_frame(table: "pyarrow.Table") -> "pandas.DataFrame":
    """The table as a pandas DataFrame with Arrow-backed columns."""
    import pandas as pd  # noqa: PLC0415  # slow

    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def polars_frame(table: "pyarrow.Table") -> "polars.DataFrame":
    """The table as a polars DataFrame; raises Misuse if polars is not installed."""
    try:
        import polars  # noqa: PLC0415  # an optional extra
    except ModuleNotFoundError as error:
        raise Misuse(
            "polars is not installed; `pip install 'mediatool_assets[polars]'`, or ask for another "
            "type"
        ) from error
    frame = polars.from_arrow(table)
    assert isinstance(frame, polars.DataFrame)  # noqa: S101  # a table has columns
    return frame


def _connection() -> "duckdb.DuckDBPyConnection":
    import duckdb  # noqa: PLC0415  # slow

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _name(table: str) -> str:
    return f"{table}_{uuid4().hex[:8]}"


def _store(
    connection: "duckdb.DuckDBPyConnection", name: str, rows: "duckdb.DuckDBPyRelation"
) -> None:
    view = f"{name}_rows"
    rows.create_view(view)
    connection.execute(f"CREATE TEMP TABLE {identifier(name)} AS FROM {identifier(view)}")
    connection.execute(f"DROP VIEW {identifier(view)}")


@dataclass(frozen=True)
class OpenVersion(Mapping[str, TableRows]):
    """One version, opened for reading: a mapping of its tables by name.

    Values are read on demand: row by row, or whole with ``to_arrow``, ``to_pandas``,
    ``to_polars`` or ``to_duckdb``.
    """

    version: Version
    objects: ObjectStore = field(repr=False)
    kind: Kind = "raw"

    @cached_property
    def _tables(self) -> dict[str, TableRows]:
        return ArchiveHandle(self.archive).tables()

    @cached_property
    def archive(self) -> ArchiveReader:
        """The archive of rows that the tables are read from."""
        return catalog.reader(self.objects, self.kind, self.version)

    def __getitem__(self, table: str) -> TableRows:
        """The table of that name; raises NotFound."""
        try:
            return self._tables[table]
        except KeyError as error:
            raise NotFound(
                f"{self.version} has no table {table}; it has {', '.join(self._tables)}"
            ) from error

    def __contains__(self, table: object) -> bool:
        """Whether the version has a table of that name."""
        return table in self._tables

    def __iter__(self) -> Iterator[str]:
        """The names of the tables."""
        return iter(self._tables)

    def __len__(self) -> int:
        """How many tables there are."""
        return len(self._tables)

    def collection(self, name: str) -> Documents:
        """A collection of the transformed archive; raises NotFound."""
        return archive_of(self.objects, "transformed", self.version).collection(name)


def open_version(
    name: str = "latest", *, sanitized: bool = False, allow_unsigned: bool = False
) -> OpenVersion:
    """Open a version: ``20261127-020000``, ``2026-11-27``, ``latest`` or ``latest~1``.

    With ``sanitized`` the tables are those of its sanitized copy. If MEDIATOOL_TRUSTED_KEYS is set,
    a trusted key must have signed the version; with ``allow_unsigned`` it may also be unsigned.
    Raises NotFound, Misuse, NotAuthentic, Unreachable; BadSettings if no server is set.
    """
    objects = S3Objects.of(settings(), allow_unsigned=allow_unsigned)
    return OpenVersion(named_version(objects, name), objects, "sanitized" if sanitized else "raw")


@dataclass(frozen=True, slots=True)
class RestoredDatabase:
    """The location of the database. To read it, connect with your own rights.

    ``rows`` are by table; ``content`` is the digest of all tables' fingerprints.
    """

    version: Version
    server: str
    database: str
    rows: Mapping[str, int]
    content: str

    @property
    def uri(self) -> str:
        """``postgresql://host:port/database``, without user and password."""
        return f"postgresql://{self.server}/{self.database}"


def restored_database(
    objects: ObjectStore, target: RestoreTarget, manifest: Manifest
) -> RestoredDatabase:
    """The database that was restored from a version's raw archive.

    Raises NotFound with the reason if the version has none.
    """
    version, found = Version.parse(manifest.version), restored(target, manifest)
    if found is None:
        name = objects.database_names.in_postgres(version)
        why = why_not_restored(objects, version, name)
        raise NotFound(f"{version} has no PostgreSQL database {name}: {why}; restore it first")
    content = content_of(manifest)
    return RestoredDatabase(version, target.server, found.database, found.rows, content)
