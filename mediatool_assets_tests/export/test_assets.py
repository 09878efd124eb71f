"""Versions of RDS: snapshot and task at AWS (moto), its files from the seed's writer, and read."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import dagster as dg
import pytest

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.definitions import definitions
from mediatool_assets.demo.demonstration import export_as_rds
from mediatool_assets.orchestration.runs import VERSION_TAG
from mediatool_assets.stores.ports import DbSnapshot, ObjectStore, Task
from mediatool_assets.stores.rds import RdsInstance
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.fixtures.dagster_day import environment, today
from mediatool_assets_tests.moto_server import QUIET
from mediatool_assets_tests.rds_twin import SETTINGS, RdsTwin, rds_twin

pytestmark = QUIET

RDS_EXPORT = dg.AssetKey("rds_snapshot_export")


@pytest.fixture
def twin(small_source: None) -> Iterator[RdsTwin]:
    """RDS, whose settings are set; the bucket has its own."""
    own = {n: os.environ[n] for n in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    with rds_twin() as twin, environment(**SETTINGS, **own):
        yield twin


@pytest.fixture
def writing(
    monkeypatch: pytest.MonkeyPatch, bucket_objects: ObjectStore
) -> Iterator[list[Version]]:
    """A task leaves the files that AWS would leave; the versions of those that did."""
    written: list[Version] = []
    start = RdsInstance.start

    def start_and_write(rds: RdsInstance, name: str, snapshot: DbSnapshot, prefix: str) -> Task:
        task = start(rds, name, snapshot, prefix)
        version = Version.of_name(name, "export-")
        assert version is not None
        if version not in written:
            export_as_rds(Url(os.environ["MEDIATOOL_POSTGRES_URL"]), bucket_objects.put, version)
            written.append(version)
        return task

    monkeypatch.setattr(RdsInstance, "start", start_and_write)
    yield written


def _run(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    partition: str,
    source: str,
    **tags: str,
) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def("daily_export")
    keys = dg.AssetSelection.groups("raw").resolve(defs.resolve_asset_graph())
    return job.execute_in_process(
        partition_key=partition,
        instance=instance,
        asset_selection=list(keys),
        run_config={"ops": {"export": {"config": {"source": source}}}},
        tags=tags,
        raise_on_error=False,
    )


def _made(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> Version:
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    return Version.parse(run.tags[VERSION_TAG])


def _reason(result: dg.ExecuteInProcessResult) -> tuple[str, Any]:
    failed = next(event for event in result.all_events if event.is_step_failure)
    said = failed.step_failure_data.user_failure_data
    assert said is not None
    return said.description or "", said.metadata["exit_code"].value


def test_today_from_rds(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    twin: RdsTwin,
    writing: list[Version],
) -> None:
    """A snapshot of the version's name, its export, and the raw archive of it."""
    result = _run(defs, instance, today(), "rds")
    assert result.success
    version = _made(instance, result)
    assert twin.snapshots() == [f"manual-export-{version}"]
    assert twin.tasks() == [f"export-{version}"]
    assert writing == [version]
    again = _run(defs, instance, today(), "rds")
    assert again.success
    assert writing == [version, _made(instance, again)]
    assert len(twin.snapshots()) == 2


def test_a_run_that_is_tried_again_takes_no_second_snapshot(
    defs: dg.Definitions, instance: dg.DagsterInstance, twin: RdsTwin, writing: list[Version]
) -> None:
    """Its version names the snapshot and the task, which are followed on."""
    version = Version.at(datetime.now(UTC) - timedelta(minutes=1))
    rds = twin.instance()
    rds.take(f"manual-export-{version}")
    result = _run(defs, instance, today(), "rds", **{VERSION_TAG: str(version)})
    assert result.success
    assert twin.snapshots() == [f"manual-export-{version}"]
    assert writing == [version]


@pytest.mark.parametrize(("source", "days"), [("auto", 3), ("rds", 4)])
def test_a_past_day_from_its_automated_snapshot(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    twin: RdsTwin,
    writing: list[Version],
    source: str,
    days: int,
) -> None:
    """Nothing else has the day: its snapshot is exported, and its time is the version."""
    day = datetime.now(UTC).date() - timedelta(days=days)
    taken = datetime.combine(day, time(3, 30), UTC)
    twin.automated(taken)
    result = _run(defs, instance, day.isoformat(), source)
    assert result.success
    assert writing == [Version(taken)] == [_made(instance, result)]
    assert twin.snapshots() == []


def test_a_past_day_whose_archive_is_damaged(
    defs: dg.Definitions, instance: dg.DagsterInstance, bucket_objects: S3Objects
) -> None:
    """Its RDS export makes the next version; without one, the damage is what is told."""
    day = datetime.now(UTC).date() - timedelta(days=7)
    damaged = Version(datetime.combine(day, time(3, 30), UTC))
    bucket_objects.put(archive_key("raw", damaged), b"cut short")
    said, code = _reason(_run(defs, instance, day.isoformat(), "auto"))
    assert (code, "no footer" in said) == (3, True)
    export_as_rds(Url(os.environ["MEDIATOOL_POSTGRES_URL"]), bucket_objects.put, damaged)
    result = _run(defs, instance, day.isoformat(), "auto")
    assert result.success
    assert _made(instance, result) == Version(damaged.moment + timedelta(seconds=1))
    assert bucket_objects.get(archive_key("raw", damaged))[0] == b"cut short"
    key = archive_key("raw", damaged)
    bucket_objects.client.delete_object(Bucket=bucket_objects.bucket, Key=key)


def test_a_past_day_that_nothing_has(
    defs: dg.Definitions, instance: dg.DagsterInstance, twin: RdsTwin
) -> None:
    """Asked of RDS, it says that there is no snapshot; else what is missing altogether."""
    day = (datetime.now(UTC).date() - timedelta(days=5)).isoformat()
    said, code = _reason(_run(defs, instance, day, "rds"))
    assert (code, f"RDS has no automated snapshot of {day}" in said) == (3, True)
    said, code = _reason(_run(defs, instance, day, "auto"))
    assert (code, "no raw archive of" in said) == (5, True)


def test_without_its_settings(
    defs: dg.Definitions, instance: dg.DagsterInstance, small_source: None
) -> None:
    """Wrong settings, in one line."""
    day = (datetime.now(UTC).date() - timedelta(days=6)).isoformat()
    said, code = _reason(_run(defs, instance, day, "rds"))
    assert code == 2
    assert said.startswith("MEDIATOOL_RDS_INSTANCE is not set; MEDIATOOL_RDS_EXPORT_ROLE_ARN")
    assert "\n" not in said


def test_the_asset_alone(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    twin: RdsTwin,
    writing: list[Version],
) -> None:
    """It exports and checks; an export of today that no version was made from is then taken."""
    assert not defs.resolve_asset_graph().has(RDS_EXPORT)  # their settings name no instance
    configured = definitions(Settings.parse(os.environ))
    asset, resources = configured.get_assets_def(RDS_EXPORT), configured.resources or {}
    result = dg.materialize(
        [asset], partition_key=today(), instance=instance, resources=dict(resources)
    )
    (made,) = result.get_asset_materialization_events()
    told = {name: value.value for name, value in made.materialization.metadata.items()}
    (version,) = writing
    assert told["version"] == str(version)
    assert told["tables"] == 3
    assert str(told["dagster/uri"]).endswith(f"/export-{version}/")
    exported = _run(defs, instance, today(), "rds")
    assert _made(instance, exported) == version
    assert writing == [version]
