"""The queue of runs: the days of a backfill in their order, and below what else there is."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.run_coordinator.base import SubmitRunContext
from dagster._core.storage.tags import PRIORITY_TAG
from dagster._core.test_utils import create_run_for_test
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from mediatool_assets.instance_queue import OldestDayFirst

ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(InProcessCodeLocationOrigin(LoadableTargetOrigin()), "repository"), "job"
)
DAYS = ("2026-11-03", "2026-11-01", "2026-11-02")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with the queue of dagster.yaml."""
    queue = {"module": "mediatool_assets.instance_queue", "class": "OldestDayFirst"}
    overrides = {"run_coordinator": queue}
    with dg.instance_for_test(overrides=overrides, temp_dir=str(tmp_path)) as instance:
        assert isinstance(instance.run_coordinator, OldestDayFirst)
        yield instance


def _priority(instance: dg.DagsterInstance, tags: dict[str, str]) -> int:
    run = create_run_for_test(instance, "job", tags=tags, remote_job_origin=ORIGIN)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    coordinator = instance.run_coordinator
    context = SubmitRunContext(found, workspace=None)  # type: ignore[arg-type]  # it is not asked
    queued = coordinator.submit_run(context)
    assert queued.status is dg.DagsterRunStatus.QUEUED
    return int(queued.tags.get(PRIORITY_TAG, "0"))


def test_the_older_day_goes_first(instance: dg.DagsterInstance) -> None:
    """In whatever order they came."""
    found = {
        day: _priority(instance, {"dagster/partition": day, "dagster/backfill": "b"})
        for day in DAYS
    }
    assert sorted(DAYS, key=lambda day: -found[day]) == sorted(DAYS)
    assert max(found.values()) < 0


@pytest.mark.parametrize(
    "tags",
    [
        {"dagster/partition": "2026-11-01"},
        {},
        {"dagster/backfill": "b", "dagster/partition": "everything"},
    ],
)
def test_other_runs_have_dagsters_own(instance: dg.DagsterInstance, tags: dict[str, str]) -> None:
    """The daily run goes before every day of a backfill."""
    assert _priority(instance, tags) == 0


def test_a_priority_that_was_given_stays(instance: dg.DagsterInstance) -> None:
    """Whoever gave it knows why; a run that is tried again keeps its own."""
    tags = {"dagster/partition": "2026-11-01", "dagster/backfill": "b", PRIORITY_TAG: "7"}
    assert _priority(instance, tags) == 7
