"""Reads every store of a version to its end, once."""

from collections.abc import Callable, Iterable, Sequence

from mediatool_assets.archive.grouping import block_shares
from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.archive.streaming import sha256_of
from mediatool_assets.domain.errors import BadArchive, BadModel, MediatoolError
from mediatool_assets.domain.fingerprint import Fingerprint
from mediatool_assets.domain.manifest import Block, undigested
from mediatool_assets.domain.model import Model
from mediatool_assets.domain.model_digest import digest
from mediatool_assets.domain.resolution import Resolution, resolve
from mediatool_assets.domain.schema import Schema
from mediatool_assets.domain.shapes import DocumentCollection
from mediatool_assets.domain.structure import in_its_order
from mediatool_assets.domain.targets import VersionArchive
from mediatool_assets.flows.compare.masking import Masking
from mediatool_assets.flows.integrity.context import (
    ReadArchive,
    ReadDocuments,
    ReportContext,
    RestoredRows,
    Workers,
)
from mediatool_assets.flows.integrity.plan import ReportPlan, plan
from mediatool_assets.flows.integrity.readers import (
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
from mediatool_assets.flows.ports import DocumentStore, RestoreTarget, Stores
from mediatool_assets.flows.restore.rereading import reread
from mediatool_assets.flows.verify.stores import (
    ArchiveReading,
    MongoReading,
    Verification,
    in_two_tries,
    open_archive,
    open_mongodb,
    open_postgres,
)
from mediatool_assets.flows.workers.id_ranges import id_ranges
from mediatool_assets.flows.workers.ordered_results import in_order


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
