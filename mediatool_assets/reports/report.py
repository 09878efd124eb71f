"""The daily metrics as a page, and the reports of a day together."""

from collections.abc import Iterable, Iterator

import msgspec

from mediatool_assets.compare import report as comparing
from mediatool_assets.core.comparison import Comparison, Figure
from mediatool_assets.core.metrics import DailyMetrics, MetricsComparison, TableChange, Threshold
from mediatool_assets.core.texts import quantity
from mediatool_assets.core.version import Version
from mediatool_assets.pages import (
    Cell,
    Grid,
    OutcomeCell,
    Page,
    ReportForms,
    Section,
    byte_cell,
    count_cell,
    grid,
    history,
    percent_cell,
)

_CHANGES = ("added", "removed", "changed")
_ROWS = ("Table", "Before", "Now", "Change", "Change %", "Added", "Removed", "Changed", "Growth")
_KEYS = ("Table", "Column", "Null", "Change", "Different values", "Change")


class NoComparison(msgspec.Struct, frozen=True):
    """Takes the place of a comparison if there is no version to compare with."""

    version2: str
    note: str
    version1: None = None
    verdict: str = "unknown"

    @property
    def page(self) -> Page:
        """A page with that message."""
        title = f"Version {self.version2}"
        return Page(title, self.verdict, f"{title}: {self.note}.")


def written(report: DailyMetrics) -> ReportForms:
    """The report in all formats, and the figures that Dagster plots."""
    totals = {name: figure for name, figure in report.current.totals.items() if figure is not None}
    changes = _changed(report.previous) if report.previous else (0, 0, 0)
    return ReportForms(
        report,
        page(report),
        {
            "verdict": report.verdict,
            "previous": report.previous.version if report.previous else "none",
            **totals,
            **{f"rows_{what}": n for what, n in zip(_CHANGES, changes, strict=True)},
        },
    )


def compared(version: Version, comparison: Comparison | None) -> ReportForms:
    """The comparison with the previous version, or a note that there is none."""
    if comparison is None:
        first = NoComparison(str(version), "there is no version before this one that could be read")
        return ReportForms(first, first.page)
    summary = comparison.summary
    return ReportForms(
        comparison,
        comparing.page(comparison),
        {
            "verdict": comparison.verdict,
            "version1": comparison.version1,
            "rows_added": summary.rows_added,
            "rows_removed": summary.rows_removed,
            "rows_changed": summary.rows_changed,
            "schema_changes": len(comparison.schema_changes),
        },
    )


def page(report: DailyMetrics) -> Page:
    """The whole report."""
    judged = sorted(report.thresholds, key=lambda one: (one.outcome == "passed", one.thing))
    totals = {name: Figure.of(None, figure) for name, figure in report.current.totals.items()}
    previous = report.previous
    return Page(
        f"Daily metrics of {report.partition}",
        report.verdict,
        _headline(report),
        [
            *([_since(previous)] if previous else []),
            *(f"{note[0].upper()}{note[1:]}." for note in report.notes),
        ],
        list(comparing.cards(previous.metrics if previous and previous.metrics else totals)),
        [
            Section(
                "Thresholds exceeded",
                [_thresholds(one for one in judged if one.outcome != "passed")],
                detail="summary",
            ),
            history(report.history),
            *(_against(previous, "Since the version before") if previous else ()),
            *(
                _against(report.week_before, "Since the same weekday a week before")
                if report.week_before
                else ()
            ),
            Section("Key columns", [_key_columns(report)], detail="full"),
            Section("Thresholds", [_thresholds(judged)], detail="full"),
        ],
    )


def _headline(report: DailyMetrics) -> str:
    """The version, its number of rows, and the results of the thresholds."""
    rows = report.current.totals.get("total_records") or 0
    wrong = sum(one.outcome != "passed" for one in report.thresholds)
    held = f"all {len(report.thresholds)} thresholds held" if not wrong else ""
    judged = held or f"{wrong} of {len(report.thresholds)} thresholds did not hold"
    tables = report.current.totals.get("tables") or 0
    return f"Version {report.version}: {rows:,} rows in {tables} tables; {judged}."


def _since(against: MetricsComparison) -> str:
    """How the rows changed since the previous version."""
    added, removed, changed = _changed(against)
    problems = quantity(len(against.errors), "thing")
    unknown = f"; {problems} could not be compared" if against.errors else ""
    return (
        f"Since {against.version}: {added:,} rows added, {removed:,} removed, {changed:,} changed; "
        f"{quantity(len(against.schema_changes), 'schema change')}{unknown}."
    )


def _changed(against: MetricsComparison) -> tuple[int, int, int]:
    """Rows added, removed and changed, of all tables."""
    each = list(map(_changes, against.tables.values()))
    return sum(n for n, _, _ in each), sum(n for _, n, _ in each), sum(n for _, _, n in each)


def _changes(table: TableChange) -> tuple[int, int, int]:
    return table.added or 0, table.removed or 0, table.changed or 0


def _thresholds(found: Iterable[Threshold]) -> Grid:
    rows = ((one.thing, OutcomeCell(one.outcome), one.reason) for one in found)
    return grid(("What", "Outcome", "Why"), rows)


def _against(against: MetricsComparison, since: str) -> Iterator[Section]:
    """The changes since an earlier version; the titles name it."""
    title = f"{since}, {against.version}"
    metrics = ((label, *figures) for label, figures in comparing.labelled(against.metrics))
    rows = {name: _row(name, table) for name, table in against.tables.items()}
    differing = {
        name: table
        for name, table in against.tables.items()
        if table.rows.change != 0 or any(_changes(table))
    }
    collections = (
        (
            name,
            count_cell(f.v1),
            count_cell(f.v2),
            count_cell(f.change, sign=True),
            percent_cell(f.change_percent),
        )
        for name, f in against.collections.items()
    )
    yield Section(title, [grid(("Metric", "Before", "Now", "Change"), metrics, sortable=False)])
    yield Section(f"{since}: not compared", [comparing.problems(against.errors)])
    yield Section(f"{since}: schema changes", [comparing.schema_changes(against.schema_changes)])
    counts = {name: _changes(table) for name, table in differing.items()}
    yield Section(
        f"{since}: tables that changed",
        [comparing.changes_chart(counts), grid(_ROWS, (rows[name] for name in differing))],
    )
    yield Section(f"{since}: all tables", [grid(_ROWS, rows.values())], detail="full")
    yield Section(
        f"{since}: collections",
        [grid(("Collection", *_ROWS[1:5]), collections)],
        detail="full",
    )


def _row(name: str, change: TableChange) -> tuple[Cell, ...]:
    return (
        name,
        count_cell(change.rows.v1),
        count_cell(change.rows.v2),
        count_cell(change.rows.change, sign=True),
        percent_cell(change.rows.change_percent),
        count_cell(change.added),
        count_cell(change.removed),
        count_cell(change.changed),
        byte_cell(change.bytes.change, sign=True),
    )


def _key_columns(report: DailyMetrics) -> Grid:
    before = report.previous.tables if report.previous else {}
    rows = []
    for name, metrics in report.current.tables.items():
        changes = before[name].key_columns if name in before else {}
        for column, counted in metrics.key_columns.items():
            change = changes.get(column)
            rows.append(
                (
                    name,
                    column,
                    count_cell(counted.nulls),
                    count_cell(change.nulls.change if change else None, sign=True),
                    count_cell(counted.distinct),
                    count_cell(change.distinct.change if change else None, sign=True),
                )
            )
    return grid(_KEYS, rows)
