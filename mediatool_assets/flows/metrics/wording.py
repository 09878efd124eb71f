"""The daily metrics in words and figures, as both reports for people say them."""

from collections.abc import Iterator

from mediatool_assets.domain.comparison import Figure
from mediatool_assets.domain.metrics import Against, DailyMetrics, Threshold
from mediatool_assets.flows.compare import wording
from mediatool_assets.flows.page.figures import several

METRICS = {**wording.METRICS, "documents": "Documents", "collections": "Collections"}
"""The metrics' names for people, in order."""


def title(report: DailyMetrics) -> str:
    """What the report is of."""
    return f"Daily metrics of {report.partition}"


def headline(report: DailyMetrics) -> str:
    """The version, what became of its rows, and whether that was to be expected."""
    rows = report.current.totals.get("total_records") or 0
    wrong = sum(one.outcome != "passed" for one in report.thresholds)
    held = f"all {len(report.thresholds)} thresholds held" if not wrong else ""
    judged = held or f"{wrong} of {len(report.thresholds)} thresholds did not hold"
    tables = report.current.totals.get("tables") or 0
    return f"Version {report.version}: {rows:,} rows in {tables} tables; {judged}."


def changed(against: Against) -> str:
    """What became of the rows since the version before."""
    tables = against.tables.values()
    added, removed, changed = (
        sum(getattr(table, what) or 0 for table in tables)
        for what in ("added", "removed", "changed")
    )
    problems = several(len(against.errors), "thing")
    unknown = f"; {problems} could not be compared" if against.errors else ""
    return (
        f"Since {against.version}: {added:,} rows added, {removed:,} removed, {changed:,} changed; "
        f"{several(len(against.schema_changes), 'schema change')}{unknown}."
    )


def metrics(against: Against) -> Iterator[tuple[str, str, Figure]]:
    """``(name, label, figure)`` of every metric, in order."""
    for name, label in METRICS.items():
        if name in against.metrics:
            yield name, label, against.metrics[name]


def by_gravity(thresholds: tuple[Threshold, ...]) -> list[Threshold]:
    """What did not hold first."""
    return sorted(thresholds, key=lambda one: (one.outcome == "passed", one.thing))
