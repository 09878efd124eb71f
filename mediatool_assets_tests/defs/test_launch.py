"""The launcher, as the command line starts it: a process that answers in one JSON document."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import dagster as dg
import msgspec
import pytest
import yaml
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from mediatool_assets import definitions
from mediatool_assets.core.errors import Misuse
from mediatool_assets.core.outcomes import RunOutcome
from mediatool_assets.core.version import Version, archive_key, metadata_key
from mediatool_assets.defs.launch import LaunchRequest, launch
from mediatool_assets.orchestration import DAYS
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets_tests.documents import ROOT
from mediatool_assets_tests.fixtures.dagster_day import Day, locked_out_of_mongodb, today
from mediatool_assets_tests.half_way import add_ballast, drop_ballast, wait_for_upload

_LAUNCH = [sys.executable, "-m", "mediatool_assets.defs.launch"]

_RETRY = """
import os, sys
import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableRepository
answer = os.dup(1)
os.dup2(2, 1)
repository = ReconstructableRepository.for_module("mediatool_assets.definitions", "defs", ".")
with dg.DagsterInstance.get() as instance:
    tags = instance.get_run_by_id(sys.argv[1]).tags  # the daemon and the UI copy them as well
    with dg.execute_job(
        repository.get_reconstructable_job("on_demand_export"),
        instance,
        tags=tags,
        reexecution_options=dg.ReexecutionOptions.from_failure(sys.argv[1], instance),
    ) as result:
        assert result.success
        os.write(answer, result.run_id.encode())
"""


@pytest.fixture
def instance(small_source: None) -> Iterator[dg.DagsterInstance]:
    """The instance of the stack, in PostgreSQL, that the launched processes use too."""
    with dg.DagsterInstance.get() as instance:
        yield instance


Launch = Callable[..., RunOutcome]


@pytest.fixture
def here(
    instance: dg.DagsterInstance, defs: dg.Definitions, monkeypatch: pytest.MonkeyPatch
) -> Launch:
    """Launch in this process, with the definitions that another would load."""
    monkeypatch.setattr(definitions, "defs", defs)

    def run(*more: Callable[[], date], **request: Any) -> RunOutcome:
        return launch(instance, LaunchRequest(**request), *more)

    return run


def _start(request: dict[str, Any]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        _LAUNCH, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(request).encode())
    process.stdin.close()
    process.stdin = None
    return process


def _answer(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    out, err = process.communicate()
    *progress, last = (out or err).splitlines()
    answer: dict[str, Any] = json.loads(last)
    assert {json.loads(line)["type"] for line in progress} <= {"progress"}
    assert answer["exit_code"] == process.returncode
    return answer


def test_two_runs_of_one_partition_at_once_make_two_versions(
    here: Launch, instance: dg.DagsterInstance, bucket_objects: ObjectStore
) -> None:
    """Both succeed, each with a version of its own, and the registry loses neither.

    One runs in a process of its own, and when that reports its progress the other begins here.
    """
    asked = {"purpose": "testing", "notes": "at once"}
    request = {"job": "on_demand_export", "partition": today(), "config": asked}
    process = _start(request)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["type"] == "progress"
    made = [here(**request), msgspec.convert(_answer(process), RunOutcome)]
    assert [(one.status, one.error) for one in made] == [("SUCCESS", None)] * 2
    versions = {one.version for one in made}
    assert len(versions) == 2
    assert versions <= {entry.version for entry in catalog.registry(bucket_objects)}
    times = []
    for one in made:
        metadata = catalog.read(bucket_objects, Version.parse(one.version or ""))
        assert (metadata.purpose, metadata.notes) == ("testing", "at once")
        record = instance.get_run_record_by_id(one.run_id or "")
        assert record is not None
        assert record.dagster_run.status is dg.DagsterRunStatus.SUCCESS
        assert record.dagster_run.tags["dagster/partition"] == today()
        times.append((record.start_time or 0.0, record.end_time or 0.0))
    assert max(start for start, _ in times) < min(end for _, end in times)


def test_a_job_that_is_none_is_refused(here: Launch) -> None:
    """With the names of those that there are."""
    with pytest.raises(Misuse, match=r"there is no job weekly; choose one of .*daily_export"):
        here(job="weekly", partition=today())


def test_a_day_before_the_first_is_refused(here: Launch) -> None:
    """There is no run of it."""
    with pytest.raises(Misuse, match="1999-01-01 is not a day"):
        here(job="daily_export", partition="1999-01-01")


def test_a_purpose_that_is_none_is_refused(here: Launch) -> None:
    """By the run's first step."""
    made = here(job="daily_export", partition=today(), tags={"mediatool/purpose": "fun"})
    assert (made.status, made.exit_code) == ("FAILURE", 2)
    assert "write daily_backup or testing" in (made.error or "")


def test_a_day_with_nothing_to_make_it_from_is_canceled(instance: dg.DagsterInstance) -> None:
    """With the reason and the exit code of a refusal; no asset counts as failed.

    As any run of the command line it is of the code location that workspace.yaml names, by which
    the UI's timeline and the job's page look for it.
    """
    process = _start({"job": "daily_export", "partition": "2025-06-02"})
    out, log = process.communicate()
    answer = json.loads(out.splitlines()[-1])  # before it, how far the run has come
    assert (answer["status"], answer["exit_code"], process.returncode) == ("CANCELED", 5, 5)
    assert b"leaked" not in log  # by DuckDB, where a thread is left at the end of the process
    assert "can be exported only for today" in answer["error"]
    raw = dg.AssetKey(["raw", "campaigns"])
    status = get_and_update_asset_status_cache_value(instance, raw, DAYS)
    assert status is not None
    failed = status.deserialize_failed_partition_subsets(DAYS)
    assert "2025-06-02" not in failed.get_partition_keys()
    [location] = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    label = f"__repository__@{location['python_module']['location_name']}"
    ours = instance.get_runs(dg.RunsFilter(tags={".dagster/repository": label}))
    assert answer["run_id"] in {run.run_id for run in ours if run.remote_job_origin is not None}


def test_who_asks_for_now_gets_the_day_of_the_snapshot(
    here: Launch, instance: dg.DagsterInstance, bucket_objects: ObjectStore
) -> None:
    """Asked before midnight and begun after it: the version is of the day that has begun."""
    day = date.fromisoformat(today())
    days = [day - timedelta(days=1), day]
    made = here(lambda: days.pop(0), job="on_demand_export")
    assert (made.status, made.error) == ("SUCCESS", None)
    version = Version.parse(made.version or "")
    assert version.partition == today()
    assert catalog.read(bucket_objects, version).source.type == "postgres"
    runs = instance.get_runs(limit=2)
    statuses = [(run.tags["dagster/partition"] == today(), run.status) for run in runs]
    assert statuses == [
        (True, dg.DagsterRunStatus.SUCCESS),
        (False, dg.DagsterRunStatus.CANCELED),
    ]


def test_a_killed_version_is_finished_beside_another_of_its_day(
    day: Day, here: Launch, bucket_objects: S3Objects
) -> None:
    """Named, it goes on from its raw archive with its own purpose."""
    assert day.version in catalog.versions(bucket_objects)
    asked = {"purpose": "testing", "notes": "stopped"}
    with locked_out_of_mongodb():
        stopped = here(job="on_demand_export", partition=today(), config=asked)
    version = Version.parse(stopped.version or "")
    raw = bucket_objects.head(archive_key("raw", version))
    assert (stopped.status, raw is None) == ("FAILURE", False)
    finished = here(job="on_demand_export", version=str(version))
    assert (finished.status, finished.version) == ("SUCCESS", str(version))
    assert bucket_objects.head(archive_key("raw", version)) == raw
    made = catalog.read(bucket_objects, version)
    assert (made.purpose, made.notes) == ("testing", "stopped")


def test_after_a_kill_half_way_the_next_run_succeeds(
    here: Launch, instance: dg.DagsterInstance, bucket_objects: S3Objects
) -> None:
    """SIGKILL leaves no object of the version, and neither its run nor its pool is in the way."""
    request = {"job": "on_demand_export", "partition": today()}
    source = os.environ["MEDIATOOL_POSTGRES_URL"]
    add_ballast(source)
    process = _start(request)
    begun = wait_for_upload(bucket_objects, lambda: process.poll() is None)
    process.kill()
    process.communicate()
    drop_ballast(source)
    [run] = instance.get_runs(limit=1)
    killed = Version.parse(run.tags["mediatool/version"])
    assert begun == archive_key("raw", killed)
    made = here(**request)
    assert (made.status, made.error) == ("SUCCESS", None)
    assert made.version != str(killed)
    assert bucket_objects.head(archive_key("raw", killed)) is None
    assert bucket_objects.head(metadata_key(killed)) is None
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status is dg.DagsterRunStatus.FAILURE
    assert ended.tags["dagster/will_retry"] == "false"  # its daemon could not: nobody would be told


def test_a_retry_by_dagster_goes_on_with_the_version(
    here: Launch, instance: dg.DagsterInstance, bucket_objects: ObjectStore
) -> None:
    """Re-executed from its failure, a run keeps its version, its archives and what it is for."""
    asked = {"purpose": "testing", "notes": "retried"}
    with locked_out_of_mongodb():
        failed = here(job="on_demand_export", partition=today(), config=asked)
    assert (failed.status, failed.exit_code) == ("FAILURE", 4)
    version = Version.parse(failed.version or "")
    raw = bucket_objects.head(archive_key("raw", version))
    retried = subprocess.run(
        [sys.executable, "-c", _RETRY, failed.run_id or ""],
        capture_output=True,
        check=False,
        text=True,
    )
    assert retried.returncode == 0, retried.stderr
    assert _tags(instance, retried.stdout.strip())["mediatool/version"] == str(version)
    assert bucket_objects.head(archive_key("raw", version)) == raw
    metadata = catalog.read(bucket_objects, version)
    assert (metadata.purpose, metadata.notes) == ("testing", "retried")
    assert {"dump", "export", "load", "transform"} <= metadata.seconds.keys()


def _tags(instance: dg.DagsterInstance, run_id: str) -> Mapping[str, str]:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.tags
