"""Runs whose process was killed are failed; nobody else's are touched."""

import subprocess
import sys

import dagster as dg
import psutil
import pytest

from mediatool_assets.orchestration.runs import (
    PROCESS_TAG,
    dead_run_sensor,
    release_dead_runs,
    this_process,
)


@dg.op
def nothing() -> None:
    """Do nothing."""


@dg.job
def idle() -> None:
    """A job to have runs of."""
    nothing()


def _started(instance: dg.DagsterInstance, process: str, retried: str | None = None) -> str:
    run = instance.create_run_for_job(
        idle,
        status=dg.DagsterRunStatus.STARTED,
        tags={PROCESS_TAG: process},
        parent_run_id=retried,
        root_run_id=retried,
    )
    return run.run_id


def _ended_process() -> str:
    """The process of a run, gone since."""
    host, _, _ = this_process().split()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = int(psutil.Process(process.pid).create_time())
    return f"{host} {process.pid} {started}"


def test_a_run_of_a_killed_process_is_failed(instance: dg.DagsterInstance) -> None:
    """Its partition and its pools are free for the next run."""
    run_id = _started(instance, _ended_process())
    assert release_dead_runs(instance) == [run_id]
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize(
    "process", [this_process(), "another-host 1 0", ""], ids=["this", "another host", "none"]
)
def test_runs_at_work_elsewhere_or_here_are_left_alone(
    instance: dg.DagsterInstance, process: str
) -> None:
    """Of a living process, of another host's, and of one that nobody noted, nothing is assumed."""
    _started(instance, process)
    assert release_dead_runs(instance) == []


def test_a_retry_that_waits_for_its_first_step_is_left_alone(instance: dg.DagsterInstance) -> None:
    """Dagster copies its parent's tags, and so the dead process; its own is judged once noted."""
    killed = _started(instance, _ended_process())
    assert release_dead_runs(instance) == [killed]
    parent = instance.get_run_by_id(killed)
    assert parent is not None
    retry = _started(instance, parent.tags[PROCESS_TAG], retried=killed)
    assert release_dead_runs(instance) == []
    instance.add_run_tags(retry, {PROCESS_TAG: _ended_process()})
    assert release_dead_runs(instance) == [retry]


def test_the_sensor_says_what_it_released(instance: dg.DagsterInstance) -> None:
    """The tick names the runs; Dagster's own retries launch them again."""
    run_id = _started(instance, _ended_process())
    with dg.build_sensor_context(instance=instance) as context:
        skipped = dead_run_sensor(context)
    assert isinstance(skipped, dg.SkipReason)
    assert run_id in str(skipped.skip_message)
