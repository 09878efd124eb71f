"""The data-integrity report in Dagster: kept, shown, and red where a store was changed."""

import os
from typing import Any

import dagster as dg
import pytest
from pymongo import MongoClient

from mediatool_assets.core.version import Version, report_key
from mediatool_assets.integrity.plan import Integrity
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.versions import catalog
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.fixtures.dagster_day import Day, locked_out_of_mongodb

ASSET = dg.AssetKey("data_integrity_report")
INTACT = dg.AssetCheckKey(ASSET, "intact")


@pytest.fixture
def newest(day: Day, bucket_objects: ObjectStore) -> Version:
    """What reports are about: the day's version, or one that other tests have made since."""
    return catalog.latest(bucket_objects, day.partition).version


def reported(day: Day) -> dg.AssetCheckEvaluation:
    """Report on the day again, and judge the report."""
    job = day.defs.resolve_implicit_global_asset_job_def()
    alone = job.get_subset(asset_selection={ASSET}, asset_check_selection={INTACT})
    result = alone.execute_in_process(partition_key=day.partition, instance=day.instance)
    [found] = result.get_asset_check_evaluations()
    return found


def test_a_good_day_is_intact(day: Day, newest: Version, bucket_objects: ObjectStore) -> None:
    """JSON and HTML lie under the day, the UI has the Markdown, and every store was there."""
    data, _ = bucket_objects.get(report_key("data-integrity-report", day.partition))
    page, _ = bucket_objects.get(report_key("data-integrity-report", day.partition, "html"))
    report = Integrity.from_json(data)
    assert (report.version, report.verdict) == (str(newest), "passed")
    stores = {line.thing for line in report.lines if line.area == "stores"}
    assert stores == {"raw", "transformed", "dump", "mongodb", "postgres"}
    assert page.startswith(b"<!doctype html>")
    facts = day.metadata("data_integrity_report")
    assert facts["verdict"] == "passed"
    assert facts["checks_failed"] == facts["checks_unknown"] == 0
    assert str(day.version) in str(facts["report"])


def test_the_report_is_made_of_a_complete_version(day: Day) -> None:
    """After the version is published, and before its check."""
    steps = [event.step_key for event in day.result.all_events if event.is_step_start]
    assert steps.index("publish") < steps.index("report_integrity")
    assert steps.index("report_integrity") < steps.index("check_data_integrity_report")


def test_a_changed_value_turns_the_check_red(day: Day, newest: Version) -> None:
    """It names table and column; and it is green again when the value is."""
    with MongoClient[dict[str, Any]](os.environ["MEDIATOOL_MONGODB_URL"]) as client:
        accounts = client[mongodb_database(newest)]["accounts"]
        accounts.update_one({"_id": "a"}, {"$set": {"name": "Are"}})
        found = reported(day)
        accounts.update_one({"_id": "a"}, {"$set": {"name": "Åre"}})
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.ERROR
    assert "accounts: 1 different in name" in (found.description or "")
    assert "Are" not in (found.description or "")
    assert reported(day).passed


def test_a_store_that_cannot_be_read_has_not_passed(day: Day) -> None:
    """The report is made all the same, and says that nothing is known."""
    with locked_out_of_mongodb():
        found = reported(day)
    assert not found.passed
    assert found.metadata["outcome"].value == "unknown"
    assert reported(day).passed
