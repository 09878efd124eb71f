"""Export: writes every table of the source, from one snapshot, to the version's raw archive.

Chooses the source of a day: its raw archive, an RDS snapshot export, or the database.

Rows are only stored under the day that they belong to: the live database has today's rows only.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import Literal, NamedTuple

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.archive.writer import ArchiveWriter, Spooled
from mediatool_assets.core.errors import (
    AlreadyExists,
    BadSettings,
    BadSource,
    CountMismatch,
    Misuse,
    NothingOfDay,
    PastDay,
    RecoveryConflict,
    Unreachable,
)
from mediatool_assets.core.manifest import Exclusion, Manifest, Member
from mediatool_assets.core.metadata import SourceIdentity, source_warnings
from mediatool_assets.core.schema import Chunk, Table
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import json_values, quantity
from mediatool_assets.core.version import Version, archive_key, archive_prefix, table_member
from mediatool_assets.export.rds import RdsExport, find
from mediatool_assets.export.rds_files import day_prefix
from mediatool_assets.stores.ports import ObjectStore, RowReader, Source, SourceSnapshot
from mediatool_assets.versions import catalog
from mediatool_assets.versions.catalog import StoredArchive, publish
from mediatool_assets.work import in_order
from mediatool_assets.work.scratch import Spooling, Workspace, spooling

TRIES = 3
"""Snapshots of a hot standby that are tried before its primary is read. Recovery conflicts are
rare, or occur every time if its settings leave too little time for an export."""

BY_SETTING = "MEDIATOOL_EXCLUDE_TABLES names it"


def export(
    source: Source,
    objects: ObjectStore,
    workspace: Workspace,
    version: Version,
    *,
    exclude: Mapping[str, str] | frozenset[str] = frozenset(),
) -> StoredArchive:
    """Write the raw archive of ``version``. It is in the bucket only once every row is in it.

    ``exclude`` maps tables to leave out to the reason. A table that disappeared or became empty
    since the last version of the same source is a warning. If a hot standby cancels the export, it
    is read again, up to TRIES times, and then its primary is read if there is one; that is a
    warning too. Raises BadSource, CountMismatch, AlreadyExists, Unreachable, and BadSettings if the
    primary is that of another cluster.
    """
    key = archive_key("raw", version)
    if objects.head(key) is not None:
        raise AlreadyExists(objects.uri(key))
    conflicts: list[RecoveryConflict] = []
    cluster: SourceIdentity | None = None
    for read in filter(None, [*[source] * TRIES, source.primary]):
        try:
            with read.snapshot() as snapshot:
                own = SourceIdentity.of_facts(snapshot.facts)
                if cluster is not None and not cluster.is_cluster_of(own):
                    raise BadSettings(
                        [
                            f"MEDIATOOL_POSTGRES_PRIMARY_URL is {own.instance}, which is not the "
                            f"primary of {cluster.instance}: name that one"
                        ]
                    )
                cluster = own
                with spooling(objects, workspace, "export") as spools:
                    run = _ExportRun(snapshot, workspace, spools, _reasons(exclude), conflicts)
                    earlier = catalog.versions_before(objects, version, 1, own)
                    previous = earlier[-1].exports.raw.rows if earlier else {}
                    write = partial(run.write, previous=previous)
                    return publish(objects, "raw", version, write, workspace.executor)
        except RecoveryConflict as conflict:
            conflicts.append(conflict)
    raise conflicts[-1]


def _reasons(exclude: Mapping[str, str] | frozenset[str]) -> dict[str, str]:
    if isinstance(exclude, Mapping):
        return dict(exclude)
    return dict.fromkeys(exclude, BY_SETTING)


class _ExportShare(NamedTuple):
    """The work of one worker."""

    reader: RowReader
    table: Table
    chunk: Chunk
    spools: Spooling
    name: str


def spool_chunk(share: _ExportShare) -> Spooled:
    """Read one chunk into a spool, in a worker; raises CountMismatch, BadSource.

    Each block is unpacked here: the check ``counted`` does not read the new archive again.
    """
    rows = share.reader.read(share.table, share.chunk)
    spooled = share.spools.rows(share.name, rows, unpacked=True)
    if spooled.rows != share.chunk.rows:
        thing = f"{share.table.name}, chunk {share.chunk.index}"
        raise CountMismatch(thing, "rows", share.chunk.rows, spooled.rows)
    return spooled


class _ExportRun:
    """One export: tables in the archive's order, with workers slightly ahead of the writer."""

    def __init__(
        self,
        snapshot: SourceSnapshot,
        workspace: Workspace,
        spools: Spooling,
        reasons: dict[str, str],
        conflicts: Sequence[RecoveryConflict],
    ) -> None:
        self._snapshot, self._workspace, self._spools = snapshot, workspace, spools
        self._reasons, self._conflicts = reasons, conflicts
        self._chunks: dict[str, list[Chunk]] = {}
        self._tables = [t for t in snapshot.schema.tables if t.name not in reasons]
        if not self._tables:
            raise BadSource(
                f"schema {snapshot.schema.name}: every table is excluded; "
                "remove at least one from MEDIATOOL_EXCLUDE_TABLES"
            )

    def write(self, writer: ArchiveWriter, *, previous: Mapping[str, int]) -> Manifest:
        """Write every table, the schema in both forms, and the manifest."""
        schema = self._snapshot.schema
        ddl = self._snapshot.ddl()  # first: a problem with the DDL is reported early
        shares, ahead = self._shares(), self._spools.ahead
        with in_order(self._workspace.executor, spool_chunk, shares, ahead=ahead) as spools:
            rows = {table.name: self._write_table(writer, table, spools) for table in self._tables}
        writer.add_file("schema.sql", ddl)
        writer.add_file("schema.json", schema.to_json())
        return writer.finish(
            Manifest(
                "", "raw", "", (),
                source=self._snapshot.facts,
                exclusions=tuple(self._exclusions()),
                warnings=tuple(self._warnings(rows, previous)),
                facts={
                    "schema_fingerprint": schema.fingerprint(),
                    "counted": self._counted(),
                    "not_carried": json_values(self._snapshot.not_carried()),
                },
            )
        )  # fmt: skip

    def _write_table(self, writer: ArchiveWriter, table: Table, spools: Iterator[Spooled]) -> int:
        chunks = self._chunks_of(table)
        total, done = sum(chunk.rows for chunk in chunks), 0
        own: list[Spooled] = []
        for chunk in chunks:
            own.append(next(spools))
            done += chunk.rows
            self._workspace.progress(table.name, done, total)
        member = writer.add_rows(table_member(table.name), own, table=table.name)
        if member.rows != total:
            raise CountMismatch(table.name, "rows", total, member.rows)
        return member.rows

    def _shares(self) -> Iterator[_ExportShare]:
        reader = self._snapshot.reader
        for number, table in enumerate(self._tables):
            for chunk in self._chunks_of(table):
                yield _ExportShare(reader, table, chunk, self._spools, f"{number}-{chunk.index}")

    def _chunks_of(self, table: Table) -> list[Chunk]:
        """Return the table's chunks, counted once; its scan waits until workers are close to it."""
        if table.name not in self._chunks:
            self._chunks[table.name] = self._snapshot.chunks(table)
        return self._chunks[table.name]

    def _counted(self) -> dict[str, int]:
        """The rows of each table as PostgreSQL counted them in the snapshot."""
        return {t.name: sum(c.rows for c in self._chunks_of(t)) for t in self._tables}

    def _exclusions(self) -> Iterator[Exclusion]:
        for table in self._snapshot.schema.tables:
            if table.name in self._reasons:
                yield Exclusion(table.name, self._reasons[table.name], self._rows_of(table))
        known = {table.name for table in self._snapshot.schema.tables}
        for name in sorted(self._reasons.keys() - known):  # so that a model may still name it
            yield Exclusion(name, f"{self._reasons[name]}; the source has no such table", 0)

    def _rows_of(self, table: Table) -> int | None:
        """Count the rows of an excluded table; None if they cannot be read."""
        try:
            return sum(chunk.rows for chunk in self._snapshot.chunks(table))
        except (BadSource, Unreachable):  # Unreachable if a foreign server refuses
            return None

    def _warnings(self, rows: Mapping[str, int], previous: Mapping[str, int]) -> Iterator[str]:
        schema = self._snapshot.schema
        known = {table.name for table in schema.tables}
        yield from source_warnings(self._snapshot.facts, schema)
        if self._conflicts:
            yield (
                f"the hot standby ended the export {quantity(len(self._conflicts), 'time')} "
                f"({self._conflicts[-1].said}); the rows are of a later snapshot, of "
                f"{self._snapshot.facts.get('instance')} (see docs/how-to/standby.md)"
            )
        for name in sorted(self._reasons.keys() - known):
            yield f"{name} is excluded, and the source has no such table"
        for name, before in sorted(previous.items()):
            if before and rows.get(name) == 0:
                yield f"{name} is empty, and had {quantity(before, 'row')} in the last version"
            elif before and name not in known:
                yield f"{name} is gone, and had {quantity(before, 'row')} in the last version"


Asked = Literal["auto", "postgres", "rds", "archive"]


@dataclass(frozen=True, slots=True)
class OnDay:
    """A live source whose snapshot must be taken on one day, even if the run has to wait first."""

    source: Source
    day: date
    today: Callable[[], date]

    @contextmanager
    def snapshot(self) -> Iterator[SourceSnapshot]:
        """Take the source's snapshot; raises PastDay if the day had ended when it was taken."""
        with self.source.snapshot() as snapshot:
            if (today := self.today()) != self.day:
                raise PastDay(
                    f"{self.day} was over (UTC) when the snapshot of the live database was taken, "
                    f"and nothing was exported; export {today}"
                )
            yield snapshot

    @property
    def primary(self) -> "OnDay | None":
        """The source's primary, on the same day."""
        primary = self.source.primary
        return None if primary is None else OnDay(primary, self.day, self.today)


class Origin(NamedTuple):
    """The source of a day. Without ``source`` it is the raw archive of ``version``.

    Without ``version`` it is the live database, and the run chooses the version.
    """

    version: Version | None
    source: Source | None


@dataclass(frozen=True, slots=True)
class SourceCandidates:
    """The possible sources of a day: the bucket, and the live database if there is one."""

    objects: ObjectStore
    live: Source | None
    schema: str
    today: date
    may_be_empty: frozenset[str] = frozenset()
    """Tables that may have no row in an RDS export though a version near it has some."""

    @classmethod
    def of(
        cls, settings: Settings, objects: ObjectStore, live: Source | None, today: date
    ) -> "SourceCandidates":
        """Build them from the settings."""
        may_be_empty = settings.rds_empty_tables | settings.exclude_tables
        return cls(objects, live, settings.postgres_schema, today, may_be_empty)

    def origin(self, partition: str, asked: Asked, wanted: Version | None = None) -> Origin:
        """Return the first of archive, RDS export and live database that has the day.

        For today, ``auto`` selects the live database: a request for today means its current rows.
        ``wanted`` is the required version if the run already has one. Raises PastDay, NothingOfDay
        or Misuse naming what is missing, and BadSource for a damaged export.
        """
        is_today = partition == self.today.isoformat()
        past = asked == "auto" and not is_today
        if asked == "archive" or past:
            version = wanted or self._newest(partition)
            if self._archived(version):
                return Origin(version, None)
        if asked == "rds":
            export = self.export(partition, wanted)
            return Origin(wanted or self._to_make(export), export)
        if past and (found := self._found(partition, wanted)) is not None:
            return Origin(wanted or self._to_make(found), found)
        if asked in ("auto", "postgres") and is_today:
            if self.live is None:
                raise Misuse(f"{partition} is exported live; set MEDIATOOL_POSTGRES_URL")
            return Origin(None, self.live)
        raise self._missing(partition, asked, wanted)

    def export(self, partition: str, wanted: Version | None = None) -> RdsExport:
        """Return the day's RDS export in the bucket; raises NothingOfDay, BadSource."""
        export = self._found(partition, wanted)
        if export is None:
            raise self._missing(partition, "rds", wanted)
        return export

    def has_exports(self, partition: str) -> bool:
        """True if the day has any RDS export, usable or not."""
        return any(True for _ in self.objects.folders(day_prefix(partition)))

    def has_complete(self, partition: str) -> bool:
        """Whether the day has a complete version."""
        day = date.fromisoformat(partition)
        return any(True for _ in catalog.versions(self.objects, day, day))

    def _found(self, partition: str, wanted: Version | None) -> RdsExport | None:
        export = find(self.objects, partition, self.schema, self.live, wanted)
        if export is None and wanted is not None:
            newest = find(self.objects, partition, self.schema, self.live)
            if newest is not None and self._to_make(newest) == wanted:
                export = newest
        return export and replace(export, may_be_empty=self.may_be_empty)

    def _to_make(self, export: RdsExport) -> Version:
        """Choose the version to make from an export: normally the export's own.

        If that version already has a raw archive, which may be damaged, and the day is past, return
        the next second without one.
        """
        version = export.version
        while version.day < self.today and self._archived(version):
            version = Version(version.moment + timedelta(seconds=1))
        if version.day != export.version.day:
            raise AlreadyExists(self.objects.uri(archive_key("raw", export.version)))
        return version

    def lacks_export(self, partition: str, asked: Asked, wanted: Version | None = None) -> bool:
        """True if AWS has to export a snapshot before ``origin`` can return an RDS export.

        For today, only an export that no version was made from counts.
        """
        is_today = partition == self.today.isoformat()
        if asked != "rds" and (asked != "auto" or is_today):
            return False
        if asked == "auto" and self._archived(wanted or self._newest(partition)):
            return False
        try:
            export = self._found(partition, wanted)
        except BadSource:  # there are unusable or unfinished exports
            return True
        used = is_today and wanted is None and export is not None
        return export is None or (used and self._archived(export.version))

    def _archived(self, version: Version | None) -> bool:
        if version is None:
            return False
        return self.objects.head(archive_key("raw", version)) is not None

    def _newest(self, partition: str) -> Version | None:
        """The newest complete version of the day, else its newest raw archive."""
        day = date.fromisoformat(partition)
        complete = list(catalog.versions(self.objects, day, day))
        if complete:
            return complete[-1]
        found = [i.key for i in self.objects.list(archive_prefix("raw", partition))]
        names = [key.rpartition("/")[2].removesuffix("-raw.tar.gz") for key in found]
        return Version.parse(names[-1]) if names else None

    def _missing(
        self, partition: str, asked: Asked, wanted: Version | None
    ) -> PastDay | NothingOfDay:
        of = f"version {wanted}" if wanted else partition
        archive = f"no raw archive of {of}"
        rds = f"no RDS snapshot export of {of} under {self.objects.uri(day_prefix(partition))}"
        match asked:
            case "archive":
                return NothingOfDay(f"there is {archive}; `mediatool versions` lists what there is")
            case "rds":
                return NothingOfDay(f"there is {rds}; export a snapshot of that day to there")
            case _:
                absent = "" if asked == "postgres" else f"there is {archive} and {rds}, and "
                return PastDay(
                    f"{absent}the live database can be exported only for today, {self.today} "
                    f"(UTC), not for {partition}: it does not hold that day's rows; "
                    "export an RDS snapshot of that day, or take another day"
                )


def adopt(objects: ObjectStore, executor: Executor, version: Version) -> StoredArchive:
    """Read every byte of a version's raw archive again; raises BadArchive if it is damaged."""
    reader = catalog.reader(objects, "raw", version)
    archived = StoredArchive(reader.source.name, reader.source.size, reader.manifest)
    reader.check_tar()
    bare = ArchiveReader(reader.source)  # workers need no manifest
    shares: Sequence[tuple[ArchiveReader, Member]] = [(bare, m) for m in archived.manifest.members]
    with in_order(executor, verify_member, shares) as verified:
        for _ in verified:
            pass
    return archived


def verify_member(share: tuple[ArchiveReader, Member]) -> None:
    """In a worker: read one file of an archive again and verify it."""
    reader, member = share
    reader.verify(member)
