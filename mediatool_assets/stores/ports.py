"""The interfaces of stores; their docstrings are the contract.

Objects for workers (RowReader, ObjectStore, DocumentStore, Bytes) can be pickled: they hold
settings, and connect when they are first used in a process.

The interface of the bucket's configuration; its docstrings are the contract.

The interface of RDS snapshot exports; its docstrings are the contract.

The stores that retention needs; the docstrings of the interfaces are the contract.

Snapshots of an RDS instance, and the tasks that export them, as AWS describes them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from mediatool_assets.archive.reader import Bytes
from mediatool_assets.archive.writer import JoiningSink, Sink
from mediatool_assets.core.authenticity import SignaturePolicy
from mediatool_assets.core.bucket import Document
from mediatool_assets.core.bucket_policies import Aspect, LiveAspect, LoggingTrails
from mediatool_assets.core.inventory import FoundDatabase
from mediatool_assets.core.manifest import CollectionInfo, NotCarried
from mediatool_assets.core.metadata import Marker, ProtectionCheck, never_protected
from mediatool_assets.core.schema import Chunk, Schema, Table
from mediatool_assets.core.setting_values import Targets
from mediatool_assets.core.signing import SigningKey
from mediatool_assets.core.version import DatabaseNames, ObjectInfo, Version

if TYPE_CHECKING:
    from mediatool_assets.core.ddl import Statement
    from mediatool_assets.core.restorable_ddl import ScriptExtension


class RowReader(Protocol):
    """Reads chunks in a worker, inside the snapshot of the coordinator."""

    def read(self, table: Table, chunk: Chunk) -> Iterator[list[bytes]]:
        """Batches of NDJSON rows without newlines, in the table's order.

        Raises Unreachable or BadSource. A chunk is either read completely, or an error is raised.
        """


class SourceSnapshot(Protocol):
    """The source at one instant: all reads through it see the same state."""

    @property
    def schema(self) -> Schema:
        """Tables, columns, types, keys: every table of the schema, in order of name."""

    @property
    def facts(self) -> dict[str, str | int | None]:
        """Server version, snapshot name and instance, for the manifest; no secret."""

    @property
    def reader(self) -> RowReader:
        """The reader for workers."""

    def ddl(self) -> bytes:
        """The DDL as pg_dump writes it, and the positions of the sequences."""

    def not_carried(self) -> tuple[NotCarried, ...]:
        """Objects of the source that no version contains; empty if they cannot be listed."""

    def chunks(self, table: Table) -> list[Chunk]:
        """The table in chunks, in order, with their exact row counts; none for an empty one."""


class Source(Protocol):
    """A database that can be exported."""

    def snapshot(self) -> AbstractContextManager[SourceSnapshot]:
        """Hold one snapshot open. Raises BadSource (no such schema, no table), Unreachable.

        Raises RecoveryConflict, also during reading, if a hot standby ends the snapshot.
        """

    @property
    def primary(self) -> "Source | None":
        """The primary to read instead, if this is a hot standby that cannot be read to the end."""


class ArchiveStore(Protocol):
    """The part of a bucket's interface needed to read one archive and write another."""

    @property
    def signature_policy(self) -> SignaturePolicy:
        """The public keys that are trusted to sign versions."""

    @property
    def database_names(self) -> DatabaseNames:
        """How the databases of its versions are called, and their dumps."""

    def uri(self, key: str) -> str:
        """``s3://bucket/key``."""

    def head(self, key: str) -> object | None:
        """None if there is no such object."""

    def open(self, key: str) -> Bytes:
        """Open the object for reading by range; raises NotFound."""

    def create(self, key: str) -> AbstractContextManager[Sink]:
        """Stream a large object. It appears, whole, when the context is left without an error.

        The server compares each part with its SHA-256. Raises AlreadyExists if the key is taken by
        then. On any error the upload is aborted, and no object is left.
        """


@runtime_checkable
class Staging(ArchiveStore, Protocol):
    """A bucket through which workers on several machines exchange their results."""

    def assemble(self, key: str, executor: Executor) -> AbstractContextManager[JoiningSink]:
        """Like ``create``, from objects of this bucket, which workers of ``executor`` copy."""

    def unstage(self, prefix: str) -> None:
        """Delete every object under a prefix of STAGING_PREFIX; raises Refused for any other."""


class ObjectStore(ArchiveStore, Protocol):
    """The bucket. A key is written once, and an object appears as a whole."""

    def head(self, key: str) -> ObjectInfo | None:
        """The object's size, entity tag and time; None if there is no such object."""

    def get(self, key: str) -> tuple[bytes, str]:
        """A small object, whole, and its entity tag; raises NotFound."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """The objects under a prefix, in order of key."""

    def folders(self, prefix: str) -> Iterator[str]:
        """The prefixes one level below, each with its closing slash, in order."""

    def put(self, key: str, data: bytes, *, replacing: str | None = None) -> str:
        """Write a small object and return its entity tag.

        Without ``replacing`` the key must be free; with it, the object must still have that entity
        tag. Otherwise raises AlreadyExists, and nothing is written.
        """

    def tag(self, key: str, tags: Mapping[str, str]) -> None:
        """Replace the tags of an object; raises NotFound.

        Its bytes, entity tag and time of writing do not change.
        """


class DocumentStore(Protocol):
    """A MongoDB server. Each call concerns one database, and touches no other."""

    @property
    def database_names(self) -> DatabaseNames:
        """How the databases of versions are called."""

    def marker(self, database: str) -> dict[str, object] | None:
        """The document that marks the database as complete; None if there is none."""

    def exists(self, database: str) -> bool:
        """True if the database has any collection."""

    def is_busy(self, database: str) -> bool:
        """True if the database is being loaded or removed, so that it is incomplete only for now.

        Waits for a sign of life, at most as long as ``loading`` waits for another load. Without
        one, the load or removal is dead.
        """

    def drop(self, database: str, protection: ProtectionCheck = never_protected) -> None:
        """Drop the database, if it exists.

        ``protection`` is called once the removal is announced in the database. If it returns a
        reason, the announcement is withdrawn and Refused is raised.
        """

    def loading(self, database: str, load: str) -> AbstractContextManager[str]:
        """Claim the database for the load of that name; returns the prefix of its collections.

        A complete database is kept next to the prefixed collections, until ``mark`` replaces it.
        Without one, the prefix is empty, and what a dead load left is dropped. On an error nothing
        of the load is left, unless the server is gone; the next load cleans up then. Raises Refused
        while another load is alive, or if the database has content that no load made.
        """

    def create(self, database: str, collection: str, options: dict[str, object]) -> None:
        """Create an empty collection with its validator and other options."""

    def insert(self, database: str, collection: str, documents: bytes) -> None:
        """Insert whole BSON documents, one after the other, as they are.

        Raises CheckFailed naming the first refused one.
        """

    def create_indexes(
        self, database: str, collection: str, indexes: Sequence[dict[str, object]]
    ) -> None:
        """Build the indexes, given as ``metadata.json`` lists them."""

    def make_durable(self, database: str, load: str) -> None:
        """Journal what was written, acknowledged by a majority: no crash takes it back.

        Raises CheckFailed if another load has taken over the database.
        """

    def mark(
        self,
        database: str,
        load: str,
        marker: dict[str, object],
        *,
        complete: bool = True,
    ) -> None:
        """Give the load's collections their final names, and replace its claim by the marker.

        With ``complete`` false the database holds only a part, and ``marker`` returns None for it.
        Raises CheckFailed if another load has taken it over; then nothing is written.
        """

    def collections(self, database: str, prefix: str = "") -> list[CollectionInfo]:
        """The collections of the database, in order of name; or those of a load, without prefix."""

    def count(self, database: str, collection: str) -> int:
        """The number of documents: counted, not estimated; 0 if there is no such collection."""

    def bounds(self, database: str, collection: str, step: int) -> list[bytes]:
        """Every ``step``-th ``_id`` in order except the first, as BSON; empty if it is small."""

    def documents(
        self,
        database: str,
        collection: str,
        first: bytes | None = None,
        end: bytes | None = None,
        batch: int | None = None,
    ) -> Iterator[bytes]:
        """Every document in order of ``_id``: batches of whole BSON documents, one after the other.

        ``first`` (included) and ``end`` (excluded) are values that ``bounds`` returned. ``batch``
        is the number of documents in a batch, unless the server chooses a smaller one.
        """

    def facts(self) -> dict[str, str | int | None]:
        """Server version, for the manifest."""


class RowWriter(Protocol):
    """Writes rows to the database of a restoration, in a worker."""

    def copy(self, schema: str, table: Table, lines: Iterable[bytes], *, whole: bool) -> int:
        """Write lines of COPY's text format, with newlines: all or none; returns their number.

        ``whole``: these are all lines of the table, which is emptied first.
        """

    def run(self, statements: "Iterable[Statement]") -> None:
        """Execute single statements, in order; raises CheckFailed with the object's name.

        A text with several statements is never executed.
        """

    def analyze_and_refresh(self, schema: str, empty: Collection[str]) -> None:
        """Collect statistics, and refresh all materialized views except those in ``empty``."""


class Restoration(Protocol):
    """A database that is being filled. It gets its final name when it is marked."""

    @property
    def writer(self) -> RowWriter:
        """The writer for workers."""

    def add_operator_classes(self, statements: "Iterable[Statement]") -> None:
        """Create operator classes and families like ``run``; also raises Refused."""

    def run(self, statements: "Iterable[Statement]") -> None:
        """Execute statements, in order; raises CheckFailed with the object's name.

        They, and all code that they call now or later, have rights on this database only.
        """

    def set_sequences(self, schema: Schema) -> None:
        """Set the positions of its sequences."""

    def source(self, schema: str) -> Source:
        """The restored rows, to be read like a source."""

    def mark(self, marker: Marker) -> None:
        """The last step: set the marker of the database and its final name, both or neither."""


class RestoreTarget(Protocol):
    """A PostgreSQL server that versions are restored to, each into a separate database."""

    @property
    def database_names(self) -> DatabaseNames:
        """How the databases of versions are called."""

    @property
    def server(self) -> str:
        """``host:port``."""

    def facts(self) -> dict[str, str | int | None]:
        """The server's version."""

    def marker(self, database: str) -> Marker | None:
        """The marker of a restored database; None if it does not exist or no restore made it."""

    def exists(self, database: str) -> bool:
        """True if a database of that name exists, restored or not."""

    def database(self, database: str, schema: str) -> Source:
        """A schema of a restored database, to be read like a source."""

    def drop(self, database: str) -> None:
        """Drop a restored database, if it exists; raises Refused for any other."""

    def restoration(
        self, database: str, *, replace: bool, extensions: "Iterable[ScriptExtension]" = ()
    ) -> AbstractContextManager[Restoration]:
        """A database with these extensions to fill; on an error nothing of it is left.

        Raises CheckFailed for an extension that the server lacks, Refused for one that is not
        allowed, before anything is made.

        Raises AlreadyExists if a restored database of that name exists, unless ``replace``: then it
        is replaced at the end. Raises Refused for any other database of that name.
        """


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of a version: the bucket, and the servers that are set."""

    objects: ObjectStore
    documents: DocumentStore | None = None
    target: RestoreTarget | None = None

    @property
    def targets(self) -> Targets:
        """Which of the servers there are."""
        return Targets(mongodb=self.documents is not None, postgres=self.target is not None)


class Progress(Protocol):
    """Receives the progress of a flow; the command line draws it, Dagster logs it."""

    def __call__(self, step: str, done: int, total: int, unit: str = "rows") -> None:
        """``done`` of ``total`` units of ``step`` are done; a ``total`` of 0 is unknown.

        ``unit`` is a plural; ``bytes`` are printed in MB, and for ``percent`` the total is 100.
        """


def silent(step: str, done: int, total: int, unit: str = "rows") -> None:
    """A Progress that ignores everything."""


class BucketSettings(Protocol):
    """Reads and sets the configuration of a bucket."""

    @property
    def prefix(self) -> str:
        """What the keys of this source begin with; empty if it has the bucket alone."""

    @property
    def secure(self) -> bool:
        """True if this client uses TLS."""

    @property
    def amazon(self) -> bool:
        """True for Amazon S3, which supports all declared aspects; other servers support fewer."""

    def read(self, aspect: Aspect) -> LiveAspect:
        """Read one aspect; unknown if access is denied or the server does not support it.

        Raises BadSettings if the bucket does not exist, Unreachable if nothing answers or the
        credentials are rejected.
        """

    def mfa_delete(self) -> bool | None:
        """True if MFA delete is on; None if that cannot be read."""

    def trails(self) -> LoggingTrails:
        """The events that active CloudTrail trails record."""

    def write(self, aspect: Aspect, document: Document) -> str | None:
        """Replace one aspect; idempotent. Returns why it could not be set, or None.

        Raises BadSettings and Unreachable like ``read``.
        """


class DatabaseServer(Protocol):
    """A server with databases of versions; other databases are neither listed nor changed."""

    @property
    def kind(self) -> Literal["mongodb", "postgres"]:
        """The kind of server."""

    @property
    def server(self) -> str:
        """``host:port``."""

    def databases(self) -> Iterator[FoundDatabase]:
        """The databases with the name of a version, in order of name."""

    def remove(self, database: str, protection: ProtectionCheck = never_protected) -> None:
        """Remove a database, if it exists. Raises CheckFailed, Refused.

        ``protection`` is called right before that, on MongoDB once the removal is announced. If it
        returns a reason, the database is left as it was and Refused is raised.
        """


class Deletion(Protocol):
    """Deletes objects of the bucket."""

    def locked(self, key: str) -> str | None:
        """Why Object Lock protects a version of the object; None if it does not."""

    def tags(self, key: str) -> dict[str, str]:
        """The object's tags; raises NotFound."""

    def remove(self, key: str) -> None:
        """Delete every version and delete marker of the object, and check that none is left.

        Does nothing if there is none. Raises Refused, before anything is deleted, if Object Lock
        protects a version; CheckFailed if something is left.
        """

    def hide(self, key: str) -> None:
        """Delete the object; a bucket with versioning keeps it for the configured days."""

    def left(self, key: str) -> int:
        """The number of versions and delete markers that the object still has."""


@dataclass(frozen=True, slots=True)
class Pruning:
    """The stores that pruning reads and changes."""

    objects: ObjectStore
    deletion: Deletion
    servers: Sequence[DatabaseServer]
    bucket: BucketSettings
    signing_key: SigningKey | None = None


UNDER_WAY = frozenset({"STARTING", "IN_PROGRESS", "CANCELING"})
"""The states of a task that has not ended."""


OWN_SNAPSHOTS = "manual-export-"


def snapshot_name(version: Version) -> str:
    """The name of the manual snapshot of a version."""
    return f"{OWN_SNAPSHOTS}{version}"


def task_name(version: Version, attempt: int = 1) -> str:
    """The name of the export task of a version's snapshot, and of the folder that it writes.

    AWS never accepts a task's name twice: after a failed task, the next name ends with ``-2``.
    """
    return f"export-{version}" if attempt == 1 else f"export-{version}-{attempt}"


@dataclass(frozen=True, slots=True)
class DbSnapshot:
    """One snapshot; ``percent`` is its progress, ``taken`` is set once it has started."""

    name: str
    arn: str
    status: str
    percent: int = 0
    taken: datetime | None = None

    @property
    def version(self) -> Version | None:
        """The version in its name; for an automated snapshot, the version of its time."""
        own = Version.of_name(self.name, OWN_SNAPSHOTS)
        return own or (Version.at(self.taken) if self.taken is not None else None)


@dataclass(frozen=True, slots=True)
class Task:
    """One export task. ``failure`` and ``warning`` are AWS's messages."""

    name: str
    status: str
    percent: int = 0
    failure: str | None = None
    warning: str | None = None

    @property
    def under_way(self) -> bool:
        """Whether it has not ended."""
        return self.status in UNDER_WAY

    @property
    def reason(self) -> str:
        """Why it is not complete, in AWS's words."""
        words = (self.failure, self.warning)
        return "; ".join(word for word in words if word) or "AWS gives no reason"


class SnapshotExports(Protocol):
    """One RDS instance, its snapshots, and the tasks that export them to the bucket.

    Every call may be repeated: an existing snapshot or task of that name is used, if it is ours.
    All calls raise BadSettings (no such instance, role or key, with AWS's message) and Unreachable.
    """

    def take(self, name: str) -> DbSnapshot:
        """Start a manual snapshot, or return the one with that name; Refused if another's."""

    def snapshot(self, name: str) -> DbSnapshot | None:
        """The snapshot's current state, or None. Refused if it is another instance's."""

    def of_day(self, day: date) -> list[DbSnapshot]:
        """The available snapshots taken on that day (UTC), by time.

        Automated ones, and manual ones with the name that ``take`` gives to a version.
        """

    def start(self, name: str, snapshot: DbSnapshot, prefix: str) -> Task:
        """Start to export a snapshot to ``{prefix}/{name}/``, or return the task of that name.

        Raises Refused if the task of that name has another snapshot or destination.
        """

    def task(self, name: str) -> Task | None:
        """The export task's current state; None if it does not exist."""
