"""The jobs of the operations, as the daemon starts them."""

import dagster as dg
import pytest

from mediatool_assets.definitions import defs

SCHEDULES = {
    "daily_verification": ("0 4 * * *", "operations__verification"),
    "weekly_restore_drill": ("0 5 * * 0", "operations__restore_drill"),
    "daily_retention": ("0 6 * * *", "operations__retention"),
}


@pytest.mark.parametrize("job", SCHEDULES)
def test_each_has_a_schedule_that_runs(job: str) -> None:
    """Whoever starts the daemon gets it, at hours that are not the export's."""
    cron, step = SCHEDULES[job]
    schedule = defs.resolve_schedule_def(f"{job}_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == (cron, "UTC")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.job_name == job
    assert [*defs.resolve_job_def(job).graph.node_dict] == [step]
