"""What the stores of a version were found to hold: read once, then asked by every line."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain.errors import BadArchive, MediatoolError
from mediatool_assets.domain.fingerprint import Fingerprint
from mediatool_assets.domain.keys import mongodb_database, postgres_database
from mediatool_assets.domain.manifest import Member
from mediatool_assets.domain.metadata import Metadata
from mediatool_assets.domain.outcome import Figure, Outcome, outcome_of
from mediatool_assets.domain.resolution import Resolution
from mediatool_assets.domain.restored import Marker
from mediatool_assets.domain.schema import Schema, Table
from mediatool_assets.flows import accounting
from mediatool_assets.flows.integrity.plan import Plan
from mediatool_assets.flows.integrity.reading import DocumentShare, Read
from mediatool_assets.flows.integrity.stores import (
    Archive,
    ArchiveKind,
    Round,
    document_shares,
    read_archive,
    read_database,
    read_ranges,
    read_tables,
)
from mediatool_assets.flows.load import Loaded, loaded
from mediatool_assets.flows.ports import DocumentStore, Target
from mediatool_assets.flows.rereading import reread


@dataclass(slots=True)
class Holding:
    """One table or collection in every store; ``problems`` by store, ``damage`` is a failure."""

    is_table: bool
    counts: dict[str, Figure] = field(default_factory=dict)
    fingerprints: dict[str, Figure] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    damage: str = ""
    seconds: float = 0

    def says(self, store: str, member: Member | None) -> None:
        """What a manifest says; nothing of a thing that it does not have."""
        self.counts[store] = member.rows if member is not None else 0
        fingerprint = member.fingerprint if member is not None else str(Fingerprint())
        self.fingerprints[store] = fingerprint

    def has(self, store: str, read: Read | None, problem: str = "") -> None:
        """What was read; a problem where it was not."""
        if read is not None and read.problem:
            self.damage = f"{store}: {read.problem}"
        if problem:
            self.problems[store] = problem
        known = read is not None and not read.problem and not problem
        found = read.fingerprint if read is not None else Fingerprint()
        self.counts[store] = found.count if known else None
        self.fingerprints[store] = str(found) if known else None
        self.seconds += read.seconds if read is not None else 0


@dataclass(slots=True)
class Evidence:
    """All of it. ``trusted`` is empty, or says why nothing can be said of documents' values."""

    round: Round
    metadata: Metadata
    archives: dict[ArchiveKind, Archive]
    schema: Schema
    resolution: Resolution
    plan: Plan
    distrust: str = ""
    raw: dict[str, Read] = field(default_factory=dict)
    kept: dict[ArchiveKind, dict[str, Read]] = field(default_factory=dict)
    collections: dict[str, Read] = field(default_factory=dict)
    live: Read = field(default_factory=Read)
    document_shares: list[tuple[str, int, DocumentShare]] = field(default_factory=list)
    marker: Loaded | None = None
    mongodb: tuple[Outcome, str] = ("passed", "")
    restored: dict[str, Fingerprint] | None = None
    restored_schema: Schema | None = None
    restoration: Marker | None = None
    postgres: tuple[Outcome, str] = ("passed", "")

    def raw_reader(self) -> ArchiveReader:
        """The raw archive; raises BadArchive where it could not be opened."""
        return _reader(self.archives["raw"])

    def tables(self) -> Iterable[Table]:
        """The tables that the raw archive has rows of, by name."""
        manifest = self.archives["raw"].manifest
        known = manifest.tables() if manifest is not None else {}
        return [table for table in self.schema.tables if table.name in known]

    def unread_raw(self, table: str) -> str:
        """Why the table's rows are not known; empty where they are."""
        raw = self.archives["raw"]
        if raw.reader is None:
            return raw.problem
        return self.raw[table].problem or "" if table in self.raw else ""

    def unread(self, table: str) -> str:
        """Why the table's rows and documents cannot be compared; empty where they can."""
        return self.unread_raw(table) or self.mongodb[1] or self.distrust

    def unresolved(self) -> dict[str, int] | None:
        """References that the transform could not resolve; None where that is not known."""
        reader = self.archives["transformed"].reader
        if reader is None or self.distrust:
            return None
        try:
            return accounting.unresolved(reader)
        except BadArchive:
            return None

    def orphaned(self) -> dict[str, int] | None:
        """Rows by table that the transform put into collections of orphans."""
        reader = self.archives["transformed"].reader
        if reader is None or self.distrust:
            return None
        try:
            return {
                table: homes.get("orphans", 0) for table, homes in accounting.homes(reader).items()
            }
        except BadArchive:
            return None

    def read_archives(self) -> None:
        """Read the raw archive whole, and of the others what the round's share asks for."""
        if (raw := self.archives["raw"].reader) is not None:
            self.raw = read_tables(self.round, raw, self.plan)
        for kind in ("transformed", "dump"):
            archive = self.archives[kind]
            if archive.manifest is not None:
                today = self.round.share.choose(archive.manifest.collections())
                self.kept[kind] = read_archive(self.round, _reader(archive), today)

    def read_documents(self, documents: DocumentStore | None) -> None:
        """Read the live database, if it is there and complete."""
        database = mongodb_database(self.round.version)
        if documents is None:
            self.mongodb = ("unknown", "MEDIATOOL_MONGODB_URL is not set")
            return
        try:
            self.marker = loaded(documents, self.round.version)
            if self.marker is None:
                there = documents.exists(database)
                said = "holds collections and no marker" if there else "is not there; restore it"
                self.mongodb = ("failed" if there else "unknown", f"{database} {said}")
                return
            sizes = {n: (rows, self.marker.bytes[n]) for n, rows in self.marker.documents.items()}
            self.document_shares = document_shares(
                self.round, documents, database, self.resolution.collections, self.plan, sizes
            )
            self.collections = read_database(self.round, self.document_shares)
            taken_apart = {collection.name for collection in self.resolution.collections}
            rest = {name: size for name, size in sizes.items() if name not in taken_apart}
            others = read_ranges(self.round, documents, database, rest)
            self.collections = {**self.collections, **others}
        except MediatoolError as error:
            self.mongodb = (outcome_of(error), str(error))
        for read in self.collections.values():
            self.live.add(read)

    def read_postgres(self, target: Target | None) -> None:
        """Read the restored database, if there is one."""
        database = postgres_database(self.round.version)
        if target is None:
            if self.metadata.databases_created.postgres is not None:
                self.postgres = ("unknown", "MEDIATOOL_RESTORE_POSTGRES_URL is not set")
            return
        if self.archives["raw"].reader is None:
            self.postgres = (
                "unknown",
                f"{database}: its archive cannot be read to compare it with",
            )
            return
        try:
            self.restoration = target.marker(database)
            if self.restoration is None:
                return
            with target.database(database, self.schema.name).snapshot() as snapshot:
                names = self.restoration.tables or {table.name for table in self.tables()}
                tables = [table for table in snapshot.schema.tables if table.name in names]
                self.restored_schema = snapshot.schema
                self.restored = reread(snapshot, self.round.executor, tables, self.round.progress)
        except MediatoolError as error:
            self.postgres = (outcome_of(error), str(error))

    def table_holdings(self) -> dict[str, Holding]:
        """Every table, store by store."""
        raw = self.archives["raw"]
        members = raw.manifest.tables() if raw.manifest is not None else {}
        counted = _counted(raw)
        found = {}
        for table in sorted({*members, *self.metadata.exports.raw.rows}):
            holding = found[table] = Holding(is_table=True)
            holding.counts["metadata"] = self.metadata.exports.raw.rows.get(table)
            if raw.manifest is None:
                holding.has("raw archive", None, raw.problem)
                continue
            holding.counts["source"] = counted.get(table)
            holding.says("raw manifest", members.get(table))
            empty = Read() if table in members else None
            holding.has("raw archive", self.raw.get(table, empty))
            self._restored(table, holding)
        return found

    def _restored(self, table: str, holding: Holding) -> None:
        """The restored database's part, where it holds the table or should."""
        if self.postgres[1]:
            holding.has("restored PostgreSQL", None, self.postgres[1])
        elif (
            self.restored is not None
            and self.restoration is not None
            and table in (self.restoration.tables or (table,))
        ):
            read = Read(fingerprint=self.restored.get(table, Fingerprint()))
            holding.has("restored PostgreSQL", read)

    def collection_holdings(self) -> dict[str, Holding]:
        """Every collection, store by store."""
        found: dict[str, Holding] = {}
        for name in sorted(self._collection_names()):
            holding = found[name] = Holding(is_table=False)
            self._kept("transformed", name, holding)
            if self.marker is not None:
                holding.counts["marker"] = self.marker.documents.get(name)
                holding.fingerprints["marker"] = self.marker.fingerprints.get(name)
            holding.has("MongoDB", self.collections.get(name), self.mongodb[1])
            self._kept("dump", name, holding)
        return found

    def _collection_names(self) -> Iterator[str]:
        yield from self.metadata.exports.transformed.documents
        yield from self.collections
        for kind in ("transformed", "dump"):
            manifest = self.archives[kind].manifest
            yield from manifest.collections() if manifest is not None else ()

    def _kept(self, kind: ArchiveKind, name: str, holding: Holding) -> None:
        """What an archive of documents says of a collection, and what was read of it."""
        archive = self.archives[kind]
        if archive.manifest is None:
            holding.has(f"{kind} archive", None, archive.problem)
            return
        holding.says(f"{kind} manifest", archive.manifest.collections().get(name))
        read = self.kept[kind].get(name)
        if read is not None:
            holding.has(f"{kind} archive", read)


def _counted(raw: Archive) -> dict[str, int]:
    """What PostgreSQL counted in the snapshot; nothing where the manifest does not say."""
    facts = raw.manifest.facts if raw.manifest is not None else {}
    try:
        return msgspec.convert(facts.get("counted", {}), dict[str, int])
    except msgspec.ValidationError:
        return {}


def _reader(archive: Archive) -> ArchiveReader:
    if archive.reader is None:
        raise BadArchive(f"the {archive.kind} archive", archive.problem)
    return archive.reader
