"""The lines of a report, from what the stores were found to hold."""

from collections.abc import Iterable, Iterator, Mapping
from time import monotonic

import msgspec

from mediatool_assets.domain.errors import BadArchive
from mediatool_assets.domain.integrity import Defect, Line, compared, equal, referenced, share
from mediatool_assets.domain.outcome import Figure, Outcome
from mediatool_assets.domain.shapes import is_unique
from mediatool_assets.flows import accounting
from mediatool_assets.flows.integrity import naming
from mediatool_assets.flows.integrity.evidence import Evidence
from mediatool_assets.flows.integrity.homes import DELETED, Home
from mediatool_assets.flows.integrity.ledger import KINDS, Kind, Ledger, Odd, counts_of
from mediatool_assets.flows.integrity.plan import Copy, Reference
from mediatool_assets.flows.integrity.reading import Found, Read

_COUNTED = (
    "every row or document of every store counted, and held against what each says that it has"
)
_HASHED = "every row or document of every store read, hashed (XXH3-128) and summed"
_BY_VALUE = (
    "raw rows and live documents read apart from each other, each value by the rule of its type; "
    "matched by key"
)
_JOINED = "joined over all rows of the raw archive"


def counted(of: Evidence) -> Iterator[Line]:
    """Rows of every table and documents of every collection, store by store."""
    for thing, holding in (*of.table_holdings().items(), *of.collection_holdings().items()):
        for area, how, held in (
            ("counts", _COUNTED, holding.counts),
            ("fingerprints", _HASHED, holding.fingerprints),
        ):
            finding = equal(held, holding.problems)
            outcome, reason = finding.outcome, finding.reason
            if holding.damage:
                outcome, reason = "failed", holding.damage
            what = "rows" if holding.is_table else "documents"
            yield Line(
                "counts" if area == "counts" else "fingerprints",
                thing,
                f"{what}: as many in every store" if area == "counts" else f"{what}: the same",
                how,
                outcome,
                reason,
                dict(held),
                round(holding.seconds, 3),
            )


def by_value(of: Evidence, ledger: Ledger) -> Iterator[Line]:
    """Every table's rows against those that the live documents are made of."""
    for table, home in of.plan.homes.items():
        said = f"every value of {table} in MongoDB, {len(home.names)} columns"
        if problem := of.unread(table):
            yield Line("values", table, said, _BY_VALUE, "unknown", problem)
            continue
        began = monotonic()
        odd = ledger.odd_rows(f"raw:{table}", f"docs:{table}", of.round.share)
        defects = _named(of, home, odd) if any(each.count for each in odd.values()) else ()
        finding = compared(counts_of(odd), defects)
        outcome, reason = finding.outcome, finding.reason
        raw = of.raw.get(table, Read())
        figures: dict[str, Figure] = {
            "rows": raw.rows[table],
            "rows in documents": of.live.rows[table],
            **{kind: odd[kind].count for kind in KINDS},
        }
        seconds = raw.seconds + monotonic() - began
        yield Line(
            "values", table, said, _BY_VALUE, outcome, reason, figures, round(seconds, 3), defects
        )


def _named(of: Evidence, home: Home, odd: dict[Kind, Odd]) -> tuple[Defect, ...]:
    wanted = naming.wanted(odd.values())
    archive = of.raw_reader()
    raw = naming.rows_of(of.round.executor, naming.lines_of(archive, home.table), home, wanted)
    shares = [share for _, _, share in of.document_shares]
    there = naming.documents_of(of.round.executor, shares, home.table.name, wanted)
    return naming.Names(home, of.round.masking).defects("mongodb", odd, raw, there)


def lost(of: Evidence) -> Iterator[Line]:
    """Values that BSON cannot hold as they were: those that the transform declared, no other."""
    how = "counted by the rules of docs/models.md, apart from the transform"
    reader = of.archives["transformed"].reader
    if reader is None or not of.round.share.is_whole:
        return  # a sample does not count them all
    try:
        declared = accounting.losses(reader)
    except BadArchive as error:
        yield Line("losses", "all", "declared losses", how, "failed", str(error))
        return
    compared_here = {t for t, home in of.plan.homes.items() if not home.folded}
    folded = of.plan.homes.keys() - compared_here
    found = {
        column: dict(kinds)
        for table in compared_here
        for column, kinds in of.raw.get(table, Read()).lost.items()
    }
    for column in sorted(declared.keys() | found.keys()):
        if column.split(".")[0] in folded:
            continue
        ours, theirs = found.get(column, {}), declared.get(column, {})
        outcome: Outcome = "passed" if ours == theirs else "failed"
        reason = "" if ours == theirs else f"counted {ours}, and the transform declared {theirs}"
        figures: dict[str, Figure] = {**ours}
        yield Line("losses", column, "losses that are declared", how, outcome, reason, figures)
    if not declared and not found:
        yield Line("losses", "all", "values that BSON cannot hold", how, "passed", "", {"lost": 0})


def copied(of: Evidence, ledger: Ledger) -> Iterator[Line]:
    """Every field of live documents that is copied, united or counted from other rows."""
    for copy in of.plan.copies:
        said = f"{copy.added.verb.value} of {', '.join(_path(copy))}"
        tables = {copy.owner.name, *(arrow.table.name for arrow in copy.added.path)}
        problems = [problem for table in sorted(tables) if (problem := of.unread(table))]
        if problems:
            yield Line("copies", copy.slot, said, _JOINED, "unknown", problems[0])
            continue
        began = monotonic()
        total, odd = ledger.copies(f"copies:{copy.slot}", copy.added, copy.owner)
        defects = tuple(
            Defect("differs", "mongodb", copy.owner.name, key, field=copy.added.field)
            for key in _keys(of, copy.owner.name, odd)
        )
        reason = f"{odd.count:,} documents do not say what their path finds" if odd.count else ""
        yield Line(
            "copies",
            copy.slot,
            said,
            _JOINED,
            "failed" if odd.count else "passed",
            reason,
            {"fields": total, "different": odd.count},
            round(monotonic() - began, 3),
            defects,
        )


def _path(copy: Copy) -> Iterator[str]:
    for arrow in copy.added.path:
        yield f"{', '.join(arrow.columns)}{'[]' * arrow.each} -> {arrow.table.name}"


def references(of: Evidence, ledger: Ledger) -> Iterator[Line]:
    """Every foreign key, declared or the model's, with the number of those that find no row."""
    counts = {"unresolved": of.unresolved(), "orphans": of.orphaned()}
    for reference in of.plan.references:
        said = f"{'declared' if reference.declared else 'model'}: {reference.says}"
        problem = of.unread_raw(reference.owner.name) or of.unread_raw(reference.target.name)
        if problem:
            yield Line("references", str(reference), said, _JOINED, "unknown", problem)
            continue
        yield _reference(of, ledger, reference, said, counts)


def _reference(
    of: Evidence,
    ledger: Ledger,
    reference: Reference,
    said: str,
    counts: Mapping[str, Mapping[str, int] | None],
) -> Line:
    began = monotonic()
    total, odd = ledger.orphans(
        reference.owner, reference.columns, reference.target, reference.keys, reference.each
    )
    expected = None
    if reference.counted is not None and (facts := counts[reference.counted[0]]) is not None:
        expected = facts.get(reference.counted[1], 0)
    finding = referenced(odd.count, declared=reference.declared, expected=expected)
    outcome, reason = finding.outcome, finding.reason
    defects = tuple(
        Defect("orphan", "raw", reference.owner.name, key, ", ".join(reference.columns))
        for key in (_keys(of, reference.owner.name, odd) if outcome == "failed" else ())
    )
    figures: dict[str, Figure] = {
        "references": total,
        "orphans": odd.count,
        "orphans_percent": share(odd.count, total),
    }
    seconds = round(monotonic() - began, 3)
    return Line(
        "references", str(reference), said, _JOINED, outcome, reason, figures, seconds, defects
    )


def duplicated(of: Evidence, ledger: Ledger) -> Iterator[Line]:
    """Natural keys: one row each where the database or the model says so; else how many share."""
    for home in of.plan.homes.values():
        if home.key:
            said = "one row for each key"
            name = f"{home.table.name}.{', '.join(home.key)}"
            yield _duplicated(of, home.table.name, name, said, ledger, None)
    looked_up = {
        (table.name, keys): table
        for (_, keys), table in of.plan.looked_up.items()
        if not is_unique(table, keys) and keys != of.plan.home(table.name).key
    }
    declared = {(t.name, key): t for t in of.tables() for key in t.unique_keys}
    for (table, keys), _ in {**looked_up, **declared}.items():
        promised = (table, keys) in declared
        said = "declared unique" if promised else "rows that a look-up's key cannot tell apart"
        name = f"{table}.{', '.join(keys)}"
        yield _duplicated(of, table, name, said, ledger, keys, promised=promised)


def _duplicated(  # noqa: PLR0913, PLR0917  # what it is of, and how it is judged
    of: Evidence,
    table: str,
    name: str,
    said: str,
    ledger: Ledger,
    keys: tuple[str, ...] | None,
    *,
    promised: bool = True,
) -> Line:
    if problem := of.unread_raw(table):
        return Line("duplicates", name, said, _JOINED, "unknown", problem)
    began = monotonic()
    odd = ledger.repeated(table) if keys is None else ledger.duplicates(table, keys)
    failed = promised and odd.count > 0
    defects = tuple(
        Defect("duplicate", "raw", table, key, ", ".join(keys or ()))
        for key in (_keys(of, table, odd) if failed else ())
    )
    reason = f"{odd.count:,} rows share a key" if odd.count else ""
    return Line(
        "duplicates",
        name,
        said,
        _JOINED,
        "failed" if failed else "passed",
        reason,
        {"rows": of.raw.get(table, Read()).rows[table], "duplicates": odd.count},
        round(monotonic() - began, 3),
        defects,
    )


def _keys(of: Evidence, table: str, odd: Odd) -> Iterable[dict[str, msgspec.Raw]]:
    """The keys of some rows of the raw archive."""
    if not odd.count:
        return []
    home = of.plan.home(table)
    lines = naming.lines_of(of.raw_reader(), home.table)
    found: list[Found] = naming.rows_of(of.round.executor, lines, home, naming.wanted([odd]))
    names = naming.Names(home, of.round.masking)
    return {row[0]: names.key(row[1], row[2]) for row in found}.values()


def soft_deleted(of: Evidence) -> Iterator[Line]:
    """The share of rows that are flagged as deleted: the same in raw rows and in documents."""
    how = "flagged rows counted on both sides"
    for table, home in of.plan.homes.items():
        if DELETED not in home.names:
            continue
        raw, problem = of.raw.get(table, Read()), of.unread(table)
        held: dict[str, Figure] = {
            "raw": raw.deleted[table],
            "mongodb": None if problem else of.live.deleted[table],
        }
        finding = equal(held, {"mongodb": problem})
        outcome, reason = finding.outcome, finding.reason
        percent = share(raw.deleted[table], raw.rows[table])
        figures: dict[str, Figure] = {**held, "rows": raw.rows[table], "deleted_percent": percent}
        yield Line("soft deletes", table, f"{table}.{DELETED}", how, outcome, reason, figures)
