"""Dagster's queue of runs, in which the runs of a backfill wait in the order of their days."""

from datetime import date

from dagster import DagsterRun, QueuedRunCoordinator, SubmitRunContext

from mediatool_assets.dagster_internals import BACKFILL_ID_TAG, PARTITION_NAME_TAG, PRIORITY_TAG

_FIRST = date(2020, 1, 1).toordinal()  # any day before all: what counts is the order


class OldestDayFirst(QueuedRunCoordinator):
    """Gives each run of a backfill a priority: below every other run, the older day the higher.

    A day is compared with the day before it, which must therefore be made first, whatever the order
    of selection. ``dagster.yaml`` allows one run of a backfill at a time. A retried run keeps its
    priority, but the next day may have begun meanwhile.
    """

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Queue the run; its tags are written before it can be taken from the queue."""
        run = context.dagster_run
        day = _day(run.tags.get(PARTITION_NAME_TAG, ""))
        if day is not None and BACKFILL_ID_TAG in run.tags and PRIORITY_TAG not in run.tags:
            priority = {PRIORITY_TAG: str(_FIRST - day.toordinal())}
            self._instance.add_run_tags(run.run_id, priority)
        return super().submit_run(context)


def _day(partition: str) -> date | None:
    try:
        return date.fromisoformat(partition)
    except ValueError:
        return None
