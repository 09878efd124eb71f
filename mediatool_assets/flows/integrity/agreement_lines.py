"""Counts and fingerprints: every table and collection, compared between all stores."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from mediatool_assets.domain.errors import BadArchive
from mediatool_assets.domain.fingerprint import Fingerprint
from mediatool_assets.domain.integrity import Line, equal
from mediatool_assets.domain.manifest import Member
from mediatool_assets.domain.outcome import Figure, Finding
from mediatool_assets.flows.integrity.context import ReadArchive, ReportContext
from mediatool_assets.flows.integrity.readers import ShareResult
from mediatool_assets.flows.versions.source_counts import source_counts

_COUNTED = "every row or document of every store counted, and compared with its own record"
_HASHED = "every row or document of every store read, hashed (XXH3-128) and summed"


@dataclass(slots=True)
class StoreContents:
    """The rows of one table or collection in each store.

    ``problems`` says why a store's figures are unknown; ``damage`` is a failure.
    """

    counts: dict[str, Figure] = field(default_factory=dict)
    fingerprints: dict[str, Figure] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    damage: str = ""
    seconds: float = 0

    def declare(self, store: str, member: Member | None) -> None:
        """Add the figures of a manifest; nothing if it lacks the table or collection."""
        self.counts[store] = member.rows if member is not None else 0
        self.fingerprints[store] = member.fingerprint if member is not None else str(Fingerprint())

    def add(self, store: str, read: ShareResult | None, problem: str = "") -> None:
        """Add the figures that were read, or the problem that prevented it."""
        known = read is not None and not read.problem and not problem
        self.counts[store] = read.fingerprint.count if read is not None and known else None
        self.fingerprints[store] = str(read.fingerprint) if read is not None and known else None
        if problem:
            self.problems[store] = problem
        if read is not None:
            self.seconds += read.seconds
            if read.problem:
                self.damage = f"{store}: {read.problem}"

    def judge(self, held: dict[str, Figure]) -> Finding:
        """Check that all stores hold the same rows."""
        finding = Finding("failed", self.damage) if self.damage else equal(held, self.problems)
        return Finding(finding.outcome, finding.reason, held)


def agreement_lines(context: ReportContext) -> Iterator[Line]:
    """Rows of every table and documents of every collection, store by store."""
    for what, things in (("rows", _tables(context)), ("documents", _collections(context))):
        for thing, held in things:
            judge, seconds = partial(held.judge, held.counts), held.seconds
            said = f"{what}: as many in every store"
            yield context.line("counts", thing, said, _COUNTED, judge, seconds=seconds)
            judge = partial(held.judge, held.fingerprints)
            said = f"{what}: the same"
            yield context.line("fingerprints", thing, said, _HASHED, judge, seconds=seconds)


def _tables(context: ReportContext) -> Iterator[tuple[str, StoreContents]]:
    raw, restored, published = context.raw, context.restored, context.run.metadata.exports.raw.rows
    counted, uncounted = dict[str, int](), ""
    try:
        counted = source_counts(raw.store.reader) if raw.store.reader is not None else {}
    except BadArchive as error:
        uncounted = str(error)
    for table in sorted({*raw.members, *published}):
        holdings = StoreContents({"metadata": published.get(table)})
        if raw.store.reader is None:
            holdings.add("raw archive", None, raw.store.problem)
        else:
            holdings.counts["source"] = counted.get(table)
            if uncounted:
                holdings.problems["source"] = uncounted
            holdings.declare("raw manifest", raw.members.get(table))
            holdings.add("raw archive", raw.of(table) if table in raw.members else None)
        if restored is not None and restored.store.status != "absent":
            marker, read = restored.store.marker, restored.read or {}
            if restored.store.problems:
                holdings.add("restored PostgreSQL", None, restored.store.problem)
            elif marker is not None and table in (marker.tables or (table,)):
                found = read.get(table, Fingerprint())
                holdings.add("restored PostgreSQL", ShareResult(fingerprint=found))
        yield table, holdings


def _collections(context: ReportContext) -> Iterator[tuple[str, StoreContents]]:
    dump, mongodb, read = context.dump, context.mongodb, context.documents.read
    published = context.run.metadata.exports.transformed.documents
    dumped = dump.members if dump is not None else {}
    for name in sorted({*published, *read, *context.transformed.members, *dumped}):
        holdings = StoreContents() if mongodb else StoreContents({"metadata": published.get(name)})
        _archived(context.transformed, name, holdings)
        if mongodb is not None:
            if (marker := mongodb.marker) is not None:
                holdings.counts["marker"] = marker.documents.get(name)
                holdings.fingerprints["marker"] = marker.fingerprints.get(name)
            holdings.add("MongoDB", read.get(name), mongodb.problem)
        if dump is not None:
            _archived(dump, name, holdings)
        yield name, holdings


def _archived(archive: ReadArchive, name: str, holdings: StoreContents) -> None:
    """Add a collection's figures in an archive: those of its manifest, and those read."""
    kind = archive.store.part
    if archive.store.reader is None:
        holdings.add(f"{kind} archive", None, archive.store.problem)
        return
    holdings.declare(f"{kind} manifest", archive.members.get(name))
    if (read := archive.read.get(name)) is not None:
        holdings.add(f"{kind} archive", read)
