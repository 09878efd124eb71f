"""Reports of a day in their three forms."""

import msgspec

from mediatool_assets.domain.comparison import Comparison
from mediatool_assets.domain.metrics import DailyMetrics
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.compare.rendering import render
from mediatool_assets.flows.metrics.html import html
from mediatool_assets.flows.metrics.markdown import markdown
from mediatool_assets.flows.page.document import heading, page
from mediatool_assets.flows.reports import ReportForms


class First(msgspec.Struct, frozen=True):
    """What stands in the place of a comparison where there is nothing to compare with."""

    version2: str
    note: str
    version1: None = None
    verdict: str = "unknown"

    def __str__(self) -> str:
        return f"Version {self.version2}: {self.note}."


def written(report: DailyMetrics) -> ReportForms:
    """The report as JSON's content, HTML and Markdown, and the figures that Dagster plots."""
    totals = {name: figure for name, figure in report.current.totals.items() if figure is not None}
    since = report.previous.tables.values() if report.previous else ()
    changes = {
        f"rows_{what}": sum(getattr(table, what) or 0 for table in since)
        for what in ("added", "removed", "changed")
    }
    return ReportForms(
        report,
        html(report),
        markdown(report),
        {
            "verdict": report.verdict,
            "previous": report.previous.version if report.previous else "none",
            **totals,
            **changes,
        },
    )


def compared(version: Version, comparison: Comparison | None) -> ReportForms:
    """The comparison with the version before; of the first version, that it is the first."""
    if comparison is None:
        first = First(str(version), "there is no version before this one that could be read")
        top = heading(f"Version {version}", first.verdict, str(first))
        return ReportForms(first, page(f"Version {version}", [top]), f"{first}\n")
    summary = comparison.summary
    return ReportForms(
        comparison,
        render(comparison, "html").decode(),
        render(comparison, "markdown").decode(),
        {
            "verdict": comparison.verdict,
            "version1": comparison.version1,
            "rows_added": summary.rows_added,
            "rows_removed": summary.rows_removed,
            "rows_changed": summary.rows_changed,
            "schema_changes": len(comparison.schema_changes),
        },
    )
