"""The data-integrity report: compares all stores of a version, down to single values.

Reads every store of a version to its end, once.

Counts and fingerprints: every table and collection, compared between all stores.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from mediatool_assets.archive.reader import ArchiveReader, block_shares, sha256_of
from mediatool_assets.compare.row_digests import Masking
from mediatool_assets.core.authenticity import DailySample
from mediatool_assets.core.errors import BadArchive, BadModel, MediatoolError
from mediatool_assets.core.manifest import Block, Fingerprint, Member, undigested
from mediatool_assets.core.metadata import Metadata, SourceIdentity, instant, uncompressed_bytes
from mediatool_assets.core.metrics import HISTORY, ChartPoint
from mediatool_assets.core.model import Model
from mediatool_assets.core.outcomes import Figure, Finding, Outcome, worst
from mediatool_assets.core.resolution import Resolution, resolve
from mediatool_assets.core.schema import Schema, in_its_order
from mediatool_assets.core.setting_values import VersionArchive
from mediatool_assets.core.shapes import DocumentCollection, digest
from mediatool_assets.core.version import Version
from mediatool_assets.integrity.defects import (
    ReadArchive,
    ReadDocuments,
    ReportContext,
    RestoredRows,
    Workers,
)
from mediatool_assets.integrity.digest_join import DigestJoin
from mediatool_assets.integrity.plan import (
    OUTCOMES,
    Integrity,
    Line,
    ReportPlan,
    equal,
    ordered,
    plan,
)
from mediatool_assets.integrity.readers import (
    ArchiveCopy,
    ArchivedDocuments,
    DocumentShare,
    RawShare,
    ShareResult,
    TableLines,
    read_blocks,
    read_copy,
    read_documents,
    read_raw,
)
from mediatool_assets.integrity.values import (
    copy_lines,
    duplicate_lines,
    loss_lines,
    mongodb_lines,
    postgres_lines,
    reference_lines,
    soft_delete_lines,
    value_lines,
)
from mediatool_assets.restore.flow import reread
from mediatool_assets.stores.ports import DocumentStore, RestoreTarget, Stores
from mediatool_assets.verify.flow import (
    ArchiveReading,
    MongoReading,
    StoreReading,
    Verification,
    in_two_tries,
    open_archive,
    open_mongodb,
    open_postgres,
)
from mediatool_assets.versions import catalog
from mediatool_assets.versions.catalog import source_counts
from mediatool_assets.work import id_ranges, in_order
from mediatool_assets.work.scratch import Workspace


def read_stores(
    workers: Workers, stores: Stores, model: Model, masking: Masking | None
) -> ReportContext:
    """Read every store as far as possible; raises Misuse for a wrong setting."""
    run, documents, target = workers.run, stores.documents, stores.target
    mongodb = open_mongodb(run, documents)
    postgres = open_postgres(run, target)
    restored = RestoredRows(postgres) if postgres is not None else None
    raw = ReadArchive(_opened_unhashed(run, "raw"))
    opened = open_archive if mongodb is None else _opened_unhashed
    transformed = ReadArchive(opened(run, "transformed"))
    dump = ReadArchive(_opened_unhashed(run, "dump")) if "dump" in run.archives else None
    for archive in filter(None, (raw, transformed, dump)):
        _read_files(archive.store)
    resolution, asked, model_problem = _planned(raw, model)
    _read_tables(workers, raw, asked)
    if mongodb is None:
        found = _read_archived(workers, transformed, resolution.collections, asked)
    else:
        found = _read_live(workers, mongodb, documents, resolution.collections, asked)
    copies = (transformed if mongodb is not None else None, dump)
    _read_copies(workers, [archive for archive in copies if archive is not None])
    if target is not None and restored is not None:
        _read_restored(workers, restored, target, raw)
    manifest = transformed.store.manifest
    made_by = manifest.source.get("model") if manifest is not None else None
    return ReportContext(
        workers,
        masking,
        resolution,
        asked,
        model_problem,
        made_by not in (None, digest(model)),
        raw,
        transformed,
        dump,
        mongodb,
        found,
        restored,
    )


def _opened_unhashed(run: Verification, kind: VersionArchive) -> ArchiveReading:
    """An archive of which all bytes are read later; if it has a problem, they are read at once."""
    opened = open_archive(run, kind, hashed=False)
    return open_archive(run, kind) if opened.problems else opened


def _read_files(store: ArchiveReading) -> None:
    """The files of an archive that have no rows: DDL, schema, options and indexes."""
    reader = store.reader
    for member in reader.manifest.members if reader is not None else ():
        if reader is not None and member.fingerprint is None:
            try:
                reader.read_file(member.name)
            except BadArchive as error:
                store.add(error)


def _planned(raw: ReadArchive, model: Model) -> tuple[Resolution, ReportPlan, str]:
    """The plan; if the model does not fit, a plan of the tables alone and the reason."""
    resolution, problem = Resolution((), {}, ()), ""
    excluded: set[str] = set()
    if raw.store.reader is not None:
        try:
            raw.schema = raw.store.reader.schema()
            excluded = {exclusion.table for exclusion in raw.store.reader.manifest.exclusions}
            resolution = resolve(model, raw.schema, excluded)
        except BadArchive as error:
            raw.store.reader = None
            raw.store.add(error)
        except BadModel as error:
            problem = f"the model does not fit the schema: {error}"
    return resolution, plan(raw.schema, resolution, excluded), problem


def _read_tables(workers: Workers, raw: ReadArchive, asked: ReportPlan) -> None:
    """Read every table of the raw archive, for fingerprints and digests.

    Beside it, one worker compares the SHA-256 of the archive. If it differs, the tables are read
    again, each block with its digest, to name the damaged ones.
    """
    if raw.store.reader is None:
        return
    unhashed = [raw.store.reader.source] if raw.store.sha256 else []
    without_digests = bool(unhashed) or raw.store.agrees
    with in_order(workers.run.executor, sha256_of, unhashed) as digests:
        raw.read = _tables_of(workers, raw, asked, undigested if without_digests else tuple)
        try:
            for sha256 in digests:
                raw.store.expect(sha256)
        except MediatoolError as error:
            raw.store.reader = None
            raw.store.add(error)
            return
    if unhashed and not raw.store.agrees:
        raw.read = _tables_of(workers, raw, asked, tuple)


def _tables_of(
    workers: Workers,
    raw: ReadArchive,
    asked: ReportPlan,
    to_read: Callable[[Iterable[Block]], tuple[Block, ...]],
) -> dict[str, ShareResult]:
    source = ArchiveReader(raw.store.required().source)  # workers need no manifest
    shares = [
        (
            table,
            sum(block.rows for block in blocks),
            RawShare(
                TableLines(layout.table, source, to_read(blocks)),
                layout,
                asked.needs[table],
                workers.run.sample,
                workers.path(),
            ),
        )
        for table, member in raw.members.items()
        for layout in [asked.layout(table)]
        for blocks in block_shares(member.blocks)
    ]
    return workers.read("raw", read_raw, shares)


def _read_copies(workers: Workers, archives: Sequence[ReadArchive]) -> None:
    """Read the archives of documents that are compared by their fingerprints alone.

    Each is read by one worker, in one pass with its SHA-256; by blocks, each with its own digest,
    if it has another SHA-256, if that was compared before, or if the archive is sampled.
    """
    together = [archive for archive in archives if archive.store.sha256]
    shares = [
        ArchiveCopy(
            archive.store.required().source,
            {name: undigested(m.blocks) for name, m in archive.members.items() if m.blocks},
        )
        for archive in together
    ]
    with in_order(workers.run.executor, read_copy, shares) as results:
        for archive, (found, sha256) in zip(together, results, strict=True):
            archive.read = found
            if isinstance(sha256, MediatoolError):
                archive.store.reader = None
                archive.store.add(sha256)
            else:
                archive.store.expect(sha256)
            rows = sum(member.rows for member in archive.members.values())
            workers.run.progress(archive.store.part, rows, rows)
    for archive in archives:
        if not (archive.store.agrees and archive.read):
            _read_collections(workers, archive)


def _read_collections(workers: Workers, archive: ReadArchive) -> None:
    """Read today's sample of an archive's collections, for fingerprints."""
    if archive.store.reader is None:
        return
    source = ArchiveReader(archive.store.reader.source)
    shares = [
        (name, sum(b.rows for b in blocks), ArchivedDocuments(source, name, tuple(blocks)))
        for name in workers.run.sample.choose(archive.members)
        for blocks in block_shares(archive.members[name].blocks)
    ]
    archive.read = workers.read(archive.store.part, read_blocks, shares)


def _read_archived(
    workers: Workers,
    archive: ReadArchive,
    collections: Iterable[DocumentCollection],
    asked: ReportPlan,
) -> ReadDocuments:
    """Every document of the transformed archive, for fingerprints and taken apart."""
    found = ReadDocuments(archive.store)
    if archive.store.reader is None:
        return found
    source, explained = ArchiveReader(archive.store.reader.source), _by_name(collections)
    found.shares = [
        (
            name,
            sum(block.rows for block in blocks),
            DocumentShare(
                ArchivedDocuments(source, name, archive.store.to_read(blocks)),
                explained.get(name),
                asked.layouts,
                workers.run.sample,
                workers.path(),
            ),
        )
        for name, member in archive.members.items()
        for blocks in block_shares(member.blocks)
    ]
    found.read = archive.read = workers.read("transformed", read_documents, found.shares)
    for read in found.read.values():
        found.all.add(read)
    return found


def _by_name(collections: Iterable[DocumentCollection]) -> dict[str, DocumentCollection]:
    return {collection.name: collection for collection in collections}


def _read_live(
    workers: Workers,
    store: MongoReading,
    documents: DocumentStore | None,
    collections: Iterable[DocumentCollection],
    asked: ReportPlan,
) -> ReadDocuments:
    """Every document of the live database, for fingerprints and taken apart.

    Collections that the model does not explain are only fingerprinted.
    """
    run, live = workers.run, ReadDocuments(store)
    marker, database = store.marker, store.thing
    if marker is None or documents is None:
        return live
    explained = _by_name(collections)
    sizes = {name: (rows, marker.bytes[name]) for name, rows in marker.documents.items()}
    try:
        live.shares = [
            (
                name,
                rows // len(cut),
                DocumentShare(part, explained.get(name), asked.layouts, run.sample, workers.path()),
            )
            for name in explained | sizes
            for rows, size in [sizes.get(name, (0, 0))]
            for cut in [id_ranges(documents, database, name, rows, size)]
            for part in cut
        ]
        live.read = workers.read("mongodb", read_documents, live.shares)
    except MediatoolError as error:
        store.add(error)
    for read in live.read.values():
        live.all.add(read)
    return live


def _read_restored(
    workers: Workers, restored: RestoredRows, target: RestoreTarget, raw: ReadArchive
) -> None:
    """Read the restored database's tables, for fingerprints."""
    marker, database = restored.store.marker, restored.store.thing
    if marker is None:
        return
    if raw.store.reader is None:
        restored.store.add(
            "its archive cannot be read: there is nothing to compare it with", "unknown"
        )
        return
    names = marker.tables or {table.name for table in raw.tables()}

    def read() -> tuple[Schema, dict[str, Fingerprint]]:
        with target.database(database, raw.schema.name).snapshot() as snapshot:
            tables = [t for t in in_its_order(snapshot.schema, raw.schema) if t.name in names]
            found = reread(snapshot, workers.run.executor, tables, workers.run.progress)
            return snapshot.schema, found

    try:
        restored.schema, restored.read = in_two_tries(read)
    except MediatoolError as error:
        restored.store.add(error)


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


WHOLE_BYTES = 8_000_000_000
"""Bytes of raw JSON up to which all values are compared by default. A version of scale 1 has 0.9
GB, which takes two cores about a minute."""


def integrity(  # noqa: PLR0913  # what is read, by what it is judged, and how much of it
    stores: Stores,
    workspace: Workspace,
    version: Version,
    model: Model,
    *,
    sample: float | None = None,
    masking: Masking | None = None,
) -> Integrity:
    """Compare every store of a complete version with every other.

    Every row and document is read, counted, hashed and looked up by its key on the other side. For
    ``sample`` percent the values are compared too; the sample is chosen by the keys' digests and
    differs each day. Without ``sample`` all values are compared, up to ``WHOLE_BYTES``. The digest
    files in the scratch folder, which the caller removes, take some 30 bytes per row and side.

    What cannot be read is a line of the report. Values that may not be shown are hidden; with
    ``masking`` its rules decide how they are shown. Raises NotFound if the version is not complete,
    or was deleted meanwhile; Misuse for a wrong percentage or setting, Unreachable if the bucket
    does not answer.
    """
    began, objects = workspace.clock(), stores.objects
    metadata = catalog.read(objects, version)
    percent = _percent(sample, metadata)
    today = DailySample(percent, began.date())
    run = Verification(objects, workspace.executor, metadata, today, workspace.progress)
    earlier = catalog.versions_before(
        objects, version, HISTORY - 1, SourceIdentity.of(metadata.source)
    )
    context = read_stores(Workers(run, workspace.scratch), stores, model, masking)
    found = list(_lines(context, stores))
    outcomes = Counter(line.outcome for line in found)
    if worst(outcomes) != "passed":
        catalog.read(objects, version)  # raises NotFound if it was deleted meanwhile
    return Integrity(
        str(version),
        instant(began),
        round((workspace.clock() - began).total_seconds(), 3),
        worst(outcomes),
        None if today.is_whole else percent,
        {outcome: outcomes[outcome] for outcome in OUTCOMES},
        _figures(metadata, found),
        ordered(found),
        tuple(map(ChartPoint.of, (*earlier, metadata))),
    )


def _percent(sample: float | None, metadata: Metadata) -> float | None:
    size = uncompressed_bytes(metadata.exports.raw)
    if sample is not None or size <= WHOLE_BYTES:
        return sample
    return 100 * WHOLE_BYTES / size


def _figures(metadata: Metadata, found: list[Line]) -> dict[str, Figure]:
    """The summary figures of the report."""
    return {
        "tables": len(metadata.exports.raw.rows),
        "collections": len(metadata.exports.transformed.collections),
        "rows": metadata.exports.raw.record_count,
        "documents": sum(metadata.exports.transformed.documents.values()),
        "orphans": sum(int(line.figures.get("orphans") or 0) for line in found),
        "defects": sum(len(line.defects) for line in found),
    }


def _lines(context: ReportContext, stores: Stores) -> Iterator[Line]:
    yield from _store_lines(context)
    yield from agreement_lines(context)
    with DigestJoin.opened(context.workers.scratch, context.plan) as join:
        join.add_all(context.raw.read, context.documents.all)
        yield from value_lines(context, join)
        yield from copy_lines(context, join)
        yield from reference_lines(context, join)
        yield from duplicate_lines(context, join)
        yield from postgres_lines(context, stores.target, join)
    yield from loss_lines(context)
    yield from soft_delete_lines(context)
    yield from mongodb_lines(context, stores.documents)


def _store_lines(context: ReportContext) -> Iterator[Line]:
    """Check that each store can be read, and is the one that the metadata describes."""
    how = "opened; size and, unless sampled, SHA-256 compared with the metadata"
    archives = (context.raw, context.transformed, context.dump)
    for archive in filter(None, archives):
        yield _store_line(context, archive.store, f"the {archive.store.part} archive", how)
    if context.model_problem:
        judge, said = (
            partial(Finding, "unknown", context.model_problem),
            "the model of the documents",
        )
        yield context.line("stores", "model", said, "compared with the schema", judge)
    if context.mongodb is not None:
        yield _store_line(context, context.mongodb, "the live database", "its marker read")
    if context.restored is not None and context.restored.store.status != "absent":
        store = context.restored.store
        yield _store_line(context, store, "the restored database", "its marker read")


def _store_line(context: ReportContext, store: StoreReading, said: str, how: str) -> Line:
    outcome: Outcome = "unknown" if store.status == "absent" else store.status
    judge = partial(Finding, outcome, store.problem)
    return context.line("stores", store.part, said, how, judge)
