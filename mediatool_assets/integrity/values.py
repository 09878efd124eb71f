"""Lines about values: every document compared with the raw rows.

References that find no row, and rows that share a key.

Lines about live databases: indexes, structure, the restored database.
"""

from collections.abc import Callable, Iterator
from functools import partial

from mediatool_assets.core.authenticity import DailySample
from mediatool_assets.core.errors import DamagedInput, MediatoolError
from mediatool_assets.core.manifest import CollectionInfo
from mediatool_assets.core.metadata import Marker
from mediatool_assets.core.outcomes import Figure, Finding
from mediatool_assets.core.schema import Schema, Table, differing, in_its_order
from mediatool_assets.core.shapes import DocumentCollection, is_unique
from mediatool_assets.integrity.defects import (
    RESTORED,
    ReportContext,
    RowNames,
    document_defects,
    find_rows,
    keys_of,
    raw_lines,
)
from mediatool_assets.integrity.digest_join import KINDS, DigestJoin, Mismatch, counts_of
from mediatool_assets.integrity.expected_values import DELETED, RowLayout
from mediatool_assets.integrity.plan import (
    CheckedReference,
    CopiedField,
    Defect,
    Line,
    RowFinding,
    TableNeeds,
    compared,
    equal,
    percent_of,
    referenced,
)
from mediatool_assets.integrity.readers import RawShare, ShareResult, TableLines, read_exactly
from mediatool_assets.load.flow import holds, same_index
from mediatool_assets.stores.ports import DocumentStore, RestoreTarget
from mediatool_assets.verify import publish
from mediatool_assets.versions.records import metadata_of

_BY_VALUE = (
    "raw rows and documents read independently, each value by the rule of its type; matched by key"
)
JOINED = "joined over all rows of the raw archive"


def value_lines(context: ReportContext, join: DigestJoin) -> Iterator[Line]:
    """Every table's rows against those that the documents are made of."""
    for table, layout in context.plan.layouts.items():
        yield context.line(
            "values",
            table,
            f"every value of {table} in {context.documents.where}, {len(layout.names)} columns",
            _BY_VALUE,
            partial(_compared, context, join, layout),
            unknown=context.problem(table),
            seconds=context.raw.of(table).seconds,
        )


def _compared(context: ReportContext, join: DigestJoin, layout: RowLayout) -> Finding:
    table = layout.table.name
    found = join.mismatches(f"raw:{table}", f"docs:{table}", context.run.sample)
    figures: dict[str, Figure] = {
        "rows": context.raw.of(table).rows[table],
        "rows in documents": context.documents.all.rows[table],
        **{kind: found[kind].count for kind in KINDS},
    }
    defects = document_defects(context, layout, found)
    finding = compared(counts_of(found), defects)
    return RowFinding(finding.outcome, finding.reason, figures, defects)


def loss_lines(context: ReportContext) -> Iterator[Line]:
    """Check that exactly the values that BSON cannot hold were declared by the transform."""
    how = "counted by the rules of docs/reference/models.md, independently of the transform"
    if not context.run.sample.is_whole:
        return  # a sample does not count them all
    unknown, declared = context.raw.problem() or context.model_problem, {}
    try:
        declared = publish.losses(context.transformed.store.required())
    except DamagedInput as error:
        unknown = unknown or str(error)
    compared_here = {t for t, layout in context.plan.layouts.items() if not layout.folded}
    folded = context.plan.layouts.keys() - compared_here
    found = {
        column: dict(kinds)
        for table in compared_here
        for column, kinds in context.raw.of(table).lost.items()
    }
    if unknown or not (declared or found):
        judge = partial(Finding, "passed", "", {"lost": 0})
        said = "values that BSON cannot hold"
        yield context.line("losses", "all", said, how, judge, unknown=unknown)
        return
    tables = {f"{t.name}.{c.name}": t.name for t in context.raw.schema.tables for c in t.columns}
    for column in sorted(declared.keys() | found.keys()):
        if (table := tables.get(column, "")) not in folded:
            judge = partial(_lost, found.get(column, {}), declared.get(column, {}))
            said, unknown = "losses that are declared", context.raw.problem(table)
            yield context.line("losses", column, said, how, judge, unknown=unknown)


def _lost(found: dict[str, int], declared: dict[str, int]) -> Finding:
    same = found == declared
    reason = "" if same else f"counted {found}, and the transform declared {declared}"
    return Finding("passed" if same else "failed", reason, {**found})


def copy_lines(context: ReportContext, join: DigestJoin) -> Iterator[Line]:
    """Every field of documents that is copied, united or counted from other rows."""
    for copy in context.plan.copies:
        path = copy.added.path
        steps = (f"{', '.join(s.columns)}{'[]' * s.each} -> {s.table.name}" for s in path)
        tables = sorted({copy.owner.name, *(step.table.name for step in path)})
        yield context.line(
            "copies",
            copy.slot,
            f"{copy.added.verb.value} of {', '.join(steps)}",
            JOINED,
            partial(_copied, context, join, copy),
            unknown=context.problem(*tables),
        )


def _copied(context: ReportContext, join: DigestJoin, copy: CopiedField) -> Finding:
    total, different = join.copies(f"copies:{copy.slot}", copy.added, copy.owner)
    owner, count = copy.owner.name, different.count
    return RowFinding(
        "failed" if count else "passed",
        f"{count:,} documents differ from the rows of their path" if count else "",
        {"fields": total, "different": count},
        tuple(
            Defect("differs", context.documents.store.part, owner, key, field=copy.added.field)
            for key in keys_of(context, owner, different)
        ),
    )


def soft_delete_lines(context: ReportContext) -> Iterator[Line]:
    """Compare the number of rows flagged as deleted in raw rows and documents."""
    how = "flagged rows counted on both sides"
    for table, layout in context.plan.layouts.items():
        if DELETED in layout.names:
            judge = partial(_deleted, context, table)
            yield context.line("soft deletes", table, f"{table}.{DELETED}", how, judge)


def _deleted(context: ReportContext, table: str) -> Finding:
    raw, problem = context.raw.of(table), context.problem(table)
    part = context.documents.store.part
    held: dict[str, Figure] = {
        "raw": raw.deleted[table],
        part: None if problem else context.documents.all.deleted[table],
    }
    finding = equal(held, {part: problem})
    percent = percent_of(raw.deleted[table], raw.rows[table])
    figures = {**held, "rows": raw.rows[table], "deleted_percent": percent}
    return Finding(finding.outcome, finding.reason, figures)


def reference_lines(context: ReportContext, join: DigestJoin) -> Iterator[Line]:
    """Every foreign key, declared or in the model, with the number of references without a row."""
    for reference in context.plan.references:
        yield context.line(
            "references",
            str(reference),
            f"{'declared' if reference.declared else 'model'}: {reference.says}",
            JOINED,
            partial(_referenced, context, join, reference),
            unknown=context.raw.problem(reference.owner.name, reference.target.name),
        )


def _referenced(context: ReportContext, join: DigestJoin, reference: CheckedReference) -> Finding:
    expected, owner = _expected(context, reference), reference.owner.name
    total, orphans = join.orphans(
        reference.owner, reference.columns, reference.target, reference.keys, reference.each
    )
    finding = referenced(orphans.count, declared=reference.declared, expected=expected)
    return RowFinding(
        finding.outcome,
        finding.reason,
        {
            "references": total,
            "orphans": orphans.count,
            "orphans_percent": percent_of(orphans.count, total),
        },
        tuple(
            Defect("orphan", "raw", owner, key, ", ".join(reference.columns))
            for key in (keys_of(context, owner, orphans) if finding.outcome == "failed" else ())
        ),
    )


def _expected(context: ReportContext, reference: CheckedReference) -> int | None:
    """The number of orphans that the transform counted; None if it did not count them."""
    if reference.counted is None:
        return None
    fact, name = reference.counted
    transformed = context.transformed.store.required()
    if fact == "unresolved":
        return publish.unresolved(transformed).get(name, 0)
    return publish.homes(transformed).get(name, {}).get("orphans", 0)


def duplicate_lines(context: ReportContext, join: DigestJoin) -> Iterator[Line]:
    """Keys with more than one row: wrong if the database or model declares them unique."""
    plan = context.plan
    for layout in plan.layouts.values():
        if layout.key:
            table = layout.table.name
            judge = partial(join.repeated, table)
            yield _duplicates(context, table, layout.key, judge, "one row for each key")
    declared = [(t.name, keys) for t in context.raw.tables() for keys in t.unique_keys]
    looked_up = [
        (table.name, keys)
        for (_, keys), table in plan.looked_up.items()
        if not is_unique(table, keys) and keys != plan.layout(table.name).key
    ]
    for table, keys in dict.fromkeys((*looked_up, *declared)):
        promise = "declared unique" if (table, keys) in declared else ""
        yield _duplicates(context, table, keys, partial(join.duplicates, table, keys), promise)


def _duplicates(
    context: ReportContext,
    table: str,
    keys: tuple[str, ...],
    find: Callable[[], Mismatch],
    promise: str,
) -> Line:
    """Rows that share a key; a failure only if the database or model has a ``promise``."""

    def judge() -> Finding:
        found = find()
        failed = bool(promise) and found.count > 0
        return RowFinding(
            "failed" if failed else "passed",
            f"{found.count:,} rows share a key" if found.count else "",
            {"rows": context.raw.of(table).rows[table], "duplicates": found.count},
            tuple(
                Defect("duplicate", "raw", table, key, ", ".join(keys))
                for key in (keys_of(context, table, found) if failed else ())
            ),
        )

    name, unknown = f"{table}.{', '.join(keys)}", context.raw.problem(table)
    said = promise or "rows that a look-up's key cannot tell apart"
    return context.line("duplicates", name, said, JOINED, judge, unknown=unknown)


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
            judge = partial(_compared_database, context, target, name, join)
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


def _compared_database(
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
