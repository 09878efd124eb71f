"""The comparison of two versions as a page."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import starmap

import msgspec

from mediatool_assets.core.comparison import (
    METRICS,
    Comparison,
    Figure,
    NotCompared,
    SchemaChange,
    TableComparison,
)
from mediatool_assets.core.texts import quantity
from mediatool_assets.pages import (
    BarChart,
    Card,
    Cell,
    Folded,
    Format,
    Grid,
    OutcomeCell,
    Page,
    Section,
    byte_cell,
    bytes_text,
    count_cell,
    grid,
    number,
    percent_cell,
    rendered,
)

_TABLES = (
    "Table", "Before", "After", "Change", "Change %", "Added", "Removed", "Changed", "Growth",
    "Matched by",
)  # fmt: skip


def render(comparison: Comparison, wanted: Format) -> bytes:
    """The report in the wanted format."""
    return rendered(wanted, comparison.to_json(), page(comparison))


def page(comparison: Comparison) -> Page:
    """The whole report."""
    differing = {name: found for name, found in comparison.details.items() if found.differs}
    counts = {name: (t.added, t.removed, t.changed) for name, t in differing.items()}
    renames = (
        f"{name}: {rename}."
        for name, found in comparison.details.items()
        for rename in found.renames
    )
    return Page(
        f"{comparison.version1} → {comparison.version2}",
        comparison.verdict,
        headline(comparison),
        [f"Compared at {comparison.timestamp}."],
        list(cards(comparison.metrics)),
        [
            Section("Not compared", [problems(comparison.errors)], detail="summary"),
            Section("Left out of both", [grid(("Table", "Why"), comparison.left_out.items())]),
            Section("Where rows differ", [changes_chart(counts)], detail="full"),
            Section(
                "Which columns changed",
                [
                    BarChart(
                        [
                            (f"{name}.{column}", {"changed": count})
                            for name, found in differing.items()
                            for column, count in found.field_changes.items()
                        ]
                    )
                ],
                detail="full",
            ),
            Section("Schema changes", [schema_changes(comparison.schema_changes), *renames]),
            Section("Tables that differ", [grid(_TABLES, starmap(_row, differing.items()))]),
            Section("What changed", [_details(*each) for each in differing.items()]),
            Section(
                "All tables",
                [grid(_TABLES, starmap(_row, comparison.details.items()))],
                detail="full",
            ),
        ],
    )


def headline(comparison: Comparison) -> str:
    """The result in one sentence."""
    summary = comparison.summary
    unknown = ""
    if summary.tables_not_compared:
        unknown = f"; {quantity(summary.tables_not_compared, 'thing')} could not be compared"
    match comparison.verdict:
        case "same":
            return f"All {summary.total_collections} tables have the same rows and the same schema."
        case "unknown":
            return f"No difference was found, but the comparison is incomplete{unknown}."
        case "different":
            return (
                f"{summary.collections_with_changes} of {summary.total_collections} tables have "
                f"other rows: {summary.rows_added:,} added, "
                f"{summary.rows_removed:,} removed, {summary.rows_changed:,} changed; "
                f"{quantity(len(comparison.schema_changes), 'schema change')}{unknown}."
            )


def cards(metrics: Mapping[str, Figure]) -> Iterator[Card]:
    """A card for each metric that either version has, with its change."""
    for label, (_, now, change) in labelled(metrics):
        yield Card(label, now, change) if now != "–" else Card(label, change)


def labelled(metrics: Mapping[str, Figure]) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """The display names and ``(before, after, change)`` of the metrics that a version has.

    The rows of the tables that the model names follow those of all tables.
    """
    tables = {name: name.replace("_", " ").capitalize() for name in metrics if name not in METRICS}
    total, *others = METRICS.items()
    for name, label in (total, *tables.items(), *others):
        found = metrics.get(name)
        if found is not None and (found.v1, found.v2, found.change) != (None, None, None):
            yield label, _metric(name, found)


def _metric(name: str, figure: Figure) -> tuple[str, str, str]:
    """``(before, after, change)`` of a metric."""
    show = bytes_text if name.endswith("_bytes") else number
    percent = "" if figure.change_percent is None else f" ({figure.change_percent:+.2f} %)"
    change = "" if figure.change is None else f"{show(figure.change, sign=figure.v1 is not None)}"
    return show(figure.v1), show(figure.v2), change + percent


def schema_changes(changes: Iterable[SchemaChange]) -> Grid:
    """The changes of the schema, with the severity of each."""
    rows = ((OutcomeCell(c.severity), c.table or "", str(c)) for c in changes)
    return grid(("Severity", "Table", "Change"), rows)


def problems(found: Iterable[NotCompared]) -> Grid:
    """What could not be compared, and why."""
    rows = ((p.table or "the archive", p.version, p.reason) for p in found)
    return grid(("Table", "Version", "Why"), rows)


def problem(found: NotCompared) -> str:
    """Why something could not be compared."""
    return f"{found.table or 'the archive'}: {found.version}: {found.reason}"


def value(raw: msgspec.Raw) -> str:
    """One value of an example; for a hidden one its length."""
    found = msgspec.json.decode(raw)
    if isinstance(found, dict):
        return f"hidden, {found['length']} characters"
    return found if isinstance(found, str) else bytes(raw).decode()


def keyed(key: Mapping[str, msgspec.Raw]) -> str:
    """The key that identifies a row: ``id = 5``."""
    return ", ".join(f"{name} = {value(raw)}" for name, raw in key.items())


def changes_chart(counts: Mapping[str, tuple[int, int, int]]) -> BarChart:
    """Rows added, removed and changed, by table."""
    kinds = ("added", "removed", "changed")
    return BarChart([(name, dict(zip(kinds, some, strict=True))) for name, some in counts.items()])


def _row(name: str, found: TableComparison) -> tuple[Cell, ...]:
    return (
        name,
        count_cell(found.count_v1),
        count_cell(found.count_v2),
        count_cell(found.count_diff, sign=True),
        percent_cell(found.count_diff_percent),
        count_cell(found.added),
        count_cell(found.removed),
        count_cell(found.changed),
        byte_cell(found.bytes_v2 - found.bytes_v1, sign=True),
        found.matched_by,
    )


def _details(name: str, found: TableComparison) -> Folded:
    changed = (
        (
            keyed(e.key),
            e.column,
            value(e.before),
            value(e.after),
            f"{e.row_v1:,} → {e.row_v2:,}",
        )
        for e in found.examples.changed
    )
    sides = (("added", found.examples.added), ("removed", found.examples.removed))
    rows = ((word, keyed(e.key), f"{e.row:,}") for word, some in sides for e in some)
    columns = ((column, count_cell(count)) for column, count in found.field_changes.items())
    heads = ("Key", "Column", "Before", "After", "Lines of the files")
    return Folded(
        name,
        f"{found.added:,} added, {found.removed:,} removed, {found.changed:,} changed",
        [
            *found.notes,
            grid(("Column", "Values changed"), columns, sortable=False),
            grid(heads, changed, sortable=False),
            grid(("Row", "Key", "Line of the file"), rows, sortable=False),
        ],
    )
