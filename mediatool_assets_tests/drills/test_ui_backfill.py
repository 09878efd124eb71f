"""A backfill from Dagster's UI, of past days from RDS snapshot exports, that a crash interrupts."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version
from mediatool_assets.demo.demonstration import export_as_rds
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets_tests.drills.test_dagster_ui import _ask, _dagster_dev, _loaded, _wait_for

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(900),
]  # two minutes alone, more beside other work

THREE = tuple(Version(datetime(2025, 7, day, 3, tzinfo=UTC)) for day in (1, 2, 3))

BACKFILL = """
mutation Backfill($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""

STATUS = """
query Status($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
}"""


def ended(url: str, backfill: str) -> dict[str, Any] | None:
    """The backfill, once it has come to its end."""
    found: dict[str, Any] = _ask(url, STATUS, id=backfill)["partitionBackfillOrError"]
    return None if found["status"] in ("REQUESTED", "CANCELING", "FAILING") else found


def launched(url: str, partitions: list[str]) -> str:
    """The id of a backfill of these partitions, launched as the UI launches it."""
    repository = _wait_for("the code location", lambda: _loaded(url))
    params = {
        "selector": {
            "partitionSetName": "daily_export_partition_set",
            "repositorySelector": {
                "repositoryName": repository["name"],
                "repositoryLocationName": repository["location"]["name"],
            },
        },
        "partitionNames": partitions,
    }
    launched = _ask(url, BACKFILL, params=params)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    backfill: str = launched["backfillId"]
    return backfill


def _runs(instance: dg.DagsterInstance, *statuses: dg.DagsterRunStatus) -> list[dg.DagsterRun]:
    """The runs of a backfill in these states, or in any."""
    runs = instance.get_runs(dg.RunsFilter(statuses=list(statuses)))
    return [run for run in runs if "dagster/backfill" in run.tags]


def _at_work(instance: dg.DagsterInstance) -> dict[str, Any] | None:
    """The run that has begun to export, if one has."""
    for run in _runs(instance, dg.DagsterRunStatus.STARTED):
        if "mediatool/version" in run.tags:
            return {"partition": run.tags["dagster/partition"]}
    return None


def _all_made(objects: S3Objects) -> dict[str, Any] | None:
    made = [list(catalog.versions(objects, v.day, v.day)) for v in THREE]
    return {"made": made} if all(made) else None


def _quiet(instance: dg.DagsterInstance) -> dict[str, Any] | None:
    unfinished = [run for run in _runs(instance) if not run.is_finished]
    return None if unfinished else {}


@pytest.mark.usefixtures("drill_source")
def test_a_backfill_goes_on_after_everything_was_killed(tmp_path: Path) -> None:
    """SIGKILL in the middle of three days, chosen newest first: each is made once, oldest first.

    Web server, daemon, code server and the run at work all go at once, as when the machine fails.
    The day that was at work may come after the next one: Dagster queues it again some seconds late.
    """
    objects = S3Objects.of(Settings.parse(os.environ))
    for version in THREE:
        export_as_rds(Url(os.environ["MEDIATOOL_POSTGRES_URL"]), objects.put, version)
    with dg.DagsterInstance.get() as instance:
        before = {run.run_id for run in _runs(instance)}
        with _dagster_dev(tmp_path / "first.log", killed=True) as url:
            launched(url, [version.partition for version in reversed(THREE)])
            working = _wait_for("the first run", lambda: _at_work(instance))
        assert working["partition"] == THREE[0].partition
        assert _all_made(objects) is None
        with _dagster_dev(log := tmp_path / "second.log"):
            _wait_for("the three days", lambda: _all_made(objects))
            _wait_for("the last run", lambda: _quiet(instance))
        runs = [run for run in _runs(instance) if run.run_id not in before]
        made = sorted(
            (record.end_time or 0.0, record.dagster_run.tags["dagster/partition"])
            for run in runs
            if (record := instance.get_run_record_by_id(run.run_id)) is not None
            and run.status is dg.DagsterRunStatus.SUCCESS
        )
        days = [version.partition for version in THREE]
        assert sorted(partition for _, partition in made) == days, log.read_text()[-4000:]
        assert [partition for _, partition in made if partition != days[0]] == days[1:]
        failed = [run for run in runs if run.status is dg.DagsterRunStatus.FAILURE]
        assert {run.tags["dagster/partition"] for run in failed} == {days[0]}
        assert len(runs) == len(days) + len(failed)
    for version in THREE:
        assert list(catalog.versions(objects, version.day, version.day)) == [version]
        for kind in ("raw", "transformed"):
            prefix = f"postgres-exports/{kind}/{version.partition}/"
            assert len(list(objects.list(prefix))) == 1
        assert len(list(objects.list(f"mongodb-dumps/{version.partition}/"))) == 1
