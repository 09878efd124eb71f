"""Versions verified by the job of the daemon: verdicts that are kept, and checks that turn red."""

from typing import Any

import dagster as dg

from mediatool_assets.core.authenticity import BEGINNING, entry_key
from mediatool_assets.core.version import metadata_key
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions.flow import newest
from mediatool_assets.versions.records import standing_verdict
from mediatool_assets_tests.defs.operated import run, run_in, told
from mediatool_assets_tests.fixtures.dagster_day import Day, environment
from mediatool_assets_tests.json_schemas import faults_in
from mediatool_assets_tests.versions.test_chain import add, named


def evaluations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """What the checks found, by name."""
    return {each.check_name: each for each in result.get_asset_check_evaluations()}


def test_versions_are_verified(day: Day, bucket_objects: ObjectStore) -> None:
    """The verdict is kept beside the version, and the figures are plotted."""
    result = run(day, "daily_verification", sample=100.0)
    facts = told(result)
    assert facts["versions"] >= 1  # the package's tests share the bucket
    assert (facts["not_passed"], facts["not_checked"]) == (0, 0)
    assert facts["bytes"] > 0
    checks = evaluations(result)
    assert {name: check.passed for name, check in checks.items()} == {
        "all_passed": True,
        "chain": True,
    }
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
    check = evaluations(result)["all_passed"]
    assert not check.passed
    assert f"{day.version} mongodb: accounts" in (check.description or "")
    check = evaluations(run(day, "daily_verification"))["all_passed"]
    assert not check.passed
    check = evaluations(run(day, "daily_verification", sample=100.0))["all_passed"]
    assert check.passed


def test_a_chain_whose_end_was_cut_off_is_a_red_check(
    day: Day, objects: S3Objects, instance: dg.DagsterInstance
) -> None:
    """Dagster records a checkpoint each day, outside of the bucket; red until the end is back."""

    def verified() -> tuple[dg.AssetCheckEvaluation, str]:
        with environment(MEDIATOOL_S3_BUCKET=objects.bucket):
            result = run_in(instance, day, "daily_verification", days=-1)
        return evaluations(result)["chain"], told(result)["checkpoint"]

    assert verified()[1] == str(BEGINNING)
    add(objects, named(1))
    add(objects, named(2))
    sound, checkpoint = verified()
    assert sound.passed
    assert checkpoint == str(newest(objects))
    key = entry_key(2)
    entry, _ = objects.get(key)
    for gone in (key, metadata_key(named(2))):
        objects.client.delete_object(Bucket=objects.bucket, Key=gone)
    for _ in range(2):
        cut, kept = verified()
        assert not cut.passed
        assert kept == checkpoint
        assert cut.description == (
            "the chain ends with entry 1, but the checkpoint is entry 2: its end was cut off"
        )
    objects.put(key, entry)
    assert "entry 2 says that it exists, but its metadata does not" in (
        verified()[0].description or ""
    )
