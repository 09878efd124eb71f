"""Freshness: every layer has its day's version by 03:00 UTC.

Dagster's own policy looks at an asset's last materialization, whatever its partition: the badge in
the UI, by which a backfill of an old day looks fresh. The check knows the day. It is judged in each
run of a version, and at 03:00 UTC by a sensor that needs no run, since a run of the day may be just
what hangs.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from mediatool_assets.defs.dead_runs import note_process
from mediatool_assets.defs.failures import explained
from mediatool_assets.defs.findings import figures, result, severity, spec
from mediatool_assets.defs.published import METADATA
from mediatool_assets.defs.resources import Platform
from mediatool_assets.domain.outcome import Finding
from mediatool_assets.domain.punctuality import DEADLINE, deadline
from mediatool_assets.flows.checks.version import day_on_time
from mediatool_assets.flows.ports import ObjectStore

ON_TIME = dg.AssetCheckKey(METADATA, "on_time")

_CRON = f"{DEADLINE.minute} {DEADLINE.hour} * * *"
_POLICY = dg.FreshnessPolicy.cron(_CRON, lower_bound_delta=timedelta(hours=1), timezone="UTC")


def with_freshness(*layers: dg.AssetsDefinition) -> Iterator[dg.AssetsDefinition]:
    """The layers, each of whose assets has the policy."""
    for layer in layers:
        yield layer.map_asset_specs(
            lambda made: dg.apply_freshness_policy(made, _POLICY, overwrite_existing=False)
        )


@dg.multi_asset_check(
    specs=[
        spec(ON_TIME.asset_key, ON_TIME.name, "The newest version of the day is there, complete.")
    ]
)
def check_on_time(
    context: dg.AssetCheckExecutionContext, platform: Platform
) -> dg.AssetCheckResult:
    """Look for the day's newest version."""
    note_process(context.instance, context.run)
    with explained():
        day = date.fromisoformat(context.partition_key)
        return result(ON_TIME, day_on_time(platform.objects(), day, datetime.now(UTC)))


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="At 03:00 UTC, looks once whether today's version is there; it launches nothing.",
)
def on_time_sensor(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SkipReason:
    """Look at today once, from the deadline on; the cursor is the day that was looked at."""
    now = datetime.now(UTC)
    day = now.date()
    if now < deadline(day):
        return dg.SkipReason(f"{day}: not due before {deadline(day):%H:%M} UTC")
    if context.cursor == day.isoformat():
        return dg.SkipReason(f"{day} has been looked at")
    finding = report(context.instance, platform.objects(), now)
    context.update_cursor(day.isoformat())
    return dg.SkipReason(f"{finding.outcome}: {finding.reason}")


def report(instance: dg.DagsterInstance, objects: ObjectStore, now: datetime) -> Finding:
    """Judge the day of ``now``, and record it in that day's partition without a run."""
    finding = day_on_time(objects, now.date(), now)
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=ON_TIME.asset_key,
            check_name=ON_TIME.name,
            passed=finding.outcome == "passed",
            severity=severity(finding),
            description=finding.reason,
            metadata=figures(finding),
            partition=now.date().isoformat(),
        )
    )
    return finding
