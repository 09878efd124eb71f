"""Tables and collections of a version, to be read in batches or as data frames."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bson import decode

from mediatool_assets.archive.reader import ArchiveReader, split_documents, split_lines
from mediatool_assets.domain.errors import NotFound
from mediatool_assets.domain.keys import Kind
from mediatool_assets.domain.manifest import Block, Manifest, Member
from mediatool_assets.domain.schema import Table
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import DocumentStore, ObjectStore
from mediatool_assets.flows.query.bson_values import CODEC
from mediatool_assets.flows.versions import archives
from mediatool_assets.flows.versions.raw_rows import row_parser
from mediatool_assets.flows.versions.version_databases import Loaded, loaded

if TYPE_CHECKING:
    import duckdb
    import pandas
    import polars
    import pyarrow

    from mediatool_assets.flows.query.reading import StoredRows


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
        from mediatool_assets.flows.query.frames import temporary_table  # noqa: PLC0415  # slow

        return temporary_table(self.stored(text), connection)

    def to_arrow(self, *, text: Collection[str] = ()) -> "pyarrow.Table":
        """All rows in memory, with the types of ``to_duckdb``.

        Raises Misuse also for an infinite date, which Arrow cannot represent.
        """
        from mediatool_assets.flows.query.frames import arrow_table  # noqa: PLC0415  # slow

        return arrow_table(self.stored(text))

    def to_pandas(self, *, text: Collection[str] = ()) -> "pandas.DataFrame":
        """All rows in memory, in Arrow-backed columns: integers with nulls stay integers."""
        from mediatool_assets.flows.query.frames import pandas_frame  # noqa: PLC0415  # slow

        return pandas_frame(self.to_arrow(text=text))

    def to_polars(self, *, text: Collection[str] = ()) -> "polars.DataFrame":
        """All rows in memory; raises Misuse if polars is not installed."""
        from mediatool_assets.flows.query.frames import polars_frame  # noqa: PLC0415  # slow

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
        from mediatool_assets.flows.query.reading import StoredRows  # noqa: PLC0415  # slow

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
        from mediatool_assets.flows.query.collection_rows import collection_rows  # noqa: PLC0415  # slow

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
        from mediatool_assets.flows.query.collection_rows import document_rows  # noqa: PLC0415  # slow

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
    return ArchiveHandle(archives.reader(objects, kind, version))


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
