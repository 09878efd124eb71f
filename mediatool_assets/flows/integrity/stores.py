"""The stores of one version, each read to its end once; what cannot be is told, not raised."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal, TypeVar

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain.errors import MediatoolError
from mediatool_assets.domain.manifest import Manifest
from mediatool_assets.domain.metadata import DumpExport, RawExport, TransformedExport
from mediatool_assets.domain.outcome import Outcome, outcome_of
from mediatool_assets.domain.sampling import DailySample
from mediatool_assets.domain.shapes import DocumentCollection
from mediatool_assets.domain.version import Version
from mediatool_assets.flows import archives
from mediatool_assets.flows.compare.masking import Masking
from mediatool_assets.flows.complete import sha256_of
from mediatool_assets.flows.integrity.plan import Plan
from mediatool_assets.flows.integrity.reading import (
    BlockShare,
    DocumentShare,
    Lines,
    RawShare,
    Read,
    read_blocks,
    read_documents,
    read_range,
    read_raw,
)
from mediatool_assets.flows.ports import DocumentStore, ObjectStore, Progress
from mediatool_assets.flows.ranges import ranges
from mediatool_assets.flows.tasks import in_order

ArchiveKind = Literal["raw", "transformed", "dump"]
Work = TypeVar("Work")


@dataclass(frozen=True, slots=True)
class Round:
    """One report on one version: who reads, where sheets go, and today's share of the values."""

    objects: ObjectStore
    executor: Executor
    version: Version
    scratch: Path
    share: DailySample
    progress: Progress
    masking: Masking | None = None
    numbers: Iterator[int] = field(default_factory=count)

    def path(self) -> Path:
        """A new name for a sheet."""
        return self.scratch / f"{next(self.numbers):06}"

    def read(
        self, step: str, work: Callable[[Work], Read], shares: Sequence[tuple[str, int, Work]]
    ) -> dict[str, Read]:
        """What all shares of each thing came to; ``(thing, rows, share)`` each."""
        found: dict[str, Read] = {}
        done, total = 0, sum(rows for _, rows, _ in shares)
        with in_order(self.executor, work, [share for _, _, share in shares]) as results:
            for (thing, rows, _), read in zip(shares, results, strict=True):
                found.setdefault(thing, Read()).add(read)
                done += rows
                self.progress(step, done, total)
        return found


@dataclass(slots=True)
class Archive:
    """An archive of the version, or the problem that it has."""

    kind: ArchiveKind
    reader: ArchiveReader | None = None
    outcome: Outcome = "passed"
    problem: str = ""

    @property
    def manifest(self) -> Manifest | None:
        """What it says that it holds; None where it cannot be read."""
        return self.reader.manifest if self.reader is not None else None


def opened(
    of: Round, kind: ArchiveKind, published: RawExport | TransformedExport | DumpExport
) -> Archive:
    """An archive, held against its metadata: its size and, unless it is sampled, SHA-256."""
    try:
        reader = archives.reader(of.objects, kind, of.version)
        _ = reader.manifest
        if reader.source.size != published.size_bytes:
            said = f"it has {reader.source.size} bytes, its metadata says {published.size_bytes}"
            return Archive(kind, reader, "failed", said)
        if of.share.is_whole:
            with in_order(of.executor, sha256_of, [reader.source]) as digests:
                if next(digests) != published.sha256:
                    said = "it does not have the SHA-256 that its metadata gives"
                    return Archive(kind, reader, "failed", said)
    except MediatoolError as error:
        return Archive(kind, None, outcome_of(error), str(error))
    return Archive(kind, reader)


def read_tables(of: Round, archive: ArchiveReader, plan: Plan) -> dict[str, Read]:
    """Every table of the raw archive, for fingerprints and as digests."""
    source = ArchiveReader(archive.source)  # workers need no manifest
    shares = [
        (
            table,
            sum(block.rows for block in blocks),
            RawShare(
                Lines(home.table, source, tuple(blocks)),
                home,
                plan.needs[table],
                of.share,
                of.path(),
            ),
        )
        for table, member in archive.manifest.tables().items()
        for home in [plan.home(table)]
        for blocks in archives.shares(member.blocks)
    ]
    return of.read("raw", read_raw, shares)


def read_archive(of: Round, archive: ArchiveReader, names: Iterable[str]) -> dict[str, Read]:
    """The fingerprints of these collections of an archive."""
    source, members = ArchiveReader(archive.source), archive.manifest.collections()
    shares = [
        (name, sum(b.rows for b in blocks), BlockShare(source, name, tuple(blocks)))
        for name in names
        for blocks in archives.shares(members[name].blocks)
    ]
    return of.read(archive.manifest.kind, read_blocks, shares)


def document_shares(  # noqa: PLR0913, PLR0917  # a database, and how it is taken apart
    of: Round,
    documents: DocumentStore,
    database: str,
    collections: Iterable[DocumentCollection],
    plan: Plan,
    sizes: Mapping[str, tuple[int, int]],
) -> list[tuple[str, int, DocumentShare]]:
    """Live collections in ranges; ``sizes`` are rows and bytes to be expected of each."""
    return [
        (
            collection.name,
            rows // max(1, len(cut)),
            DocumentShare(part, collection, plan.homes, of.share, of.path()),
        )
        for collection in collections
        for rows, size in [sizes.get(collection.name, (0, 0))]
        for cut in [ranges(documents, database, collection.name, rows, size)]
        for part in cut
    ]


def read_ranges(
    of: Round, documents: DocumentStore, database: str, sizes: Mapping[str, tuple[int, int]]
) -> dict[str, Read]:
    """The fingerprints of live collections of which no model says what they are made of."""
    shares = [
        (name, 0, part)
        for name, (rows, size) in sizes.items()
        for part in ranges(documents, database, name, rows, size)
    ]
    return of.read("mongodb", read_range, shares)


def read_database(of: Round, shares: Sequence[tuple[str, int, DocumentShare]]) -> dict[str, Read]:
    """Every document of the live collections, for fingerprints and taken apart."""
    return of.read("mongodb", read_documents, shares)
