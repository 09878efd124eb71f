"""Lines about live databases: indexes, structure, the restored database."""

from collections.abc import Iterator
from functools import partial

from mediatool_assets.domain.collection import CollectionInfo
from mediatool_assets.domain.errors import MediatoolError
from mediatool_assets.domain.integrity import Line, RowFinding, compared
from mediatool_assets.domain.outcome import Figure, Finding
from mediatool_assets.domain.restore_record import Marker
from mediatool_assets.domain.sampling import DailySample
from mediatool_assets.domain.schema import Schema, Table
from mediatool_assets.domain.shapes import DocumentCollection
from mediatool_assets.domain.structure import differing, in_its_order
from mediatool_assets.flows.integrity.context import RESTORED, ReportContext
from mediatool_assets.flows.integrity.defects import RowNames, find_rows, raw_lines
from mediatool_assets.flows.integrity.digest_join import KINDS, DigestJoin, counts_of
from mediatool_assets.flows.integrity.readers import (
    RawShare,
    ShareResult,
    TableLines,
    read_exactly,
)
from mediatool_assets.flows.integrity.row_layout import RowLayout
from mediatool_assets.flows.integrity.table_needs import TableNeeds
from mediatool_assets.flows.load import holds, same_index
from mediatool_assets.flows.ports import DocumentStore, RestoreTarget
from mediatool_assets.flows.versions.collection_metadata import metadata_of

_LISTED = "as the server lists them"
_MATCHED = "both read as lines of JSON, matched by key, compared byte by byte"


def mongodb_lines(context: ReportContext, documents: DocumentStore | None) -> Iterator[Line]:
    """The live collections: all of them, no other, each with its indexes and its validator."""
    store = context.mongodb
    if documents is None or store is None or store.problems:
        return  # the line of the store says so, if the version has a database
    try:
        live = {c.name: c for c in documents.collections(store.thing)}
        problem = context.raw.problem() or context.model_problem
    except MediatoolError as error:
        live, problem = {}, str(error)
    wanted = {collection.name: collection for collection in context.resolution.collections}
    odd = ", ".join(sorted(live.keys() ^ wanted.keys()))
    yield context.line(
        "structure",
        "mongodb",
        "the collections of the model, and no other",
        _LISTED,
        partial(
            _agrees, odd, f"only in the model or only in the database: {odd}", collections=len(live)
        ),
        unknown=problem,
    )
    for name, collection in {} if problem else wanted.items():
        info = live.get(name, CollectionInfo(name, {}, ()))
        said, judge = "the model's indexes in MongoDB", partial(_indexes, collection, info)
        yield context.line("indexes", name, said, _LISTED, judge)
        if name in context.transformed.members or context.transformed.store.reader is None:
            said, judge = "validator and options in MongoDB", partial(_options, context, info)
            yield context.line("structure", name, said, _LISTED, judge)


def _agrees(wrong: object, reason: str, **figures: Figure) -> Finding:
    """Passed if nothing is ``wrong``, else failed for the ``reason``."""
    return Finding("failed", reason, figures) if wrong else Finding("passed", "", figures)


def _indexes(collection: DocumentCollection, live: CollectionInfo) -> Finding:
    """Check the indexes that the model declares, and the one of ``_id``."""
    declared: dict[str, dict[str, object]] = {
        ", ".join(f"{field}: {kind}" for field, kind in index.keys): {
            "key": dict(index.keys),
            **index.options,
        }
        for index in collection.indexes
    }
    declared["_id: 1"] = {"key": {"_id": 1}}
    missing = [
        name
        for name, asked in declared.items()
        if not any(same_index(index, asked) for index in live.indexes)
    ]
    others = max(0, len(live.indexes) - len(declared) + len(missing))
    reason = f"missing: {'; '.join(missing)}"
    return _agrees(missing, reason, declared=len(declared), others=others)


def _options(context: ReportContext, live: CollectionInfo) -> Finding:
    """Check the collection's validator and options against the transformed archive."""
    reader = context.transformed.store.required()
    member = reader.manifest.collections()[live.name]
    kept = holds(live.options, metadata_of(reader, live.name, member).options)
    return _agrees(not kept, "they differ from the transformed archive")


def postgres_lines(
    context: ReportContext, target: RestoreTarget | None, join: DigestJoin
) -> Iterator[Line]:
    """The restored database: structure, indexes, and the keys of rows that differ."""
    restored = context.restored
    if target is None or restored is None or restored.schema is None or restored.read is None:
        return
    marker = restored.store.marker
    if marker is None:
        return
    said = "enums, sequences and views as in schema.json"
    try:
        odd = _odd(context, target, restored.schema, marker)
    except MediatoolError as error:
        judge = partial(Finding, "unknown", str(error))
        yield context.line("structure", "restored PostgreSQL", said, _LISTED, judge)
        return
    found = {table.name: table for table in restored.schema.tables}
    tables = context.raw.tables()
    for table in tables:
        yield from _table(context, table, found.get(table.name), is_odd=table.name in odd)
    rest = ", ".join(sorted(odd - {table.name for table in tables}))
    judge = partial(_agrees, rest, f"not as in schema.json: {rest}")
    yield context.line("structure", "restored PostgreSQL", said, _LISTED, judge)
    members = context.raw.members
    for name, fingerprint in restored.read.items():
        if str(fingerprint) != members[name].fingerprint:
            said = "every value of the restored PostgreSQL, as the export reads it"
            judge = partial(_compared, context, target, name, join)
            yield context.line("values", name + RESTORED, said, _MATCHED, judge)


def _odd(context: ReportContext, target: RestoreTarget, found: Schema, marker: Marker) -> set[str]:
    """Return what differs from ``schema.json``; raises if the server cannot be queried."""
    server = str(target.facts().get("server_version")).split(".")[0]
    source = context.raw.store.required().manifest.source
    texts = str(source.get("server_version")).split(".")[0] == server
    return set(differing(context.raw.schema, found, left_out=marker.left_out, texts=texts))


def _table(
    context: ReportContext, wanted: Table, found: Table | None, *, is_odd: bool
) -> Iterator[Line]:
    """Check a restored table's columns, keys and indexes."""
    indexes = {index.name for index in wanted.indexes}
    there = {index.name for index in found.indexes} if found is not None else set()
    missing = ", ".join(sorted(indexes - there))
    yield context.line(
        "indexes",
        wanted.name + RESTORED,
        "the source's indexes in the restored PostgreSQL",
        _LISTED,
        partial(
            _agrees,
            missing,
            f"missing: {missing}",
            declared=len(indexes),
            others=len(there - indexes),
        ),
    )
    columns = {column.name for column in wanted.columns}
    has = {column.name for column in found.columns} if found is not None else set()
    reason = f"not as in schema.json; missing columns: {', '.join(sorted(columns - has)) or 'none'}"
    yield context.line(
        "structure",
        wanted.name + RESTORED,
        "columns, keys and indexes of the restored PostgreSQL",
        _LISTED,
        partial(_agrees, is_odd, reason, columns=len(columns)),
    )


def _compared(
    context: ReportContext, target: RestoreTarget, name: str, join: DigestJoin
) -> Finding:
    """A table whose fingerprint differs, row by row."""
    layout = context.plan.layout(name)
    database = target.database_names.in_postgres(context.run.version)
    with target.database(database, context.raw.schema.name).snapshot() as snapshot:
        tables = {table.name: table for table in in_its_order(snapshot.schema, context.raw.schema)}
        table = tables[name]
        if [c.name for c in table.columns] != [c.name for c in layout.table.columns]:
            return Finding("failed", "its columns are not the archive's: see its structure")
        every = tuple((column.name, None) for column in layout.table.columns)
        layout = RowLayout(layout.table, every, layout.key)
        ours = raw_lines(context.raw.store.required(), layout.table)
        theirs = [
            TableLines(table, reader=snapshot.reader, chunk=c) for c in snapshot.chunks(table)
        ]
        for side, lines in (("archive", ours), ("restored", theirs)):
            _write_digests(context, join, f"{side}:{name}", layout, lines)
        everything = DailySample(None, context.run.version.day)
        found = join.mismatches(f"archive:{name}", f"restored:{name}", everything)
        named = [find_rows(context, lines, layout, found.values()) for lines in (ours, theirs)]
        defects = RowNames(layout, context.masking).defects("postgres", found, *named)
    finding = compared(counts_of(found), defects)
    figures: dict[str, Figure] = {kind: found[kind].count for kind in KINDS}
    return RowFinding(finding.outcome, finding.reason, figures, defects)


def _write_digests(
    context: ReportContext, join: DigestJoin, name: str, layout: RowLayout, lines: list[TableLines]
) -> None:
    """Write the key and the whole line of every row, as one side of a join."""
    workers = context.workers
    shares = [
        (name, 0, RawShare(some, layout, TableNeeds(), context.run.sample, workers.path()))
        for some in lines
    ]
    read = workers.read(name, read_exactly, shares).get(name, ShareResult())
    join.add(name, [path for _, path in read.files])
