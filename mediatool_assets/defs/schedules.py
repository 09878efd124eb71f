"""The daily schedule: makes today's version at the configured hour."""

from datetime import UTC, datetime
from functools import partial

import dagster as dg

from mediatool_assets.defs.jobs import DAILY
from mediatool_assets.defs.namespace import Namespace
from mediatool_assets.defs.runs import VERSION_TAG
from mediatool_assets.domain.punctuality import Timetable
from mediatool_assets.domain.version import Version


def daily_export_schedule(names: Namespace, timetable: Timetable) -> dg.ScheduleDefinition:
    """The schedule; the version is named by the scheduled time, even if the tick is late."""
    return dg.ScheduleDefinition(
        name=names.name("daily_export_schedule"),
        job_name=names.name(DAILY),
        cron_schedule=timetable.cron,
        execution_timezone=timetable.zone,
        description=f"Makes today's version at {timetable}.",
        execution_fn=partial(_request, names),
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def _request(
    names: Namespace, context: dg.ScheduleEvaluationContext
) -> dg.RunRequest | dg.SkipReason:
    """Request the day of the tick; a tick that Dagster makes up for on a later day is skipped."""
    version = Version.at(context.scheduled_execution_time)
    today = datetime.now(UTC).date()
    if version.day != today:
        return dg.SkipReason(
            f"{version.partition} is over: a live database can be exported only for {today}"
        )
    return dg.RunRequest(
        run_key=str(version),
        partition_key=version.partition,
        tags={names.tag(VERSION_TAG): str(version)},
    )
