"""Tables and collections of a version to read from: lazily in batches, or whole as data frames."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bson import decode

from mediatool_assets.archive.reader import ArchiveReader, split_documents, split_lines
from mediatool_assets.domain.errors import NotFound
from mediatool_assets.domain.keys import Kind, mongodb_database
from mediatool_assets.domain.manifest import Manifest, Member
from mediatool_assets.domain.schema import Table
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.load import loaded
from mediatool_assets.flows.ports import DocumentStore, ObjectStore
from mediatool_assets.flows.query.bson_values import CODEC
from mediatool_assets.flows.transform.raw_rows import row_parser
from mediatool_assets.flows.versions import archives

if TYPE_CHECKING:
    import duckdb
    import pandas
    import polars
    import pyarrow

    from mediatool_assets.flows.query.reading import StoredRows


@dataclass(frozen=True, slots=True)
class TableRows:
    """One table of a raw archive. Nothing is read before it is asked for, then block by block."""

    archive: ArchiveReader
    table: Table
    member: Member

    @property
    def uri(self) -> str:
        """The archive that holds the table."""
        return self.archive.source.name

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.member.rows

    def batches(self) -> Iterator[list[bytes]]:
        """The rows as NDJSON lines without newlines, a block of some megabytes at a time."""
        return (split_lines(content) for content in self.archive.blocks(self.member.blocks))

    def __iter__(self) -> Iterator[dict[str, object]]:
        """Yield rows as decoded from JSON; docs/reference/archive-format.md defines the strings."""
        parse = row_parser(self.table)
        return (parse(line) for batch in self.batches() for line in batch)

    def to_duckdb(
        self, connection: "duckdb.DuckDBPyConnection | None" = None, *, text: Collection[str] = ()
    ) -> "duckdb.DuckDBPyRelation":
        """The whole table as a temporary table of ``connection``, by default one of its own.

        The types follow from the source's schema, never from the values (docs/how-to/query.md); the
        columns in ``text`` are read as text. Raises Misuse where a value does not fit its type.
        """
        from mediatool_assets.flows.query.frames import temporary_table  # noqa: PLC0415  # slow

        return temporary_table(self._typed(text), connection)

    def to_arrow(self, *, text: Collection[str] = ()) -> "pyarrow.Table":
        """The whole table in memory, with the types of ``to_duckdb``.

        Raises Misuse on an infinite date too, which no Arrow type has.
        """
        from mediatool_assets.flows.query.frames import arrow_table  # noqa: PLC0415  # slow

        return arrow_table(self._typed(text))

    def to_pandas(self, *, text: Collection[str] = ()) -> "pandas.DataFrame":
        """The whole table in memory, in Arrow-backed columns: integers with nulls stay integers."""
        from mediatool_assets.flows.query.frames import pandas_frame  # noqa: PLC0415  # slow

        return pandas_frame(self.to_arrow(text=text))

    def to_polars(self, *, text: Collection[str] = ()) -> "polars.DataFrame":
        """The whole table in memory; raises Misuse where polars is not installed."""
        from mediatool_assets.flows.query.frames import polars_frame  # noqa: PLC0415  # slow

        return polars_frame(self.to_arrow(text=text))

    def _typed(self, text: Collection[str]) -> "StoredRows":
        from mediatool_assets.flows.query.reading import StoredRows  # noqa: PLC0415  # slow

        return StoredRows(self.archive, self.member, self.table, frozenset(text))


class BsonDocuments(ABC):
    """Documents that are read as BSON, as Python values or a data frame."""

    __slots__ = ()

    @abstractmethod
    def batches(self) -> Iterator[Sequence[bytes]]:
        """The documents as BSON, batch by batch."""

    def __iter__(self) -> Iterator[dict[str, object]]:
        """Document by document."""
        return (decode(data, CODEC) for batch in self.batches() for data in batch)

    def to_arrow(self) -> "pyarrow.Table":
        """The whole collection in memory: a column a field, nested values as JSON text."""
        from mediatool_assets.flows.query.arrow_documents import arrow_table  # noqa: PLC0415  # slow

        return arrow_table(self)

    def to_pandas(self) -> "pandas.DataFrame":
        """The whole collection in memory, in Arrow-backed columns."""
        from mediatool_assets.flows.query.frames import pandas_frame  # noqa: PLC0415  # slow

        return pandas_frame(self.to_arrow())

    def to_polars(self) -> "polars.DataFrame":
        """The whole collection in memory; raises Misuse where polars is not installed."""
        from mediatool_assets.flows.query.frames import polars_frame  # noqa: PLC0415  # slow

        return polars_frame(self.to_arrow())

    def to_duckdb(
        self, connection: "duckdb.DuckDBPyConnection | None" = None
    ) -> "duckdb.DuckDBPyRelation":
        """The whole collection as a temporary table of ``connection``, or of one of its own."""
        from mediatool_assets.flows.query.frames import table_of_arrow  # noqa: PLC0415  # slow

        return table_of_arrow(self.to_arrow(), connection)


@dataclass(frozen=True, slots=True)
class Documents(BsonDocuments):
    """One collection of an archive. Nothing is read before it is asked for, then by block."""

    archive: ArchiveReader
    member: Member

    @property
    def uri(self) -> str:
        """The archive that holds the collection."""
        return self.archive.source.name

    @property
    def rows(self) -> int:
        """How many documents there are."""
        return self.member.rows

    def batches(self) -> Iterator[Sequence[bytes]]:
        """The documents as BSON, a block of some megabytes at a time."""
        blocks = self.archive.blocks(self.member.blocks)
        return (list(split_documents(content)) for content in blocks)


@dataclass(frozen=True, slots=True)
class LiveDocuments(BsonDocuments):
    """One collection of the version's MongoDB database, read from the server when asked for."""

    store: DocumentStore
    database: str
    collection: str
    rows: int

    @property
    def uri(self) -> str:
        """``database.collection``."""
        return f"{self.database}.{self.collection}"

    def batches(self) -> Iterator[Sequence[bytes]]:
        """The documents as BSON in batches, in order of ``_id``."""
        return self.store.documents(self.database, self.collection)


@dataclass(frozen=True, slots=True)
class ArchiveHandle:
    """A whole archive: its manifest, and its tables or collections by name."""

    archive: ArchiveReader

    @property
    def uri(self) -> str:
        """Where it lies."""
        return self.archive.source.name

    @property
    def rows(self) -> int:
        """Rows of all tables, or documents of all collections."""
        return self.manifest.rows

    @property
    def manifest(self) -> Manifest:
        """What it holds."""
        return self.archive.manifest

    def tables(self) -> dict[str, TableRows]:
        """The tables of a raw archive by name; raises BadArchive where its schema does not fit."""
        schema = self.archive.schema()
        return {
            name: TableRows(self.archive, schema.table(name), member)
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


def live_documents(documents: DocumentStore, version: Version, collection: str) -> LiveDocuments:
    """A collection of the version's database; raises NotFound unless that is complete."""

    database = mongodb_database(version)
    present = loaded(documents, version)
    if present is None or collection not in present.documents:
        raise NotFound(
            f"{database} is not complete or has no collection {collection}; load the version first"
        )
    return LiveDocuments(documents, database, collection, present.documents[collection])
