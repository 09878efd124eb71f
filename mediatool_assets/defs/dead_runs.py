"""Finds runs whose process was killed; Dagster's launcher leaves them as started forever.

Such a run would block its partition and its pools for every other run. Steps record their process
in a run tag. If that process is gone, the run is reported as failed, and Dagster retries it.
"""

import os
import socket

import dagster as dg
import psutil

PROCESS_TAG = "mediatool/process"

_SECONDS_APART = 5  # psutil adds a process's age to the boot time, which shifts with the clock
_AT_WORK = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def this_process() -> str:
    """A unique name of this process: ``host pid start``, the start in seconds."""
    pid = os.getpid()
    return f"{socket.gethostname()} {pid} {int(psutil.Process(pid).create_time())}"


def record_process(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Tag the run with its current process, unless it is tagged already."""
    if run.tags.get(PROCESS_TAG) != (process := this_process()):
        instance.add_run_tags(run.run_id, {PROCESS_TAG: process})


def release_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fail the runs of this host whose process is gone, free their pools, and return their ids."""
    dead = [
        run
        for run in instance.get_runs(dg.RunsFilter(statuses=_AT_WORK))
        if _is_dead(run.tags.get(PROCESS_TAG, "")) and not _inherited(instance, run)
    ]
    for run in dead:
        instance.report_run_failed(
            run, "The run's process is gone: it was killed, or the host stopped."
        )
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in dead]


def _inherited(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """True if the process is that of the run that this one retries: Dagster copies its tags.

    Before its first step a run has no known process; ``run_monitoring`` ends it later.
    """
    parent = instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None
    return parent is not None and parent.tags.get(PROCESS_TAG) == run.tags.get(PROCESS_TAG)


def _is_dead(process: str) -> bool:
    """True if the process ran on this host and has ended; unknown for other hosts."""
    host, _, rest = process.partition(" ")
    if host != socket.gethostname():
        return False
    pid, _, started = rest.partition(" ")
    try:
        apart = psutil.Process(int(pid)).create_time() - int(started)
    except psutil.NoSuchProcess:
        return True
    return abs(apart) > _SECONDS_APART


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Marks runs whose process was killed as failed, so that their partition is free.",
)
def dead_run_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Release dead runs. It launches nothing, since Dagster retries failed runs itself."""
    released = release_dead_runs(context.instance)
    return dg.SkipReason(f"released {', '.join(released)}" if released else "no dead run")
