"""The daily check of the bucket's configuration, and its costs.

Both are assets without partitions, since only the current bucket can be read. Their records are
stored in the bucket by day, and are pages of the report site. They have their own job at 03:30 UTC,
so that they can neither delay nor fail the day's version.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from mediatool_assets.bucket.cost_report import Costs, headline, publish
from mediatool_assets.bucket.cost_report import costs as reckoned
from mediatool_assets.bucket.flow import (
    SHIPPED_PRICES,
    PostureChange,
    keep,
    read_prices,
    record,
    take_inventory,
)
from mediatool_assets.bucket.rules import as_declared, still_passes
from mediatool_assets.core.bucket import Declaration
from mediatool_assets.orchestration import check_result, operation
from mediatool_assets.orchestration.resources import ServersResource
from mediatool_assets.orchestration.runs import errors_as_failures, record_process

GROUP = "bucket"
POSTURE = dg.AssetKey([GROUP, "posture"])
COSTS = dg.AssetKey([GROUP, "costs"])
SITE = dg.AssetKey([GROUP, "site"])

AS_DECLARED = dg.AssetCheckKey(POSTURE, "as_declared")
NO_DRIFT = dg.AssetCheckKey(POSTURE, "no_drift")


@operation(
    POSTURE,
    "The result of every control of the bucket, compared with the last record.",
    {"s3", "json"},
    checks=[
        dg.AssetCheckSpec(
            AS_DECLARED.name,
            asset=POSTURE,
            description="All controls pass; an unknown result fails. A warning if the server "
            "is not Amazon S3.",
        ),
        dg.AssetCheckSpec(
            NO_DRIFT.name,
            asset=POSTURE,
            description="Every control that passed in the last record still passes.",
        ),
    ],
)
def posture(
    context: dg.AssetExecutionContext, servers: ServersResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Check the bucket's settings, and record the result."""
    record_process(context.instance, context.run)
    with errors_as_failures():
        bucket, objects = servers.bucket(), servers.objects()
        declared = Declaration.of(servers.settings())
        looked = record(declared, bucket, objects, datetime.now(UTC))
        uri, amazon = objects.uri(looked.key), bucket.amazon
    held, drifted = (
        as_declared(looked.now.controls, amazon=amazon),
        still_passes(looked.earlier, looked.drift),
    )
    yield dg.MaterializeResult(
        metadata={"dagster/uri": uri, **held.figures, "controls": _controls(looked)},
        check_results=[check_result(AS_DECLARED, held), check_result(NO_DRIFT, drifted)],
    )


def _controls(looked: PostureChange) -> dg.TableMetadataValue:
    records = [
        dg.TableRecord({"control": each.name, "outcome": each.verdict, "says": each.says})
        for each in looked.now.controls
    ]
    return dg.MetadataValue.table(records)


@operation(
    COSTS,
    "What the bucket costs now, and the forecast for a year under its lifecycle rules.",
    {"s3", "parquet"},
)
def bucket_costs(
    context: dg.AssetExecutionContext, servers: ServersResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Take the inventory, store it, and calculate its cost."""
    record_process(context.instance, context.run)
    with errors_as_failures():
        objects, declared = servers.objects(), Declaration.of(servers.settings())
        now = datetime.now(UTC)
        inventory = take_inventory(declared, objects, servers.billed_items(), servers.bucket(), now)
        kept = keep(objects, inventory)
        found = reckoned(inventory, read_prices(SHIPPED_PRICES))
        report = publish(objects, inventory, found)
    yield dg.MaterializeResult(
        metadata={
            "dagster/uri": objects.uri(kept),
            "report": dg.MetadataValue.path(report),
            **_figures(found),
            "says": headline(found),
        }
    )


def _figures(found: Costs) -> dict[str, float | int]:
    """The figures that the UI plots by day, in dollars."""
    return {
        "objects": sum(each.objects for each in found.holdings),
        "bytes": sum(each.bytes for each in found.holdings),
        "monthly": float(found.monthly),
        "monthly_all_standard": float(found.monthly_all_standard),
        "year": float(found.year),
        "saved": float(found.saved),
        "overdue": sum(each.objects for each in found.overdue),
    }


JOB = dg.define_asset_job(
    "daily_bucket",
    dg.AssetSelection.assets(POSTURE, COSTS, SITE),
    description="The bucket's posture and cost. Its schedule runs it at 03:30 UTC.",
    executor_def=dg.in_process_executor,
)

SCHEDULE = dg.ScheduleDefinition(
    name="daily_bucket_schedule",
    job=JOB,
    cron_schedule="30 3 * * *",
    execution_timezone="UTC",
    description="Records the bucket's posture and cost each day at 03:30 UTC.",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

ASSETS = [posture, bucket_costs]
