"""The daily metrics and the comparison with the previous version: one step, two reports.

``compare_versions`` is a separate job that compares any two versions on request.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from mediatool_assets.defs import pools
from mediatool_assets.defs.dead_runs import record_process
from mediatool_assets.defs.failures import retried
from mediatool_assets.defs.partitions import DAYS
from mediatool_assets.defs.progress import LoggedProgress
from mediatool_assets.defs.reports import newest_version, publish_report, report_check, report_spec
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.domain.keys import Report
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.compare.masking import Masking
from mediatool_assets.flows.metrics import ReportTools, compare_versions, daily_metrics, judged
from mediatool_assets.flows.metrics.report import compared, written
from mediatool_assets.flows.model.file import load_model
from mediatool_assets.flows.site import publish

METRICS: Report = "daily-metrics-comparison"
COMPARISON: Report = "version-comparison"


@dg.multi_asset(
    name="report_metrics",
    specs=[
        report_spec(
            METRICS,
            "The version compared with the one before and the one a week before: totals, "
            "each table and collection, key columns, and the verdict of each threshold.",
        ),
        report_spec(
            COMPARISON,
            "The version compared with the one before, by row and by column, with examples.",
        ),
    ],
    partitions_def=DAYS,
    pool=pools.REPORT,
)
def report_metrics(
    context: dg.AssetExecutionContext, servers: ServersResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Compare the partition's newest version with its predecessor, and write both reports."""
    with retried(), _tools(context, servers) as tools:
        objects = tools.objects
        version = newest_version(context, objects)
        daily = daily_metrics(tools, version)
        results = [
            publish_report(objects, METRICS, version, written(daily.metrics)),
            publish_report(objects, COMPARISON, version, compared(version, daily.comparison)),
        ]
    yield from results


check_metrics = report_check(
    METRICS, "thresholds", "Rows, schema, references and losses are within their bounds.", judged
)


class TwoVersions(dg.Config):
    """The versions to compare, as YYYYMMDD-HHMMSS."""

    version1: str
    version2: str


@dg.op(name="compare", pool=pools.REPORT)
def compare_op(
    context: dg.OpExecutionContext, config: TwoVersions, servers: ServersResource
) -> None:
    """Compare, keep JSON and HTML on the day of ``version2``, and link them from its pages."""
    record_process(context.instance, context.run)
    with retried(), _tools(context, servers) as tools:
        made = compare_versions(tools, config.version1, config.version2)
        site = publish(tools.objects, Version.parse(config.version2).partition)
    context.add_output_metadata(
        {
            "verdict": made.comparison.verdict,
            "json": made.json,
            "html": made.html,
            "site": site,
            "report": dg.MetadataValue.md(made.markdown),
        }
    )


@dg.job(
    name="compare_versions",
    description="Compares two versions, given in the launchpad. Makes no version.",
    executor_def=dg.in_process_executor,
)
def compare_job() -> None:
    """One step."""
    compare_op()


@contextmanager
def _tools(
    context: dg.AssetExecutionContext | dg.OpExecutionContext, servers: ServersResource
) -> Iterator[ReportTools]:
    settings = servers.settings()
    with servers.workspace(LoggedProgress(context)) as workspace:
        model, masking = load_model(settings.model), Masking.of(settings)
        yield ReportTools(servers.objects(), workspace, model, masking)
