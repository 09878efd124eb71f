"""Verification, the restore drill and retention, as the jobs of the daemon run them."""

import os
from collections.abc import Iterator
from typing import Any

import dagster as dg
import psycopg
import pytest
from pymongo import MongoClient

from mediatool_assets.domain.errors import CheckFailed
from mediatool_assets.domain.keys import mongodb_database, postgres_database
from mediatool_assets.flows.drill import SCRATCH
from mediatool_assets.flows.evidence import evidence_of
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.verify import standing_verdict
from mediatool_assets_tests.defs.conftest import Day, environment, locked_out_of_mongodb

JOBS = {
    "daily_verification": ("0 4 * * *", "operations__verification"),
    "weekly_restore_drill": ("0 5 * * 0", "operations__restore_drill"),
    "daily_retention": ("0 6 * * *", "operations__retention"),
}


def run(day: Day, job: str, **config: object) -> dg.ExecuteInProcessResult:
    """The job, with this configuration of its step, in an instance of its own."""
    steps = {"ops": {JOBS[job][1]: {"config": config}}} if config else {}
    with dg.DagsterInstance.ephemeral() as instance:
        return day.defs.resolve_job_def(job).execute_in_process(
            run_config=steps, instance=instance, raise_on_error=False
        )


def told(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """The metadata of the one materialization."""
    [event] = result.get_asset_materialization_events()
    return {
        name: value.records if isinstance(value, dg.TableMetadataValue) else value.value
        for name, value in event.materialization.metadata.items()
    }


def postgres_databases() -> set[str]:
    """Every database of the server that versions are restored to."""
    with psycopg.connect(os.environ["MEDIATOOL_RESTORE_POSTGRES_URL"]) as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


@pytest.fixture
def live(day: Day) -> Iterator[Any]:
    """The version's MongoDB database."""
    with MongoClient[Any](os.environ["MEDIATOOL_MONGODB_URL"]) as client:
        yield client[mongodb_database(day.version)]


@pytest.mark.parametrize("job", JOBS)
def test_each_has_a_schedule_that_runs(day: Day, job: str) -> None:
    """Whoever starts the daemon gets it, at hours that are not the export's."""
    schedule = day.defs.resolve_schedule_def(f"{job}_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == (JOBS[job][0], "UTC")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.job_name == job


def test_versions_are_verified(day: Day, bucket_objects: ObjectStore) -> None:
    """The verdict is kept beside the version, and the figures are plotted."""
    result = run(day, "daily_verification", sample=100.0)
    facts = told(result)
    assert (facts["versions"], facts["not_passed"]) == (1, 0)
    assert facts["bytes"] > 0
    [check] = result.get_asset_check_evaluations()
    assert check.passed
    verdict = standing_verdict(bucket_objects, day.version)
    assert verdict is not None
    parts = {part.part: part.outcome for part in verdict.checks}
    assert parts == dict.fromkeys(("raw", "transformed", "dump", "mongodb", "postgres"), "passed")


def test_the_share_and_the_days_are_settings(day: Day, bucket_objects: ObjectStore) -> None:
    """The twentieth of a version by default; versions that are older are left to their tier."""
    assert told(run(day, "daily_verification"))["sample"] == 5.0
    with environment(MEDIATOOL_VERIFY_SAMPLE="50"):
        assert told(run(day, "daily_verification"))["sample"] == 50.0
    assert told(run(day, "daily_verification", days=-1))["versions"] == 0


def test_damage_is_a_red_check(day: Day, live: Any) -> None:
    """The run goes through, and its check names version, database and collection; it stays red.

    Until all was read again and passed: what a sample does not read is as damaged as it was.
    """
    live.accounts.insert_one({"_id": "nobody's", "name": "nobody"})
    try:
        result = run(day, "daily_verification", sample=100.0)
    finally:
        live.accounts.delete_one({"_id": "nobody's"})
    assert result.success
    assert told(result)["not_passed"] == 1
    [check] = result.get_asset_check_evaluations()
    assert not check.passed
    assert f"{day.version} mongodb: accounts" in (check.description or "")
    [check] = run(day, "daily_verification").get_asset_check_evaluations()
    assert not check.passed
    [check] = run(day, "daily_verification", sample=100.0).get_asset_check_evaluations()
    assert check.passed


def test_the_drill_restores_verifies_and_drops(
    day: Day, live: Any, bucket_objects: ObjectStore
) -> None:
    """Both servers, with the time that each took, and evidence; nothing is left of it."""
    facts = told(run(day, "weekly_restore_drill"))
    assert (facts["version"], facts["verdict"]) == (str(day.version), "verified")
    assert facts["rows_postgres"] == 5
    assert facts["rows_mongodb"] == 5
    assert facts["seconds_postgres"] > 0
    assert facts["seconds_mongodb"] > 0
    drills = [e for e in evidence_of(bucket_objects, day.version) if e.database == SCRATCH]
    assert [(e.to, e.verdict) for e in drills] == [
        ("postgres", "verified"),
        ("mongodb", "verified"),
    ]
    assert not [name for name in postgres_databases() if name.startswith(SCRATCH)]
    assert SCRATCH not in live.client.list_database_names()


def test_a_drill_that_fails_fails_its_run(day: Day, bucket_objects: ObjectStore) -> None:
    """The error is the run's, and says what to do; the evidence says that it failed."""
    with locked_out_of_mongodb():
        result = run(day, "weekly_restore_drill")
    assert not result.success
    drills = [e for e in evidence_of(bucket_objects, day.version) if e.database == SCRATCH]
    assert drills[-1].verdict == "failed"


def test_a_drill_that_fails_on_one_server_is_done_on_the_other(
    day: Day, live: Any, bucket_objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves nothing on either, whatever it was that failed."""
    failing = CheckFailed("a row is not what it was")

    def fail(*_: object, **__: object) -> Any:
        raise failing

    monkeypatch.setattr("mediatool_assets.flows.restore.reread", fail)
    monkeypatch.setattr("mediatool_assets.flows.load._verify", fail)
    result = run(day, "weekly_restore_drill")
    assert not result.success
    drills = [e for e in evidence_of(bucket_objects, day.version) if e.database == SCRATCH]
    assert [(e.to, e.verdict, e.reason) for e in drills[-2:]] == [
        ("postgres", "failed", str(failing)),
        ("mongodb", "failed", str(failing)),
    ]
    assert not [name for name in postgres_databases() if name.startswith(SCRATCH)]
    assert SCRATCH not in live.client.list_database_names()


def test_retention_only_tells_by_default(day: Day, live: Any) -> None:
    """The plan, every keep and drop with its reason; nothing is gone."""
    unknown = "mediatool_20200101-000000"
    live.client[unknown]["_mediatool_version"].insert_one({"_id": "20200101-000000"})
    facts = told(run(day, "daily_retention"))
    assert (facts["dry_run"], facts["to_drop"], facts["dropped"]) == (True, 1, 0)
    plan = {record.data["name"]: record.data for record in facts["plan"]}
    assert plan[unknown]["does"] == "drop"
    assert plan[postgres_database(day.version)]["does"] == "keep"
    assert unknown in live.client.list_database_names()
    with environment(MEDIATOOL_PRUNE_DAILY="yes"):
        result = run(day, "daily_retention")
    assert (told(result)["dry_run"], told(result)["dropped"]) == (False, 1)
    assert all(check.passed for check in result.get_asset_check_evaluations())
    names = live.client.list_database_names()
    assert unknown not in names
    assert mongodb_database(day.version) in names
    assert postgres_database(day.version) in postgres_databases()
