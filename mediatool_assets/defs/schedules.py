"""The daily schedule: at 02:00 UTC, the version of that very day."""

from datetime import UTC, datetime

import dagster as dg

from mediatool_assets.defs.jobs import DAILY
from mediatool_assets.defs.runs import VERSION_TAG
from mediatool_assets.domain.version import Version


@dg.schedule(
    job_name=DAILY,
    cron_schedule="0 2 * * *",
    execution_timezone="UTC",
    description="Asks for today's partition; its version is {date}-020000 whenever it starts.",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def daily_export_schedule(
    context: dg.ScheduleEvaluationContext,
) -> dg.RunRequest | dg.SkipReason:
    """Request the day of the tick; a tick that is made up for on a later day is skipped."""
    version = Version.at(context.scheduled_execution_time)
    today = datetime.now(UTC).date()
    if version.day != today:
        return dg.SkipReason(
            f"{version.partition} is over: a live database can be exported only for {today}"
        )
    return dg.RunRequest(
        run_key=str(version), partition_key=version.partition, tags={VERSION_TAG: str(version)}
    )
