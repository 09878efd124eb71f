"""Freshness: every layer has its day's version an hour after the daily export begins.

Dagster's own policy uses an asset's last materialization in any partition. The UI shows it as a
badge, and after a backfill of an old day it looks fresh. Our check uses the day's partition. It is
evaluated in each run of a version. A sensor evaluates it too when the version is due, since the
day's run may hang.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import dagster as dg

from mediatool_assets.defs.check_results import check_result, check_spec, figures, severity
from mediatool_assets.defs.dead_runs import record_process
from mediatool_assets.defs.failures import errors_as_failures
from mediatool_assets.defs.layers import ON_TIME
from mediatool_assets.defs.namespace import PLAIN, Namespace
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.domain.outcome import Finding
from mediatool_assets.domain.punctuality import ALLOWED, Timetable
from mediatool_assets.flows.checks.version import day_on_time


def with_freshness(
    timetable: Timetable, *layers: dg.AssetsDefinition
) -> Iterator[dg.AssetsDefinition]:
    """Apply the timetable's freshness policy to each asset of the layers."""
    due = Timetable((timetable.hour + 1) % 24, timetable.zone)
    policy = dg.FreshnessPolicy.cron(due.cron, lower_bound_delta=ALLOWED, timezone=due.zone)
    for layer in layers:
        yield layer.map_asset_specs(
            lambda made: dg.apply_freshness_policy(made, policy, overwrite_existing=False)
        )


@dg.multi_asset_check(
    specs=[
        check_spec(ON_TIME.asset_key, ON_TIME.name, "The newest version of the day is complete.")
    ]
)
def check_on_time(
    context: dg.AssetCheckExecutionContext, servers: ServersResource
) -> dg.AssetCheckResult:
    """Check that the day has a complete version."""
    record_process(context.instance, context.run)
    with errors_as_failures():
        day = date.fromisoformat(context.partition_key)
        due = servers.settings().timetable.due(day)
        return check_result(ON_TIME, day_on_time(servers.objects(), day, datetime.now(UTC), due))


def on_time_sensor(names: Namespace) -> dg.SensorDefinition:
    """The sensor that checks, without starting a run, whether today's version is on time."""

    @dg.sensor(
        name=names.name("on_time_sensor"),
        required_resource_keys={names.name("servers")},
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Checks, when today's version is due, whether it is complete. Starts no run.",
    )
    def sense(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        """Check today once, from the deadline on; the cursor is the day that was checked."""
        servers: ServersResource = getattr(context.resources, names.name("servers"))
        now = datetime.now(UTC)
        day = (now - ALLOWED).date()  # begun in the last hour of a day: due the next day
        due = servers.settings().timetable.due(day)
        if now < due:
            return dg.SkipReason(f"{day}: not due before {due:%H:%M} UTC")
        if context.cursor == day.isoformat():
            return dg.SkipReason(f"{day} has been checked")
        finding = day_on_time(servers.objects(), day, now, due)
        report(context.instance, day, finding, names)
        context.update_cursor(day.isoformat())
        return dg.SkipReason(f"{finding.outcome}: {finding.reason}")

    return sense


def report(
    instance: dg.DagsterInstance, day: date, finding: Finding, names: Namespace = PLAIN
) -> None:
    """Record the finding in that day's partition, without a run."""
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=names.key(ON_TIME.asset_key),
            check_name=ON_TIME.name,
            passed=finding.outcome == "passed",
            severity=severity(finding),
            description=finding.reason,
            metadata=figures(finding),
            partition=day.isoformat(),
        )
    )
