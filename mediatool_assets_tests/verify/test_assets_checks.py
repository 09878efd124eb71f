"""Asset checks on real servers: green on a good day, red for what is wrong, and one that blocks."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import boto3
import dagster as dg
import pytest
from pymongo import MongoClient

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.defs.launch import failure_of
from mediatool_assets.orchestration import ON_TIME, Namespace
from mediatool_assets.orchestration.resources import ServersResource
from mediatool_assets.orchestration.runs import PROCESS_TAG, this_process
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.stores.s3_bucket import S3Deletion
from mediatool_assets.verify import assets as freshness
from mediatool_assets.verify.assets import on_time_sensor, report
from mediatool_assets.verify.checks import day_on_time
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.fixtures.dagster_day import Day, locked_out_of_mongodb, today
from mediatool_assets_tests.planting import lines_of, rewritten

LOADED = dg.AssetCheckKey(dg.AssetKey(["mongodb", "campaigns"]), "loaded")

EXPECTED = {
    ("raw/accounts", "counted"),
    ("raw/accounts", "as_usual"),
    ("raw/campaigns", "counted"),
    ("raw/campaigns", "as_usual"),
    ("transformed/campaigns", "as_usual"),
    ("mongodb/accounts", "loaded"),
    ("mongodb/campaigns", "loaded"),
    ("dump", "dumped"),
    ("metadata", "accounted"),
    ("metadata", "losses_as_usual"),
    ("metadata", "archives_whole"),
    ("metadata", "unnamed"),
    ("metadata", "schema_as_before"),
    ("metadata", "on_time"),
    ("metadata", "restored"),
    ("daily_metrics_comparison", "thresholds"),
    ("data_integrity_report", "intact"),
}


def evaluations(
    result: dg.ExecuteInProcessResult,
) -> Mapping[tuple[str, str], dg.AssetCheckEvaluation]:
    """What a run found, by asset and check."""
    found = result.get_asset_check_evaluations()
    return {(one.asset_key.to_user_string(), one.check_name): one for one in found}


def checked(day: Day, *keys: dg.AssetCheckKey) -> Mapping[tuple[str, str], dg.AssetCheckEvaluation]:
    """What the checks find of the day's version when they are run again alone."""
    job = day.defs.resolve_implicit_global_asset_job_def()
    alone = job.get_subset(asset_selection=set(), asset_check_selection=set(keys))
    return evaluations(
        alone.execute_in_process(
            partition_key=day.partition,
            instance=day.instance,
            tags={"mediatool/version": str(day.version)},
        )
    )


def test_a_good_day_passes_every_check_in_its_partition(day: Day) -> None:
    """The daily job checks every layer; each evaluation is of the day, with its figures."""
    found = evaluations(day.result)
    assert found.keys() == EXPECTED
    assert {key for key, one in found.items() if not one.passed} == set()
    assert {one.partition for one in found.values()} == {day.partition}
    counted = found["raw/campaigns", "counted"].metadata
    assert counted["rows_in_snapshot"].value == counted["rows_in_archive"].value == 2
    assert found["mongodb/campaigns", "loaded"].metadata["documents_now"].value == 2


def test_only_the_count_of_the_source_blocks(defs: dg.Definitions) -> None:
    """What is merely odd stops no version."""
    graph = defs.resolve_asset_graph()
    blocking = {key for key in graph.asset_check_keys if graph.get_check_spec(key).blocking}
    assert {(key.asset_key.path[0], key.name) for key in blocking} == {("raw", "counted")}


def test_a_raw_archive_that_is_not_what_the_source_had_is_not_loaded(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    bucket_objects: S3Objects,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """The check of the table that lost a row fails, and nothing after it runs."""
    raw = dg.define_asset_job("raw_only", dg.AssetSelection.groups("raw"))
    only = dg.Definitions.merge(defs, dg.Definitions(jobs=[raw])).resolve_job_def("raw_only")
    made = only.execute_in_process(partition_key=today(), instance=instance)
    run = instance.get_run_by_id(made.run_id)
    assert run is not None
    version = Version.parse(run.tags["mediatool/version"])
    _without_a_row(bucket_objects, version, tmp_path / "raw.tar.gz")
    request.addfinalizer(lambda: S3Deletion(bucket_objects).remove(archive_key("raw", version)))
    result = defs.resolve_job_def("daily_export").execute_in_process(
        partition_key=today(),
        instance=instance,
        tags={"mediatool/version": str(version)},
        raise_on_error=False,
    )
    assert not result.success
    found = evaluations(result)
    assert not found["raw/campaigns", "counted"].passed
    assert found["raw/accounts", "counted"].passed
    steps = {event.step_key for event in result.all_events if event.is_step_start}
    assert steps == {"export", "check_raw"}
    assert not ServersResource().documents().exists(mongodb_database(version))
    said, exit_code = failure_of(result.run_id, result.all_events)
    assert (said.startswith("check_raw: campaigns: "), exit_code) == (True, 1)


def _without_a_row(objects: ObjectStore, version: Version, path: Path) -> None:
    """Remove a row of ``campaigns`` from the archive in the bucket, and from its manifest."""
    key = archive_key("raw", version)
    source = objects.open(key)
    path.write_bytes(source.read(0, source.size))
    rewritten(path, "campaigns", lines_of(path, "campaigns")[1:])
    settings = Settings.parse(os.environ)
    client = boto3.client("s3", endpoint_url=settings.s3_endpoint_url)
    client.put_object(Bucket=settings.s3_bucket, Key=key, Body=path.read_bytes())
    client.close()


def test_a_document_that_is_gone_after_the_load_turns_its_collection_red(day: Day) -> None:
    """Checks can be run again alone; they find what changed since the run."""
    assert checked(day, LOADED)["mongodb/campaigns", "loaded"].passed
    url = os.environ["MEDIATOOL_MONGODB_URL"]
    with MongoClient[dict[str, object]](url) as client:
        collection = client[mongodb_database(day.version)]["campaigns"]
        document = collection.find_one_and_delete({"_id": "2"})
        assert document is not None
        found = checked(day, LOADED)["mongodb/campaigns", "loaded"]
        collection.insert_one(document)
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.ERROR
    assert found.metadata["documents_now"].value == 1
    assert found.metadata["outcome"].value == "failed"


def test_a_server_that_cannot_be_asked_has_not_passed(day: Day) -> None:
    """The check is red, and says that nothing is known."""
    with locked_out_of_mongodb():
        found = checked(day, LOADED)["mongodb/campaigns", "loaded"]
    assert not found.passed
    assert found.metadata["outcome"].value == "unknown"
    assert "credentials" in (found.description or "")


def test_checks_note_the_process_that_they_run_in(day: Day) -> None:
    """Also of a retry that came with the tag of a process that is gone."""
    job = day.defs.resolve_implicit_global_asset_job_def()
    checks = day.defs.resolve_asset_graph().asset_check_keys
    for check in (LOADED, ON_TIME, *(key for key in checks if key.name == "thresholds")):
        alone = job.get_subset(asset_selection=set(), asset_check_selection={check})
        run = alone.execute_in_process(
            partition_key=day.partition,
            instance=day.instance,
            tags={PROCESS_TAG: "another-host 1 0"},
        ).dagster_run
        found = day.instance.get_run_by_id(run.run_id)
        assert found is not None
        assert found.tags[PROCESS_TAG] == this_process(), check


def test_every_layer_has_a_freshness_policy(defs: dg.Definitions) -> None:
    """All that the daily job makes is due at 03:00 UTC, and nothing else is."""
    daily = defs.resolve_job_def("daily_export").asset_layer.selected_asset_keys
    for spec in defs.resolve_all_asset_specs():
        assert (spec.freshness_policy is not None) == (spec.key in daily), spec.key
        assert spec.key not in daily or "0 3 * * *" in str(spec.freshness_policy)


def test_a_day_without_a_version_is_reported_without_a_run(
    instance: dg.DagsterInstance, bucket_objects: ObjectStore
) -> None:
    """At three o'clock the day's partition of the check is red."""
    due = datetime(2025, 7, 1, 3, tzinfo=UTC)
    missing = day_on_time(bucket_objects, due.date(), due, due)
    report(instance, due.date(), missing)
    assert missing.outcome == "failed"
    [record] = instance.event_log_storage.get_asset_check_execution_history(ON_TIME, limit=5)
    assert (record.partition, record.status.value) == ("2025-07-01", "FAILED")


def test_a_day_is_looked_at_once(
    small_source: None, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 03:00 UTC on; the cursor keeps the day, so that a restart does not report it again."""
    cursor, said = None, []
    for minute in (-1, 1, 2, 24 * 60 + 1):
        now = datetime(2025, 7, 1, 3, tzinfo=UTC) + timedelta(minutes=minute)
        monkeypatch.setattr(freshness, "datetime", SimpleNamespace(now=lambda _, now=now: now))
        with dg.build_sensor_context(
            instance=instance, cursor=cursor, resources={"servers": ServersResource()}
        ) as context:
            tick = on_time_sensor(Namespace()).evaluate_tick(context)
        cursor = tick.cursor
        said.append(tick.skip_message)
    assert said == [
        "2025-07-01: not due before 03:00 UTC",
        "failed: 2025-07-01 has no version; it was due at 03:00 UTC",
        "2025-07-01 has been checked",
        "failed: 2025-07-02 has no version; it was due at 03:00 UTC",
    ]
    found = instance.event_log_storage.get_asset_check_execution_history(ON_TIME, limit=5)
    assert [record.partition for record in found] == ["2025-07-02", "2025-07-01"]
