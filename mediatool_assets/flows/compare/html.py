"""The comparison as one HTML file: no network, light and dark, sortable, charts as inline SVG."""

from collections.abc import Iterator

from mediatool_assets.domain.comparison import Comparison, TableComparison
from mediatool_assets.flows.compare import wording
from mediatool_assets.flows.page.charts import bars, legend
from mediatool_assets.flows.page.document import cards, folded, heading, page, paragraph, section
from mediatool_assets.flows.page.tables import Cell, OutcomeCell, octets, share, table, whole

_TABLES = ("Table", "Before", "After", "Change", "Change %", "Added", "Removed", "Changed")


def html(comparison: Comparison) -> str:
    """The whole report."""
    return page(f"{comparison.version1} → {comparison.version2}", _parts(comparison))


def _parts(comparison: Comparison) -> Iterator[str]:
    yield heading(
        f"{comparison.version1} → {comparison.version2}",
        comparison.verdict,
        wording.headline(comparison),
        f"Compared at {comparison.timestamp}.",
    )
    yield cards(_cards(comparison))
    problems = ((p.table or "the archive", p.version, p.reason) for p in comparison.errors)
    yield section("Not compared", table(("Table", "Version", "Why"), problems))
    yield section("Left out of both", table(("Table", "Why"), comparison.left_out.items()))
    yield section("Where rows differ", rows_chart(comparison))
    yield section("Which columns changed", _columns_chart(comparison))
    renames = (paragraph(f"{name}: {rename}.") for name, rename in wording.renames(comparison))
    yield section("Schema changes", schema_table(comparison), *renames)
    tables = (_table_row(name, found) for name, found in comparison.details.items())
    yield section("Tables", table((*_TABLES, "Growth", "Matched by"), tables))
    differing = ((n, t) for n, t in comparison.details.items() if t.differs)
    yield section("What changed", *(_details(name, found) for name, found in differing))


def _cards(comparison: Comparison) -> Iterator[tuple[str, str, str]]:
    for name, label in wording.METRICS.items():
        if name in comparison.metrics:
            _, after, change = wording.metric(name, comparison.metrics[name])
            if name == "schema_changes":
                after, change = change, ""
            yield label, after, change


def schema_table(comparison: Comparison) -> str:
    """The schema changes; nothing where there is none."""
    return table(
        ("Severity", "Table", "Change"),
        ((OutcomeCell(c.severity), c.table or "", str(c)) for c in comparison.schema_changes),
    )


def rows_chart(comparison: Comparison) -> str:
    """Rows added, removed and changed by table; nothing where there is none."""
    chart = bars(
        [
            (name, {"added": t.added, "removed": t.removed, "changed": t.changed})
            for name, t in comparison.details.items()
            if t.differs
        ]
    )
    return legend() + chart if chart else ""


def _columns_chart(comparison: Comparison) -> str:
    return bars(
        [
            (f"{name}.{column}", {"changed": count})
            for name, found in comparison.details.items()
            for column, count in found.field_changes.items()
        ]
    )


def _table_row(name: str, found: TableComparison) -> tuple[Cell, ...]:
    return (
        name,
        whole(found.count_v1),
        whole(found.count_v2),
        whole(found.count_diff, sign=True),
        share(found.count_diff_percent),
        whole(found.added),
        whole(found.removed),
        whole(found.changed),
        octets(found.bytes_v2 - found.bytes_v1, sign=True),
        found.matched_by,
    )


def _details(name: str, found: TableComparison) -> str:
    changed = (
        (
            wording.key(e),
            e.column,
            wording.value(e.before),
            wording.value(e.after),
            f"{e.row_v1:,} → {e.row_v2:,}",
        )
        for e in found.examples.changed
    )
    sides = (("added", found.examples.added), ("removed", found.examples.removed))
    rows = ((word, wording.key(e), f"{e.row:,}") for word, some in sides for e in some)
    columns = ((column, whole(count)) for column, count in found.field_changes.items())
    heads = ("Key", "Column", "Before", "After", "Lines of the files")
    return folded(
        name,
        f"{found.added:,} added, {found.removed:,} removed, {found.changed:,} changed",
        *map(paragraph, found.notes),
        table(("Column", "Values changed"), columns, sortable=False),
        table(heads, changed, sortable=False),
        table(("", "Key", "Line of the file"), rows, sortable=False),
    )
