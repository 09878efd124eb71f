"""The report site: its index, and the pages of the day and of the days next to it."""

from datetime import UTC, datetime

import dagster as dg

from mediatool_assets.defs import pools
from mediatool_assets.defs.bucket import COSTS, POSTURE, SITE
from mediatool_assets.defs.dead_runs import record_process
from mediatool_assets.defs.failures import errors_as_failures, retried
from mediatool_assets.defs.layers import CODE_VERSION, METADATA
from mediatool_assets.defs.operations import operation
from mediatool_assets.defs.partitions import DAYS
from mediatool_assets.defs.reports import GROUP, newest_version, report_asset
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.domain.keys import REPORTS
from mediatool_assets.flows.site import publish


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
