"""The interfaces of stores; their docstrings are the contract.

Whatever is handed to a worker (a RowReader, an ObjectStore, a DocumentStore, Bytes) can be pickled:
it holds settings, and connects when it is first used in its process.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mediatool_assets.archive.joining import JoiningSink
from mediatool_assets.archive.reader import Bytes
from mediatool_assets.archive.writer import Sink
from mediatool_assets.domain.authenticity import Trust
from mediatool_assets.domain.chunk import Chunk
from mediatool_assets.domain.collection import CollectionInfo
from mediatool_assets.domain.not_carried import NotCarried
from mediatool_assets.domain.objects import ObjectInfo
from mediatool_assets.domain.restore_record import Marker
from mediatool_assets.domain.schema import Schema, Table

if TYPE_CHECKING:  # PostgreSQL's parser takes 0.1 s to import
    from mediatool_assets.domain.ddl.restorable import ScriptExtension
    from mediatool_assets.domain.ddl.script import Statement


class RowReader(Protocol):
    """Reads chunks in a worker, inside the snapshot of the coordinator."""

    def read(self, table: Table, chunk: Chunk) -> Iterator[list[bytes]]:
        """Batches of NDJSON rows without newlines, in the table's order.

        Raises Unreachable or BadSource; a chunk is read whole or not at all.
        """


class SourceSnapshot(Protocol):
    """One instant of the source; everything read through it is of that instant."""

    @property
    def schema(self) -> Schema:
        """Tables, columns, types, keys: every table of the schema, in order of name."""

    @property
    def facts(self) -> dict[str, str | int | None]:
        """Server version, snapshot name and instance, for the manifest; no secret."""

    @property
    def reader(self) -> RowReader:
        """What workers read with."""

    def ddl(self) -> bytes:
        """The schema as pg_dump writes it, and where its sequences stand."""

    def not_carried(self) -> tuple[NotCarried, ...]:
        """What the source has beside, and no version carries; nothing where that is not known."""

    def chunks(self, table: Table) -> list[Chunk]:
        """The table in chunks, in order, with their exact row counts; none for an empty one."""


class Source(Protocol):
    """A database that can be exported."""

    def snapshot(self) -> AbstractContextManager[SourceSnapshot]:
        """Hold one snapshot open. Raises BadSource (no such schema, no table), Unreachable."""


class ArchiveStore(Protocol):
    """Where archives lie: what is needed of a bucket to read one, and to write another."""

    @property
    def trust(self) -> Trust:
        """Whose versions are read of it."""

    def uri(self, key: str) -> str:
        """``s3://bucket/key``."""

    def head(self, key: str) -> object | None:
        """None where there is no such object."""

    def open(self, key: str) -> Bytes:
        """The object as something to read by range; raises NotFound."""

    def create(self, key: str) -> AbstractContextManager[Sink]:
        """Stream a large object. It appears, whole, when the context is left without an error.

        Parts are checked by the server against their SHA-256. Raises AlreadyExists when the key is
        taken by then; on any error the upload is aborted and no object is left.
        """


@runtime_checkable
class Staging(ArchiveStore, Protocol):
    """A bucket through which workers on other machines hand each other what they make."""

    def assemble(self, key: str, executor: Executor) -> AbstractContextManager[JoiningSink]:
        """As ``create``, of objects of this bucket: workers of ``executor`` read and send them."""

    def unstage(self, prefix: str) -> None:
        """Delete every object under a prefix of STAGING_PREFIX; raises Refused for any other."""


class ObjectStore(ArchiveStore, Protocol):
    """The bucket. Names are written once, so that a reader never meets half an object."""

    def head(self, key: str) -> ObjectInfo | None:
        """What is known of the object; None where there is none."""

    def get(self, key: str) -> tuple[bytes, str]:
        """A small object, whole, and its entity tag; raises NotFound."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """The objects under a prefix, in order of key."""

    def folders(self, prefix: str) -> Iterator[str]:
        """The prefixes one level below, each with its closing slash, in order."""

    def put(self, key: str, data: bytes, *, replacing: str | None = None) -> str:
        """Write a small object and return its entity tag.

        Without ``replacing`` the key must be free; with it, the object must still have that entity
        tag. Raises AlreadyExists, and then nothing was written.
        """

    def tag(self, key: str, tags: Mapping[str, str]) -> None:
        """Give an object these tags in place of those that it has; raises NotFound.

        The object stays the same: its bytes, entity tag and time of writing.
        """


class DocumentStore(Protocol):
    """A MongoDB server, seen one versioned database at a time; no other database is touched."""

    def marker(self, database: str) -> dict[str, object] | None:
        """The document that says that the database is complete; None where there is none."""

    def exists(self, database: str) -> bool:
        """Whether the database holds any collection."""

    def drop(self, database: str) -> None:
        """Remove the database; nothing happens where there is none."""

    def loading(self, database: str, load: str) -> AbstractContextManager[str]:
        """Claim the database for one load, by its own name; gives the prefix of its collections.

        A complete database stays as it is beside the prefixed collections, until ``mark`` puts
        these in its place; without one the prefix is empty, and what a dead load left is gone. On
        an error nothing of the load is left. Raises Refused while another load is alive, or where
        something is there that no load made.
        """

    def create(self, database: str, collection: str, options: dict[str, object]) -> None:
        """Create an empty collection with its validator and other options."""

    def insert(self, database: str, collection: str, documents: Sequence[bytes]) -> None:
        """Insert whole BSON documents as they are; raises CheckFailed naming the first refused."""

    def create_indexes(
        self, database: str, collection: str, indexes: Sequence[dict[str, object]]
    ) -> None:
        """Build the indexes, given as ``metadata.json`` lists them."""

    def mark(
        self,
        database: str,
        load: str,
        marker: dict[str, object],
        *,
        complete: bool = True,
    ) -> None:
        """Give the load's collections their names and put the marker in its claim's place.

        One that is not ``complete`` says what a part holds, and is not what ``marker`` gives.

        Raises CheckFailed where another load has taken it over, and then nothing is written.
        """

    def collections(self, database: str, prefix: str = "") -> list[CollectionInfo]:
        """The collections of the database, in order of name; or those of a load, without prefix."""

    def count(self, database: str, collection: str) -> int:
        """How many documents there are now: counted, not estimated; 0 where there is none."""

    def bounds(self, database: str, collection: str, step: int) -> list[bytes]:
        """Every ``step``-th ``_id`` in order but the first, each as BSON; none of a small one."""

    def documents(
        self, database: str, collection: str, first: bytes | None = None, end: bytes | None = None
    ) -> Iterator[Sequence[bytes]]:
        """Every document as BSON bytes, in batches, in order of ``_id``.

        With ``first`` or ``end``, as ``bounds`` gives them, those from the one up to the other.
        """

    def facts(self) -> dict[str, str | int | None]:
        """Server version, for the manifest."""


class RowWriter(Protocol):
    """Writes rows in a worker, into the database of a restoration."""

    def copy(self, schema: str, table: Table, lines: Iterable[bytes], *, whole: bool) -> int:
        """Lines of COPY's text format, each with its newline: all of them or none; counts them.

        ``whole`` says that they are all of the table's, which is emptied first.
        """

    def run(self, statements: "Iterable[Statement]") -> None:
        """Execute single statements, in order; raises CheckFailed naming what they make.

        A text of several statements is never executed, whatever it looks like.
        """

    def settle(self, schema: str, empty: Collection[str]) -> None:
        """Gather statistics, and refresh the materialized views but those that stay ``empty``."""


class Restoration(Protocol):
    """A database that is being filled. It has its name, and counts, only once it is marked."""

    @property
    def writer(self) -> RowWriter:
        """What workers write with."""

    def add_extensions(self, wanted: "Iterable[ScriptExtension]") -> None:
        """Make extensions while the database is empty; raises Refused for one not allowed."""

    def add_operator_classes(self, statements: "Iterable[Statement]") -> None:
        """Make operator classes and families, as ``run`` does; raises Refused too."""

    def run(self, statements: "Iterable[Statement]") -> None:
        """Execute statements, in order; raises CheckFailed naming what they make.

        They, and whatever they call now or later, have rights on this database alone.
        """

    def set_sequences(self, schema: Schema) -> None:
        """Put its sequences where they stood."""

    def source(self, schema: str) -> Source:
        """What has been restored, to be read as a source is."""

    def mark(self, marker: Marker) -> None:
        """Put the marker on the database and give it its name, both or neither: the last step."""


class RestoreTarget(Protocol):
    """A PostgreSQL server that versions are restored to, each into a database of its own."""

    @property
    def server(self) -> str:
        """``host:port``."""

    def facts(self) -> dict[str, str | int | None]:
        """The server's version."""

    def marker(self, database: str) -> Marker | None:
        """What a restored database says of itself; None where there is none or it is not ours."""

    def exists(self, database: str) -> bool:
        """Whether there is a database of that name, whoever made it."""

    def database(self, database: str, schema: str) -> Source:
        """A schema of a restored database, to be read as a source is."""

    def drop(self, database: str) -> None:
        """Remove a restored database, if it is there; raises Refused for any other."""

    def restoration(self, database: str, *, replace: bool) -> AbstractContextManager[Restoration]:
        """A database to fill; on an error nothing of it is left.

        Raises AlreadyExists for one that was restored before unless ``replace`` (it is replaced at
        the end, not before), and Refused for any other database of the name.
        """


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of a version: the bucket, and the servers that are set."""

    objects: ObjectStore
    documents: DocumentStore | None = None
    target: RestoreTarget | None = None


class Progress(Protocol):
    """Told how far a flow has come; the command line draws it, Dagster logs it."""

    def __call__(self, step: str, done: int, total: int, unit: str = "rows") -> None:
        """``done`` of ``total`` of ``step`` are through; a ``total`` of 0 is unknown.

        ``unit`` is what is counted, in the plural; ``bytes`` are shown in MB, and with ``percent``
        the total is 100.
        """


def silent(step: str, done: int, total: int, unit: str = "rows") -> None:
    """A Progress that says nothing."""
