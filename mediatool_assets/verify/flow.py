"""Reads the stores of one version, for verdicts and integrity reports.

If a store cannot be read, or is not the one that the metadata describes, the result is a reading
with its problems, not an exception. Only a wrong setting (Misuse) is raised: it says nothing about
the data.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.archive.streaming import sha256_of
from mediatool_assets.domain.errors import DamagedInput, MediatoolError
from mediatool_assets.domain.keys import archive_key
from mediatool_assets.domain.manifest import Block, Manifest, undigested
from mediatool_assets.domain.member_names import bson_member, table_member
from mediatool_assets.domain.metadata import Metadata
from mediatool_assets.domain.outcome import Outcome, outcome_of, worst
from mediatool_assets.domain.restore_record import Marker
from mediatool_assets.domain.sampling import DailySample
from mediatool_assets.domain.targets import VersionArchive
from mediatool_assets.domain.verdict import Check, CheckedPart
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import DocumentStore, ObjectStore, Progress, RestoreTarget, silent
from mediatool_assets.flows.versions import archives
from mediatool_assets.flows.versions.version_databases import Loaded, loaded
from mediatool_assets.flows.workers.ordered_results import in_order

Result = TypeVar("Result")
MarkerType = TypeVar("MarkerType", Loaded, Marker)


@dataclass(frozen=True, slots=True)
class Verification:
    """The version to verify, the sample, and the means."""

    objects: ObjectStore
    executor: Executor
    metadata: Metadata
    sample: DailySample
    progress: Progress = silent

    @property
    def version(self) -> Version:
        """The version that is verified."""
        return self.metadata.version

    @property
    def archives(self) -> tuple[VersionArchive, ...]:
        """The archives that the version was published with."""
        return tuple(self.metadata.exports.by_archive)


@dataclass(slots=True)
class StoreReading:
    """The result of reading one archive or database: its status, and the problems.

    ``checked`` of ``total`` blocks, tables or collections were read, ``bytes`` uncompressed.
    """

    part: CheckedPart
    thing: str
    status: Outcome = "passed"
    problems: list[str] = field(default_factory=list)
    checked: int = 0
    total: int = 0
    bytes: int = 0

    @property
    def problem(self) -> str:
        """All problems in one line; empty if there is none."""
        return "; ".join(self.problems)

    def add(self, problem: str | MediatoolError, status: Outcome = "failed") -> None:
        """Record a problem; the worst one determines the status. Raises a Misuse again."""
        if isinstance(problem, MediatoolError):
            status = outcome_of(problem)
        self.status = status if status == "absent" else worst([self.status, status])
        if str(problem) not in self.problems:
            self.problems.append(str(problem))

    def check(self) -> Check:
        """The reading as an entry of a verdict; if nothing was read, the part has not passed."""
        unread = self.status == "passed" and self.total and not self.checked
        return Check(
            self.part,
            self.thing,
            "not checked" if unread else self.status,
            self.checked,
            self.total,
            self.bytes,
            tuple(self.problems) if self.status != "absent" else (),
        )


@dataclass(slots=True)
class ArchiveReading(StoreReading):
    """``reader`` is None if the archive's manifest cannot be read.

    ``sha256`` is that of the metadata if it was not yet compared, else empty. ``agrees`` is true
    if it was compared, and all bytes of the archive are those that were written.
    """

    reader: ArchiveReader | None = None
    sha256: str = ""
    agrees: bool = False

    @property
    def manifest(self) -> Manifest | None:
        """The archive's manifest; None if it cannot be read."""
        return self.reader.manifest if self.reader is not None else None

    def expect(self, sha256: str) -> None:
        """Compare the SHA-256 of all of its bytes with that of its metadata."""
        self.agrees = sha256 == self.sha256
        if not self.agrees:
            self.add("it does not have the SHA-256 that its metadata gives")
        self.sha256 = ""

    def to_read(self, blocks: Iterable[Block]) -> tuple[Block, ...]:
        """The blocks to read: without their digests if all bytes of the archive were compared."""
        return undigested(blocks) if self.agrees else tuple(blocks)

    def required(self) -> ArchiveReader:
        """The archive's reader; raises DamagedInput with its problem if it cannot be read."""
        if self.reader is None:
            raise DamagedInput(self.problem)
        return self.reader


@dataclass(slots=True)
class DatabaseReading(StoreReading, Generic[MarkerType]):
    """``marker`` is None if the database is absent, incomplete or cannot be read."""

    marker: MarkerType | None = None


MongoReading = DatabaseReading[Loaded]
PostgresReading = DatabaseReading[Marker]


def open_archive(run: Verification, kind: VersionArchive, *, hashed: bool = True) -> ArchiveReading:
    """Compare an archive with its metadata: its size and, unless it is sampled, its SHA-256.

    Without ``hashed`` the caller reads all bytes, and compares their SHA-256 by ``expect``.
    """
    published = run.metadata.exports.by_archive[kind]
    key = archive_key(kind, run.version, run.objects.database_names)
    reading = ArchiveReading(kind, run.objects.uri(key))
    try:
        reader = ArchiveReader(run.objects.open(key))
        if reader.source.size != published.size_bytes:
            said = f"it has {reader.source.size} bytes, its metadata says {published.size_bytes}"
            reading.add(said)
        if run.sample.is_whole:
            reading.sha256 = published.sha256
        if hashed and reading.sha256:
            with in_order(run.executor, sha256_of, [reader.source]) as digests:
                reading.expect(next(digests))
        archives.require_identity(reader, kind, run.version)
        if published.digest not in (None, reader.digest):
            reading.add("it does not have the digest that its metadata gives")
        reading.reader = reader
        reader.check_tar()
        for name in _misnamed(reader.manifest):
            reading.add(f"{name}: its manifest says that it holds rows of something else")
        if kind == "raw":
            reader.schema()
    except MediatoolError as error:
        reading.add(error)
    return reading


def _misnamed(manifest: Manifest) -> Iterator[str]:
    """Files whose name is not that of the table or collection whose rows they are said to hold."""
    for member in manifest.members:
        folder, _, name = member.name.rpartition("/")
        expected = name
        if member.table is not None:
            expected = table_member(member.table)
        elif member.collection is not None:
            expected = bson_member(folder, member.collection).removeprefix(f"{folder}/")
        if name != expected:
            yield member.name


def open_mongodb(run: Verification, documents: DocumentStore | None) -> MongoReading | None:
    """The version's MongoDB database; None if it was made without one, and none was made since."""
    is_target = run.metadata.targets.mongodb
    if documents is None and not is_target:
        return None
    reading = _mongodb_now(run, documents)
    return reading if is_target or _is_there(reading) else None


def _mongodb_now(run: Verification, documents: DocumentStore | None) -> MongoReading:
    reading = MongoReading("mongodb", run.objects.database_names.in_mongodb(run.version))
    if documents is not None:
        _mark(
            reading,
            documents,
            lambda: loaded(documents, run.version),
            lambda: documents.is_busy(reading.thing),
        )
    else:
        reading.add("MEDIATOOL_MONGODB_URL is not set", "unknown")
    return reading


def look_again(run: Verification, reading: MongoReading, documents: DocumentStore) -> None:
    """Forget what was found of a database that was dropped or replaced while it was read."""
    again = _mongodb_now(run, documents)
    before, now = reading.marker, again.marker
    if before is not None and now is not None and before.load == now.load:
        return
    reading.marker, reading.status, reading.problems = None, "passed", []
    reading.checked = reading.total = reading.bytes = 0
    if again.status == "absent":
        reading.add(again.problem, "absent")
    else:
        reading.add("it was replaced while it was read; verify it again", "unknown")


def in_two_tries(read: Callable[[], Result]) -> Result:
    """Read a PostgreSQL database; once more after an error.

    A restore that replaces the database ends its sessions, and the snapshot is gone with them.
    """
    try:
        return read()
    except MediatoolError:
        return read()


def open_postgres(run: Verification, target: RestoreTarget | None) -> PostgresReading | None:
    """The restored PostgreSQL database; None if none was made with the version or since."""
    reading = PostgresReading("postgres", run.objects.database_names.in_postgres(run.version))
    if target is not None:
        _mark(reading, target, lambda: target.marker(reading.thing), lambda: False)
    elif run.metadata.databases_created.postgres is not None:
        reading.add("MEDIATOOL_RESTORE_POSTGRES_URL is not set", "unknown")
    else:
        return None
    return reading if run.metadata.targets.postgres or _is_there(reading) else None


def _is_there(reading: DatabaseReading[MarkerType]) -> bool:
    """Whether there is a database, or something that keeps it from being read."""
    return reading.marker is not None or reading.status not in ("passed", "absent")


def _mark(
    reading: DatabaseReading[MarkerType],
    store: DocumentStore | RestoreTarget,
    marker: Callable[[], MarkerType | None],
    is_busy: Callable[[], bool],
) -> None:
    """Read the marker, which only a complete database has.

    A database that is being loaded or removed is unknown: it has not failed.
    """
    try:
        reading.marker = marker()
        if reading.marker is not None:
            return
        busy = store.exists(reading.thing) and is_busy()
        reading.marker = marker()  # a load may have ended meanwhile
        if reading.marker is not None:
            return
        if not store.exists(reading.thing):
            reading.add(f"{reading.thing} does not exist; restore it", "absent")
        elif busy:
            reading.add(
                f"{reading.thing} is being loaded or removed; verify it again when that has ended",
                "unknown",
            )
        else:
            reading.add(f"{reading.thing} has no marker, so it is incomplete; restore it again")
    except MediatoolError as error:
        reading.add(error)
