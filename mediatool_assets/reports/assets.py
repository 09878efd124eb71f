"""The daily metrics and the comparison with the previous version: one step, two reports.

``compare_versions`` is a separate job that compares any two versions on request.

The report site: its index, and the pages of the day and of the days next to it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from mediatool_assets import orchestration as pools
from mediatool_assets.bucket.assets import COSTS, POSTURE, SITE
from mediatool_assets.compare.row_digests import Masking
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.version import REPORTS, Report, Version
from mediatool_assets.orchestration import CODE_VERSION, DAYS, METADATA, operation
from mediatool_assets.orchestration.io_managers import (
    GROUP,
    newest_version,
    publish_report,
    report_asset,
    report_check,
    report_spec,
)
from mediatool_assets.orchestration.resources import ServersResource
from mediatool_assets.orchestration.runs import (
    LoggedProgress,
    errors_as_failures,
    record_process,
    retried,
)
from mediatool_assets.reports.flow import ReportTools, compare_versions, daily_metrics, judged
from mediatool_assets.reports.report import compared, written
from mediatool_assets.reports.site import publish

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


@dg.asset(
    key="report_site",
    deps=[METADATA, *map(report_asset, REPORTS)],
    description="The report site: an index of all versions, and a page for each day with its "
    "reports. Open comparison-reports/index.html.",
    group_name=GROUP,
    kinds={"s3", "html"},
    tags={"mediatool/layer": GROUP},
    code_version=CODE_VERSION,
    partitions_def=DAYS,
    pool=pools.REPORT,
)
def report_site(
    context: dg.AssetExecutionContext, servers: ServersResource
) -> dg.MaterializeResult[None]:
    """Write the pages of the partition's day and of its neighbors, and the index."""
    with retried():
        objects = servers.objects()
        version = newest_version(context, objects)
        index = publish(objects, context.partition_key)
    return dg.MaterializeResult(
        metadata={"version": str(version), "dagster/uri": index, "html": index}
    )


@operation(
    SITE,
    "The day's pages of the report site, with the posture and costs of the bucket.",
    {"s3", "html"},
    after=[POSTURE, COSTS],
)
def bucket_site(
    context: dg.AssetExecutionContext, servers: ServersResource
) -> dg.MaterializeResult[None]:
    """Write the pages of today, of the day before, and the index."""
    record_process(context.instance, context.run)
    with errors_as_failures():
        index = publish(servers.objects(), f"{datetime.now(UTC):%Y-%m-%d}")
    return dg.MaterializeResult(metadata={"dagster/uri": index})
