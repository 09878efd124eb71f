"""The daily metrics as Markdown: for Dagster's UI, a terminal or a chat."""

from collections.abc import Iterator

from mediatool_assets.domain.comparison import Figure
from mediatool_assets.domain.metrics import Against, DailyMetrics
from mediatool_assets.flows.compare import wording as compared
from mediatool_assets.flows.metrics import wording
from mediatool_assets.flows.page.figures import number, percent
from mediatool_assets.flows.page.markdown import section


def markdown(report: DailyMetrics) -> str:
    """The whole report."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: DailyMetrics) -> Iterator[str]:
    yield f"# {wording.title(report)}: {report.verdict}"
    yield ""
    yield wording.headline(report)
    for note in report.notes:
        yield f"Note: {note}."
    wrong = (one for one in wording.by_gravity(report.thresholds) if one.outcome != "passed")
    yield from section(
        "What did not hold",
        ("what", "verdict", "why"),
        ((one.thing, one.outcome, one.reason) for one in wrong),
    )
    if report.previous:
        yield from _against(report.previous, f"Since {report.previous.version}")
    if report.week_before:
        yield from _against(
            report.week_before, f"Since a week before, {report.week_before.version}"
        )
    if report.previous is None:
        totals = report.current.totals
        rows = (
            (label, compared.metric(name, Figure.of(None, totals[name]))[1])
            for name, label in wording.METRICS.items()
            if name in totals
        )
        yield from section("Metrics", ("", "now"), rows)


def _against(against: Against, title: str) -> Iterator[str]:
    yield from section(
        title,
        ("", "before", "now", "change"),
        ((label, *compared.metric(name, f)) for name, label, f in wording.metrics(against)),
    )
    yield from section(
        f"{title}: tables",
        ("table", "before", "now", "change", "added", "removed", "changed"),
        (
            (
                name,
                number(table.rows.v1),
                number(table.rows.v2),
                percent(table.rows.change_percent),
                number(table.added),
                number(table.removed),
                number(table.changed),
            )
            for name, table in against.tables.items()
            if table.rows.change != 0 or table.added or table.removed or table.changed
        ),
    )
    yield from section(
        f"{title}: schema changes",
        ("severity", "table", "change"),
        ((c.severity, c.table or "", str(c)) for c in against.schema_changes),
    )
    yield from section(
        f"{title}: not compared",
        ("what", "version", "why"),
        ((p.table or "the archive", p.version, p.reason) for p in against.errors),
    )
