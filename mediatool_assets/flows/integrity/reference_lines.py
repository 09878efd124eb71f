"""References that find no row, and rows that share a key."""

from collections.abc import Callable, Iterator
from functools import partial

from mediatool_assets.domain.integrity import Defect, Line, RowFinding, percent_of, referenced
from mediatool_assets.domain.outcome import Finding
from mediatool_assets.domain.shapes import is_unique
from mediatool_assets.flows.complete import reconciliation
from mediatool_assets.flows.integrity.context import ReportContext
from mediatool_assets.flows.integrity.defects import keys_of
from mediatool_assets.flows.integrity.digest_join import DigestJoin, Mismatch
from mediatool_assets.flows.integrity.plan import CheckedReference
from mediatool_assets.flows.integrity.value_lines import JOINED


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
        return reconciliation.unresolved(transformed).get(name, 0)
    return reconciliation.homes(transformed).get(name, {}).get("orphans", 0)


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
