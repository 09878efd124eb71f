"""Live databases beyond their rows: indexes, structure, and what a restored one has wrong."""

from collections.abc import Iterator
from time import monotonic

from mediatool_assets.domain.collection import CollectionInfo
from mediatool_assets.domain.errors import MediatoolError
from mediatool_assets.domain.integrity import Defect, Line, compared
from mediatool_assets.domain.keys import mongodb_database, postgres_database
from mediatool_assets.domain.outcome import Figure, Outcome, outcome_of
from mediatool_assets.domain.sampling import DailySample
from mediatool_assets.domain.schema import Table
from mediatool_assets.domain.shapes import DocumentCollection
from mediatool_assets.domain.structure import differing
from mediatool_assets.flows.integrity import naming
from mediatool_assets.flows.integrity.evidence import Evidence
from mediatool_assets.flows.integrity.homes import Home
from mediatool_assets.flows.integrity.ledger import KINDS, Kind, Ledger, Odd, counts_of
from mediatool_assets.flows.integrity.reading import Lines, Need, RawShare, Read, read_exactly
from mediatool_assets.flows.load import holds, metadata_of, same_index
from mediatool_assets.flows.ports import DocumentStore, Snapshot, Target
from mediatool_assets.flows.tasks import in_order

RESTORED = " in PostgreSQL"
"""What the name of a line ends with that is of a restored table."""

_ASKED = "as mongod and PostgreSQL list them"


def mongodb(of: Evidence, documents: DocumentStore | None) -> Iterator[Line]:
    """The live collections: all of them, no other, each with its indexes and its validator."""
    if documents is None or of.mongodb[1]:
        return  # said by the line of the store
    try:
        live = {c.name: c for c in documents.collections(mongodb_database(of.round.version))}
    except MediatoolError as error:
        outcome = outcome_of(error)
        yield Line("structure", "mongodb", "collections", _ASKED, outcome, str(error))
        return
    wanted = {collection.name for collection in of.resolution.collections}
    odd = sorted(live.keys() ^ wanted) if not of.distrust else []
    yield Line(
        "structure",
        "mongodb",
        "the collections of the model, and no other",
        _ASKED,
        "failed" if odd else "passed",
        f"in one of model and database only: {', '.join(odd)}" if odd else "",
        {"collections": len(live)},
    )
    for collection in of.resolution.collections if not of.distrust else ():
        info = live.get(collection.name, CollectionInfo(collection.name, {}, ()))
        yield _indexes(collection, info)
        yield from _options(of, info)


def _indexes(collection: DocumentCollection, live: CollectionInfo) -> Line:
    """The indexes that the model declares, and that of ``_id``."""
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
    more = max(0, len(live.indexes) - len(declared) + len(missing))
    figures: dict[str, Figure] = {"declared": len(declared), "others": more}
    reason = f"missing: {'; '.join(missing)}" if missing else ""
    outcome: Outcome = "failed" if missing else "passed"
    return Line(
        "indexes",
        collection.name,
        "the model's indexes in MongoDB",
        _ASKED,
        outcome,
        reason,
        figures,
    )


def _options(of: Evidence, live: CollectionInfo) -> Iterator[Line]:
    """The collection's validator and other options, as the transformed archive asks for them."""
    reader = of.archives["transformed"].reader
    member = reader.manifest.collections().get(live.name) if reader is not None else None
    if reader is None or member is None:
        return
    try:
        kept = holds(live.options, metadata_of(reader, live.name, member).options)
    except MediatoolError as error:
        said = "validator and options in MongoDB"
        yield Line("structure", live.name, said, _ASKED, outcome_of(error), str(error))
        return
    yield Line(
        "structure",
        live.name,
        "validator and options in MongoDB",
        _ASKED,
        "passed" if kept else "failed",
        "" if kept else "not as the transformed archive asks for them",
    )


def postgres(of: Evidence, target: Target | None, ledger: Ledger) -> Iterator[Line]:
    """The restored database: structure, indexes, and by name the rows that are others."""
    found, marker = of.restored_schema, of.restoration
    if target is None or found is None or marker is None or of.restored is None:
        return
    tables = {table.name: table for table in found.tables}
    server = str(target.facts().get("server_version")).split(".")[0]
    manifest = of.raw_reader().manifest
    texts = str(manifest.source.get("server_version")).split(".")[0] == server
    odd = set(differing(of.schema, found, left_out=marker.left_out, texts=texts))
    for table in of.tables():
        yield from _table(table, tables.get(table.name), is_odd=table.name in odd)
    rest = sorted(odd - {table.name for table in of.tables()})
    yield Line(
        "structure",
        "restored PostgreSQL",
        "enums, sequences and views as in schema.json",
        _ASKED,
        "failed" if rest else "passed",
        f"not as in schema.json: {', '.join(rest)}" if rest else "",
    )
    yield from _rows(of, target, ledger)


def _table(wanted: Table, found: Table | None, *, is_odd: bool) -> Iterator[Line]:
    """A restored table's indexes, and its columns and keys."""
    indexes = {index.name for index in wanted.indexes}
    there = {index.name for index in found.indexes} if found is not None else set()
    missing = sorted(indexes - there)
    yield Line(
        "indexes",
        _restored(wanted.name),
        "the source's indexes in the restored PostgreSQL",
        _ASKED,
        "failed" if missing else "passed",
        f"missing: {', '.join(missing)}" if missing else "",
        {"declared": len(indexes), "others": len(there - indexes)},
    )
    columns = {column.name for column in wanted.columns}
    has = {column.name for column in found.columns} if found is not None else set()
    reason = f"not as in schema.json; missing columns: {', '.join(sorted(columns - has)) or 'none'}"
    yield Line(
        "structure",
        _restored(wanted.name),
        "columns, keys and indexes of the restored PostgreSQL",
        _ASKED,
        "failed" if is_odd else "passed",
        reason if is_odd else "",
        {"columns": len(columns)},
    )


def _restored(table: str) -> str:
    return table + RESTORED


def _rows(of: Evidence, target: Target, ledger: Ledger) -> Iterator[Line]:
    """Tables whose fingerprints differ, row by row."""
    members = of.raw_reader().manifest.tables()
    restored = of.restored or {}
    differ = [t for t, found in restored.items() if str(found) != members[t].fingerprint]
    said = "every value of the restored PostgreSQL, as the export reads it"
    if not differ:
        return  # the fingerprints say so already
    name = postgres_database(of.round.version)
    with target.database(name, of.schema.name).snapshot() as snapshot:
        for table in differ:
            began, home = monotonic(), of.plan.home(table)
            wanted, found = snapshot.schema.table(table), home.table
            if {c.name for c in wanted.columns} != {c.name for c in found.columns}:
                reason = "its columns are not the archive's: see the line of its structure"
                yield Line("values", _restored(table), said, _ASKED, "failed", reason)
                continue
            odd, defects = _compared(of, snapshot, wanted, ledger)
            finding = compared(counts_of(odd), defects)
            outcome, reason = finding.outcome, finding.reason
            figures: dict[str, Figure] = {kind: odd[kind].count for kind in KINDS}
            seconds = round(monotonic() - began, 3)
            how = "both read as lines of JSON, matched by key, compared byte by byte"
            yield Line(
                "values", _restored(table), said, how, outcome, reason, figures, seconds, defects
            )


def _compared(
    of: Evidence, snapshot: Snapshot, table: Table, ledger: Ledger
) -> tuple[dict[Kind, Odd], tuple[Defect, ...]]:
    home = of.plan.home(table.name)
    whole = Home(home.table, tuple((c.name, None) for c in home.table.columns), home.key)
    ours = naming.lines_of(of.raw_reader(), home.table)
    theirs = [Lines(table, reader=snapshot.reader, chunk=chunk) for chunk in snapshot.chunks(table)]
    for side, lines in (("archive", ours), ("restored", theirs)):
        shares = [RawShare(s, whole, Need(), of.round.share, of.round.path()) for s in lines]
        read = Read()
        with in_order(of.round.executor, read_exactly, shares) as results:
            for result in results:
                read.add(result)
        ledger.bring(f"{side}:{table.name}", [path for _, path in read.files], ROW_COLUMNS)
    everything = DailySample(None, of.round.version.day)
    odd = ledger.odd_rows(f"archive:{table.name}", f"restored:{table.name}", everything)
    wanted = naming.wanted(odd.values())
    executor = of.round.executor
    defects = naming.Names(whole, of.round.masking).defects(
        "postgres",
        odd,
        naming.rows_of(executor, ours, whole, wanted),
        naming.rows_of(executor, theirs, whole, wanted),
    )
    return odd, defects


ROW_COLUMNS = "NULL::UBIGINT AS k0, NULL::UBIGINT AS k1, NULL::UBIGINT AS h"
"""The columns of a sheet of rows, for where there is none."""
