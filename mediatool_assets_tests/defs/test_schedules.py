"""The schedule asks for the day of its tick, and for no other."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from mediatool_assets.defs.schedules import daily_export_schedule
from mediatool_assets_tests.defs.conftest import today


def _evaluated(defs: dg.Definitions, moment: datetime) -> dg.RunRequest | dg.SkipReason:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=moment)
        result = daily_export_schedule(context)
    assert isinstance(result, dg.RunRequest | dg.SkipReason)
    return result


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
