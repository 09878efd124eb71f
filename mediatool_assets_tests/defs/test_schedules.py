"""The schedule asks for the day of its tick, and for no other."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import dagster as dg

from mediatool_assets.core.outcomes import Timetable
from mediatool_assets.defs import daily_export_schedule
from mediatool_assets.orchestration import PLAIN
from mediatool_assets_tests.fixtures.dagster_day import today


def _evaluated(defs: dg.Definitions, moment: datetime) -> dg.RunRequest | dg.SkipReason:
    schedule = defs.resolve_schedule_def("daily_export_schedule")
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=moment,
            repository_def=defs.get_repository_def(),
        )
        ticked = schedule.evaluate_tick(context)
    if ticked.run_requests:
        return ticked.run_requests[0]
    return dg.SkipReason(ticked.skip_message)


def test_at_two_o_clock_it_asks_for_today(defs: dg.Definitions) -> None:
    """Today's partition, under the version {date}-020000, at most once."""
    two = datetime.now(UTC).replace(hour=2, minute=0, second=0, microsecond=0)
    request = _evaluated(defs, two)
    assert isinstance(request, dg.RunRequest)
    version = f"{two:%Y%m%d}-020000"
    assert request.partition_key == today()
    assert request.tags["mediatool/version"] == version
    assert request.run_key == version


def test_a_tick_that_is_made_up_for_later_is_skipped(defs: dg.Definitions) -> None:
    """Yesterday's rows are gone, so that yesterday's missed tick launches nothing."""
    late = datetime.now(UTC).replace(hour=2, minute=0, second=0) - timedelta(days=1)
    skipped = _evaluated(defs, late)
    assert isinstance(skipped, dg.SkipReason)
    assert "is over" in str(skipped.skip_message)


def test_it_is_on_by_default_at_two_utc(defs: dg.Definitions) -> None:
    """Whoever starts the daemon gets the daily export."""
    schedule = defs.resolve_schedule_def("daily_export_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 2 * * *", "UTC")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_hour_and_time_zone_are_settings() -> None:
    """The schedule of another timetable ticks by it."""
    schedule = daily_export_schedule(PLAIN, Timetable(22, "America/New_York"))
    assert (schedule.cron_schedule, schedule.execution_timezone) == (
        "0 22 * * *",
        "America/New_York",
    )


def test_the_first_day_is_a_setting() -> None:
    """Dagster's partitions begin there; a process of its own, since they are read once."""
    command = (
        "from mediatool_assets.orchestration import DAYS; print(DAYS.get_first_partition_key())"
    )
    environ = os.environ | {"MEDIATOOL_FIRST_DAY": "2026-11-01"}
    found = subprocess.run(
        [sys.executable, "-c", command], env=environ, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "2026-11-01"
