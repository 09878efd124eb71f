"""A new version starts a job; the shipped one reloads the staging database."""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from pymongo import MongoClient

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version
from mediatool_assets.orchestration import METADATA, Namespace
from mediatool_assets.restore.assets import STAGING, new_version_sensor
from mediatool_assets.stores.mongodb_claim import MARKER
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.versions.records import restore_records
from mediatool_assets_tests.fixtures.dagster_day import Day, environment


@pytest.fixture
def staging() -> Iterator[str]:
    """A staging database of its own, gone after the test."""
    url = os.environ["MEDIATOOL_MONGODB_URL"]
    name = "staging_of_the_tests"
    with (
        environment(MEDIATOOL_STAGING_DATABASE=name),
        MongoClient[dict[str, object]](url) as client,
    ):
        yield name
        client.drop_database(name)


def _reload(day: Day, instance: dg.DagsterInstance) -> dict[str, object]:
    run = day.defs.resolve_job_def("reload_staging").execute_in_process(instance=instance)
    [made] = run.asset_materializations_for_node("operations__staging")
    assert made.asset_key == STAGING
    return {name: entry.value for name, entry in made.metadata.items()}


def test_staging_is_the_newest_version_and_is_loaded_once(
    day: Day, staging: str, instance: dg.DagsterInstance, bucket_objects: ObjectStore
) -> None:
    """Read back and compared, with evidence; a second run finds it there."""
    first, second = _reload(day, instance), _reload(day, instance)
    assert (first["reloaded"], second["reloaded"]) == (True, False)
    assert first["version"] == second["version"]
    url = os.environ["MEDIATOOL_MONGODB_URL"]
    with MongoClient[dict[str, object]](url) as client:
        names = set(client[staging].list_collection_names()) - {MARKER}
        documents = sum(client[staging][name].count_documents({}) for name in names)
    assert documents == first["documents"]
    kept = restore_records(bucket_objects, Version.parse(str(first["version"])))
    assert staging in {one.database for one in kept}


def _published(instance: dg.DagsterInstance, *versions: str) -> None:
    for version in versions:
        day = Version.parse(version).partition
        instance.report_runless_asset_event(
            dg.AssetMaterialization(METADATA, partition=day, metadata={"version": version})
        )


def test_each_new_version_starts_one_run(tmp_path: Path) -> None:
    """Several in one tick too; what was there before starts none, and nor does a restart."""
    sensor = new_version_sensor(Namespace(), "reload_staging")
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        cursor = None
        asked = []
        for versions in (["20250620-020000"], [], ["20250621-020000", "20250622-020000"], []):
            _published(instance, *versions)
            context = dg.build_sensor_context(instance=instance, cursor=cursor)
            tick = sensor.evaluate_tick(context)
            cursor = tick.cursor
            asked.append([request.tags["mediatool/version"] for request in tick.run_requests or []])
    assert asked == [[], [], ["20250621-020000", "20250622-020000"], []]


def test_it_is_off_until_it_is_switched_on(defs: dg.Definitions) -> None:
    """And starts the job that the settings name."""
    found = defs.resolve_sensor_def("new_version_sensor")
    assert found.default_status is dg.DefaultSensorStatus.STOPPED
    assert found.job_name == Settings().new_version_job
