"""Which version a run works on: pinned once, found again, and refused where it makes no sense."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.defs import DAILY
from mediatool_assets.demo.demonstration import export_as_rds
from mediatool_assets.orchestration.runs import RunVersion
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets_tests.fixtures.dagster_day import Day, locked_out_of_mongodb, today

DOWNSTREAM = ["transformed", "mongodb"]


def _materialize(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    *groups: str,
    partition: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> dg.ExecuteInProcessResult:
    """Of these groups, or the whole daily job."""
    graph = defs.resolve_asset_graph()
    selected = sorted(dg.AssetSelection.groups(*groups).resolve(graph))
    everything = defs.resolve_implicit_global_asset_job_def()
    job = everything if groups else defs.resolve_job_def(DAILY)
    return job.execute_in_process(
        partition_key=partition or today(),
        instance=instance,
        asset_selection=selected or None,
        tags=dict(tags or {}),
        raise_on_error=False,
    )


def _failure(result: dg.ExecuteInProcessResult) -> dg.Failure:
    """What the step that failed had to say."""
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.user_failure_data:
            said = event.step_failure_data.user_failure_data
            return dg.Failure(said.description, dict(said.metadata))
    raise AssertionError(f"{result.run_id} did not fail with a reason")


def _version(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> str:
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    return run.tags["mediatool/version"]


def _versions_of(result: dg.ExecuteInProcessResult) -> set[object]:
    events = result.get_asset_materialization_events()
    return {event.materialization.metadata["version"].value for event in events}


@pytest.mark.parametrize(("days", "hint"), [(1, "no raw archive"), (40, "no RDS snapshot export")])
def test_a_live_source_is_refused_for_a_past_day(
    small_source: None,
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    days: int,
    hint: str,
) -> None:
    """The failure says why, and what can be done; it is not retried and takes no version."""
    past = (datetime.now(UTC).date() - timedelta(days=days)).isoformat()
    result = _materialize(defs, instance, partition=past)
    failure = _failure(result)
    assert f"only for today, {today()} (UTC), not for {past}" in str(failure.description)
    assert hint in str(failure.description)
    assert failure.metadata["exit_code"].value == 5
    assert not any(event.is_step_up_for_retry for event in result.all_events)
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert "mediatool/version" not in run.tags


def test_a_past_day_comes_from_its_rds_export_and_then_from_its_archive(
    small_source: None,
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    bucket_objects: S3Objects,
) -> None:
    """One run of the partition makes the snapshot's version; another one adopts its archive."""
    version = Version(datetime(2025, 6, 20, 3, tzinfo=UTC))
    export_as_rds(Url(os.environ["MEDIATOOL_POSTGRES_URL"]), bucket_objects.put, version)
    made, again = (_materialize(defs, instance, partition="2025-06-20") for _ in range(2))
    assert made.success
    assert again.success
    assert _version(made, instance) == _version(again, instance) == str(version)
    metadata = catalog.read(bucket_objects, version)
    assert (metadata.source.type, metadata.export_date) == ("rds", "2025-06-20")
    assert metadata.exports.raw.rows == {"accounts": 2, "campaigns": 2, "drafts": 1}
    assert len([w for w in metadata.warnings if "no DDL and no sequences" in w]) == 1


def test_the_tag_of_another_day_s_version_is_refused(
    defs: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    """A version belongs to its own day's partition."""
    result = _materialize(defs, instance, tags={"mediatool/version": "20250601-020000"})
    failure = _failure(result)
    assert "belongs to partition 2025-06-01" in str(failure.description)
    assert failure.metadata["exit_code"].value == 2


def test_downstream_runs_take_the_newest_complete_version(
    day: Day, instance: dg.DagsterInstance, bucket_objects: ObjectStore
) -> None:
    """Layers that are materialized alone work on it, adopt what it has, and are tagged with it."""
    newest = str(catalog.latest(bucket_objects, day.partition).version)
    result = _materialize(day.defs, instance, *DOWNSTREAM)
    assert result.success
    assert _versions_of(result) == {newest}
    assert _version(result, instance) == newest


def test_downstream_runs_take_the_version_that_a_tag_names(
    day: Day, instance: dg.DagsterInstance
) -> None:
    """An older version of the partition can be worked from again."""
    newer = _materialize(day.defs, instance)
    assert newer.success
    tags = {"mediatool/version": str(day.version)}
    result = _materialize(day.defs, instance, "transformed", tags=tags)
    assert result.success
    assert _versions_of(result) == {str(day.version)} != {_version(newer, instance)}


def test_a_partition_without_a_version_is_refused_downstream(
    defs: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    """There is nothing to work from, and the failure says what would make it."""
    result = _materialize(defs, instance, "version", partition="2025-06-01")
    failure = _failure(result)
    assert "2025-06-01 has no complete version" in str(failure.description)
    assert failure.metadata["exit_code"].value == 3
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.CANCELED


def test_what_a_failed_run_made_is_adopted_by_the_next(
    defs: dg.Definitions, instance: dg.DagsterInstance, bucket_objects: ObjectStore
) -> None:
    """After MongoDB refused, the version goes on from its archives, untouched, to its end."""
    with locked_out_of_mongodb():
        asked = {"mediatool/purpose": "testing", "mediatool/notes": "x"}
        failed = _materialize(defs, instance, tags=asked)
    assert _failure(failed).metadata["exit_code"].value == 4
    version = Version.parse(_version(failed, instance))
    keys = [archive_key("raw", version), archive_key("transformed", version)]
    before = [bucket_objects.head(key) for key in keys]
    assert None not in before
    result = _materialize(defs, instance, tags={"mediatool/version": str(version)})
    assert result.success
    assert [bucket_objects.head(key) for key in keys] == before
    metadata = catalog.read(bucket_objects, version)
    assert (metadata.purpose, metadata.notes) == ("testing", "x")
    assert {"dump", "export", "load", "transform"} <= metadata.seconds.keys()


def test_a_second_that_another_run_took_is_left_to_it(
    day: Day, instance: dg.DagsterInstance, bucket_objects: ObjectStore
) -> None:
    """Two runs that were created in one second have versions of their own, each for good."""
    job = day.defs.resolve_job_def("daily_export")
    run, other = instance.create_run_for_job(job), instance.create_run_for_job(job)
    record = instance.get_run_record_by_id(run.run_id)
    assert record is not None
    second = Version.at(record.create_timestamp)
    instance.add_run_tags(other.run_id, {"mediatool/version": str(second)})
    mine = RunVersion(instance, run, second.partition)
    made = mine.to_make(bucket_objects)
    assert made > second
    assert mine.to_make(bucket_objects) == mine.to_read(bucket_objects) == made
