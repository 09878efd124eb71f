"""Verify: reads a version's archives and databases again, and judges them.

Reads the stores of one version, for verdicts and integrity reports.

If a store cannot be read, or is not the one that the metadata describes, the result is a reading
with its problems, not an exception. Only a wrong setting (Misuse) is raised: it says nothing about
the data.

Reads the blocks of an archive again: all of them, or today's sample.

The signature of a version as part of its verdict, and the chain of versions.

Reads a version's databases again, and compares them with its archives.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mediatool_assets.archive.reader import (
    ArchiveReader,
    block_shares,
    sha256_of,
    split_documents,
    split_lines,
)
from mediatool_assets.core.authenticity import (
    Authenticity,
    Check,
    CheckedPart,
    Checkpoint,
    DailySample,
    Verdict,
    judged,
)
from mediatool_assets.core.errors import BadArchive, DamagedInput, MediatoolError
from mediatool_assets.core.manifest import Block, Fingerprint, Manifest, Member, undigested
from mediatool_assets.core.metadata import Marker, Metadata, content_of, instant
from mediatool_assets.core.outcomes import Outcome, outcome_of, worst
from mediatool_assets.core.schema import in_its_order
from mediatool_assets.core.setting_values import VersionArchive
from mediatool_assets.core.version import (
    CHAIN_PREFIX,
    Version,
    archive_key,
    bson_member,
    metadata_key,
    table_member,
)
from mediatool_assets.load.flow import reread as reread_collections
from mediatool_assets.restore.flow import reread as reread_tables
from mediatool_assets.stores.ports import (
    DocumentStore,
    ObjectStore,
    Progress,
    RestoreTarget,
    Stores,
    silent,
)
from mediatool_assets.versions import catalog
from mediatool_assets.versions import flow as chain
from mediatool_assets.versions.records import Loaded, loaded
from mediatool_assets.work import in_order
from mediatool_assets.work.scratch import Workspace

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
        catalog.require_identity(reader, kind, run.version)
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


@dataclass(frozen=True, slots=True)
class MemberBlocks:
    """Blocks of one file of an archive, for one worker to read; all of them if ``whole``."""

    archive: ArchiveReader
    member: Member
    blocks: tuple[Block, ...]
    whole: bool


def read_blocks(run: Verification, reading: ArchiveReading) -> None:
    """Compare today's sample of an archive's blocks with its manifest.

    If everything is read, every file must have its length, SHA-256 and fingerprint. For a damaged
    file, the damaged byte range of the archive is reported; all other files are still read.
    """
    reader = reading.reader
    if reader is None:
        return
    try:
        members = reader.manifest.members
        source = ArchiveReader(reader.source)  # workers need no manifest
        work = list(_sampled(run.sample, source, members))
        reading.total = sum(len(member.blocks) for member in members)
        size = sum(block.bytes for item in work for block in item.blocks)
        with in_order(run.executor, damages, work) as inspected:
            for item, found in zip(work, inspected, strict=True):
                for damage in found:
                    reading.add(damage)
                reading.checked += len(item.blocks)
                reading.bytes += sum(block.bytes for block in item.blocks)
                run.progress(reading.part, reading.bytes, size, "bytes")
    except MediatoolError as error:
        reading.add(error)


def whole(archive: ArchiveReader, members: Iterable[Member]) -> Iterator[MemberBlocks]:
    """Every block of these files, one share per file."""
    return (MemberBlocks(archive, member, member.blocks, whole=True) for member in members)


def _sampled(
    sample: DailySample, archive: ArchiveReader, members: Iterable[Member]
) -> Iterator[MemberBlocks]:
    """Today's sample of the blocks of all files together."""
    if sample.is_whole:
        yield from whole(archive, members)
        return
    blocks = sample.choose((m, block) for m in members for block in m.blocks)
    for member in members:
        own = [block for owner, block in blocks if owner is member]
        for some in block_shares(own):
            yield MemberBlocks(archive, member, tuple(some), whole=False)


def damages(work: MemberBlocks) -> list[str]:
    """In a worker: return the problems of these blocks."""
    member = work.member
    if work.whole:
        try:
            work.archive.verify(member)
        except BadArchive as error:
            return [*_damaged(work)] or [f"{_range(member, work.blocks)}: {error.problem}"]
        count = int((member.fingerprint or str(member.rows)).partition(":")[0])
        if count != member.rows:
            return [f"{member.name}: {count} rows, its manifest says {member.rows}"]
        return []
    return [*_damaged(work)]


def _damaged(work: MemberBlocks) -> Iterator[str]:
    """Each block that does not match the manifest, with its place in the archive."""
    for block in work.blocks:
        try:
            [content] = work.archive.blocks([block])
            rows = _rows(work.member, content)
        except BadArchive as error:
            yield error.problem
        except ValueError as error:
            yield f"{work.archive.place(block)}: {error}"
        else:
            if rows != block.rows:
                place = work.archive.place(block)
                yield f"{place}: {rows} rows, its manifest says {block.rows}"


def _rows(member: Member, content: bytes) -> int:
    """The number of rows in a block; raises ValueError if it cannot be split."""
    if member.collection is not None:
        return sum(1 for _ in split_documents(content))
    return len(split_lines(content)) if member.table is not None else 0


def _range(member: Member, blocks: tuple[Block, ...]) -> str:
    """A file's byte range in the archive, as for ``aws s3api --range``."""
    if not blocks:
        return member.name
    return f"{member.name}: bytes {blocks[0].offset}-{blocks[-1].offset + blocks[-1].length - 1}"


def read_signature(
    run: Verification, archives: Mapping[VersionArchive, ArchiveReading]
) -> tuple[Authenticity, StoreReading | None]:
    """Compare metadata and archives with the signature; returns None if no key is trusted."""
    found = catalog.authenticity_of(run.objects, run.version)
    if not run.objects.signature_policy.keys:
        return found, None
    reading = StoreReading("authenticity", run.objects.uri(metadata_key(run.version)))
    reading.total = reading.checked = 1
    if found.statement is None:
        reading.add(str(found))
        return found, reading
    for kind, archive in archives.items():
        signed = found.statement.archives.get(kind)
        if archive.reader is not None and archive.reader.digest != signed:
            reading.add(f"forged: the {kind} archive is not the one that was signed")
    return found, reading


def read_chain(run: Verification, since: Checkpoint) -> StoreReading:
    """Read the chain of all versions, and compare it with a checkpoint."""
    reading = StoreReading("chain", run.objects.uri(CHAIN_PREFIX))
    try:
        found = chain.check(run.objects, since)
    except MediatoolError as error:
        reading.add(error)
        return reading
    reading.total = reading.checked = found.newest.number
    for finding in found.findings:
        reading.add(finding)
    return reading


_NO_MANIFEST = "its archive cannot be read: there is nothing to compare it with"


def read_mongodb(
    run: Verification, reading: MongoReading, documents: DocumentStore, manifest: Manifest | None
) -> None:
    """Compare the MongoDB database with the transformed archive's manifest, by collection.

    A sample reads some of the collections, each one whole.
    """
    if reading.marker is None:
        return
    if manifest is None:
        reading.add(_NO_MANIFEST, "unknown")
        return
    try:
        wanted = manifest.collections()
        there = {info.name for info in documents.collections(reading.thing)}
        members = {name: wanted[name] for name in run.sample.choose(wanted)}
        found = reread_collections(documents, run.executor, reading.thing, members, run.progress)
    except MediatoolError as error:
        reading.add(error)
    else:
        if not reading.marker.agrees_with(manifest):
            reading.add("its marker does not match the transformed archive")
        _compare(reading, there - wanted.keys(), members, found)
        reading.total = len(wanted)
    if reading.status == "failed":
        look_again(run, reading, documents)


def read_postgres(
    run: Verification, reading: PostgresReading, target: RestoreTarget, archive: ArchiveReading
) -> None:
    """Compare the restored PostgreSQL database with the raw archive's manifest, by table.

    A sample reads some of the tables, each one whole. After an error they are read once more.
    """
    marker, manifest = reading.marker, archive.manifest
    if marker is None:
        return
    if manifest is None:
        reading.add(_NO_MANIFEST, "unknown")
        return
    try:
        schema = archive.required().schema()
        wanted = _restored(manifest, marker)
        members = {name: wanted[name] for name in run.sample.choose(wanted)}

        def read() -> tuple[set[str], dict[str, Fingerprint]]:
            with target.database(reading.thing, schema.name).snapshot() as snapshot:
                there = {table.name for table in snapshot.schema.tables}
                tables = [t for t in in_its_order(snapshot.schema, schema) if t.name in members]
                return there, reread_tables(snapshot, run.executor, tables, run.progress)

        there, found = in_two_tries(read)
    except MediatoolError as error:
        reading.add(error)
        return
    content = marker.content or content_of(manifest)  # a part's marker has no content
    if (marker.version, content) != (manifest.version, content_of(manifest)):
        reading.add("its marker does not match the raw archive")
    known = manifest.tables().keys() | {exclusion.table for exclusion in manifest.exclusions}
    _compare(reading, there - known, members, found)
    reading.total = len(wanted)


def _restored(manifest: Manifest, marker: Marker) -> dict[str, Member]:
    """The tables whose rows the database has: all, or the restored part."""
    members = manifest.tables()
    return {name: members[name] for name in (marker.tables or members) if name in members}


def _compare(
    reading: StoreReading,
    unexpected: Iterable[str],
    members: Mapping[str, Member],
    found: Mapping[str, Fingerprint],
) -> None:
    """Record tables or collections that are missing, additional, or have other rows."""
    for name in sorted(unexpected):
        reading.add(f"{name}: not in the archive")
    for name, member in members.items():
        if name not in found:
            reading.add(f"{name}: gone")
        elif str(found[name]) != member.fingerprint:
            reading.add(
                f"{name}: {found[name].count} rows, fingerprint {found[name]}; "
                f"the archive has {member.rows}, fingerprint {member.fingerprint}"
            )
    reading.checked = len(members)
    reading.bytes = sum(member.bytes for member in members.values())


def verify(
    stores: Stores,
    workspace: Workspace,
    version: Version,
    *,
    sample: float | None = None,
    since: Checkpoint | None = None,
) -> Verdict:
    """Read a complete version's archives and databases again, and compare them with the manifests.

    Without ``sample`` every byte is read. With it, that percentage of blocks, collections and
    tables is read: another sample each day, so that everything was read after ``100 / sample``
    days.

    If a server does not answer, or is not set although the metadata names a database on it, that
    database is unknown, which is not passed. If keys are trusted, one of them must have signed the
    version. With ``since`` the chain of versions is read too. Raises NotFound if the version is not
    complete, or was deleted while it was read; Unreachable if the bucket does not answer, Misuse
    for a wrong percentage or setting.
    """
    began = workspace.clock()
    run = Verification(
        stores.objects,
        workspace.executor,
        catalog.read_unauthenticated(stores.objects, version)[0],
        DailySample(sample, began.date()),
        workspace.progress,
    )
    documents, target = stores.documents, stores.target
    mongodb, postgres = open_mongodb(run, documents), open_postgres(run, target)
    archives = {kind: open_archive(run, kind) for kind in run.archives}
    for archive in archives.values():
        read_blocks(run, archive)
    if mongodb is not None and documents is not None:
        read_mongodb(run, mongodb, documents, archives["transformed"].manifest)
    if postgres is not None and target is not None:
        read_postgres(run, postgres, target, archives["raw"])
    found, signed = read_signature(run, archives)
    chained = read_chain(run, since) if since is not None else None
    readings = (*archives.values(), mongodb, postgres, signed, chained)
    checks = [each.check() for each in readings if each is not None]
    if judged(checks) == "failed":
        catalog.read_unauthenticated(
            stores.objects, version
        )  # raises NotFound if it was deleted meanwhile
    return Verdict(
        str(version),
        instant(began, exact=True),
        round((workspace.clock() - began).total_seconds(), 3),
        judged(checks),
        tuple(checks),
        sample,
        str(found),
    )
