"""Lines about values: every document compared with the raw rows."""

from collections.abc import Iterator
from functools import partial

from mediatool_assets.domain.errors import DamagedInput
from mediatool_assets.domain.integrity import Defect, Line, RowFinding, compared, equal, percent_of
from mediatool_assets.domain.outcome import Figure, Finding
from mediatool_assets.flows.complete import reconciliation
from mediatool_assets.flows.integrity.context import ReportContext
from mediatool_assets.flows.integrity.defects import document_defects, keys_of
from mediatool_assets.flows.integrity.digest_join import KINDS, DigestJoin, counts_of
from mediatool_assets.flows.integrity.plan import CopiedField
from mediatool_assets.flows.integrity.row_layout import DELETED, RowLayout

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
        declared = reconciliation.losses(context.transformed.store.required())
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
