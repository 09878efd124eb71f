"""Versions verified by the job of the daemon: verdicts that are kept, and checks that turn red."""

from typing import Any

from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.versions.verdicts import standing_verdict
from mediatool_assets_tests.defs.conftest import Day, environment
from mediatool_assets_tests.defs.operated import run, told
from mediatool_assets_tests.json_schemas import faults_in


def test_versions_are_verified(day: Day, bucket_objects: ObjectStore) -> None:
    """The verdict is kept beside the version, and the figures are plotted."""
    result = run(day, "daily_verification", sample=100.0)
    facts = told(result)
    assert (facts["versions"], facts["not_passed"], facts["not_checked"]) == (1, 0, 0)
    assert facts["bytes"] > 0
    [check] = result.get_asset_check_evaluations()
    assert check.passed
    verdict = standing_verdict(bucket_objects, day.version)
    assert verdict is not None
    parts = {part.part: part.outcome for part in verdict.checks}
    assert parts == dict.fromkeys(("raw", "transformed", "dump", "mongodb", "postgres"), "passed")
    assert list(faults_in(bucket_objects)) == []


def test_the_share_and_the_days_are_settings(day: Day, bucket_objects: ObjectStore) -> None:
    """The twentieth of a version by default; versions that are older are left to their tier."""
    assert told(run(day, "daily_verification"))["sample"] == 5.0
    with environment(MEDIATOOL_VERIFY_SAMPLE="50"):
        assert told(run(day, "daily_verification"))["sample"] == 50.0
    assert told(run(day, "daily_verification", days=-1))["versions"] == 0


def test_damage_is_a_red_check(day: Day, live_database: Any) -> None:
    """The run goes through, and its check names version, database and collection; it stays red.

    Until all was read again and passed: what a sample does not read is as damaged as it was.
    """
    live_database.accounts.insert_one({"_id": "nobody's", "name": "nobody"})
    try:
        result = run(day, "daily_verification", sample=100.0)
    finally:
        live_database.accounts.delete_one({"_id": "nobody's"})
    assert result.success
    assert told(result)["not_passed"] == 1
    [check] = result.get_asset_check_evaluations()
    assert not check.passed
    assert f"{day.version} mongodb: accounts" in (check.description or "")
    [check] = run(day, "daily_verification").get_asset_check_evaluations()
    assert not check.passed
    [check] = run(day, "daily_verification", sample=100.0).get_asset_check_evaluations()
    assert check.passed
