"""The daily metrics as one HTML file that a manager understands."""

from collections.abc import Iterator

from mediatool_assets.domain.comparison import Figure
from mediatool_assets.domain.metrics import Against, DailyMetrics, TableChange
from mediatool_assets.flows.compare import wording as compared
from mediatool_assets.flows.metrics import wording
from mediatool_assets.flows.page.charts import bars, legend
from mediatool_assets.flows.page.document import cards, heading, page, paragraph, section
from mediatool_assets.flows.page.history import history
from mediatool_assets.flows.page.tables import Cell, OutcomeCell, octets, share, table, whole

_ROWS = ("Table", "Before", "Now", "Change", "Change %", "Added", "Removed", "Changed", "Growth")
_KEYS = ("Table", "Column", "Null", "Change", "Different values", "Change")


def html(report: DailyMetrics) -> str:
    """The whole report."""
    return page(wording.title(report), _parts(report))


def _parts(report: DailyMetrics) -> Iterator[str]:
    yield heading(wording.title(report), report.verdict, wording.headline(report))
    if report.previous:
        yield f"<p>{wording.changed(report.previous)}</p>"
    yield "".join(paragraph(f"{note[0].upper()}{note[1:]}.") for note in report.notes)
    yield cards(_cards(report))
    judged = wording.by_gravity(report.thresholds)
    wrong = [one for one in judged if one.outcome != "passed"]
    rows = ((one.thing, OutcomeCell(one.outcome), one.reason) for one in wrong)
    yield section("What did not hold", table(("What", "OutcomeCell", "Why"), rows))
    yield history(report.history)
    if report.previous:
        yield section("Where rows changed", _changes_chart(report.previous))
        yield from _against(report.previous, f"Since the version before, {report.previous.version}")
    if report.week_before:
        title = f"Since the same weekday a week before, {report.week_before.version}"
        yield from _against(report.week_before, title)
    yield section("Key columns", _key_columns(report))
    rows = ((one.thing, OutcomeCell(one.outcome), one.reason) for one in judged)
    yield section("Thresholds", table(("What", "OutcomeCell", "Why"), rows))


def _cards(report: DailyMetrics) -> Iterator[tuple[str, str, str]]:
    for name, label in wording.METRICS.items():
        figure = Figure.of(None, report.current.totals.get(name))
        if report.previous:
            figure = report.previous.metrics.get(name, figure)
        _, now, change = compared.metric(name, figure)
        if name == "schema_changes":
            if report.previous is None:
                continue
            now, change = change, ""
        yield label, now, change


def _changes_chart(against: Against) -> str:
    changes = [
        (name, {"added": t.added or 0, "removed": t.removed or 0, "changed": t.changed or 0})
        for name, t in against.tables.items()
    ]
    chart = bars([row for row in changes if any(row[1].values())])
    return legend() + chart if chart else paragraph("No row is another than before.")


def _against(against: Against, title: str) -> Iterator[str]:
    problems = ((p.table or "the archive", p.version, p.reason) for p in against.errors)
    changes = ((OutcomeCell(c.severity), c.table or "", str(c)) for c in against.schema_changes)
    metrics = (
        (label, *compared.metric(name, figure)) for name, label, figure in wording.metrics(against)
    )
    yield section(title, table(("Metric", "Before", "Now", "Change"), metrics, sortable=False))
    yield section("Not compared", table(("Table", "Version", "Why"), problems))
    yield section("Schema changes", table(("Severity", "Table", "Change"), changes))
    tables = (_table_row(name, change) for name, change in against.tables.items())
    yield section("Tables", table(_ROWS, tables))
    collections = (
        (name, whole(f.v1), whole(f.v2), whole(f.change, sign=True), share(f.change_percent))
        for name, f in against.collections.items()
    )
    yield section("Collections", table(("Collection", *_ROWS[1:5]), collections))


def _table_row(name: str, change: TableChange) -> tuple[Cell, ...]:
    return (
        name,
        whole(change.rows.v1),
        whole(change.rows.v2),
        whole(change.rows.change, sign=True),
        share(change.rows.change_percent),
        whole(change.added),
        whole(change.removed),
        whole(change.changed),
        octets(change.bytes.change, sign=True),
    )


def _key_columns(report: DailyMetrics) -> str:
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
                    whole(counted.nulls),
                    whole(change.nulls.change if change else None, sign=True),
                    whole(counted.distinct),
                    whole(change.distinct.change if change else None, sign=True),
                )
            )
    return table(_KEYS, rows)
