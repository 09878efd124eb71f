"""The bucket's daily assets: recorded in the bucket, held against the last record."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest

from mediatool_assets.bucket.flow import (
    INVENTORY_PREFIX,
    POSTURE_PREFIX,
    inventory_from_parquet,
    last,
)
from mediatool_assets.core.settings import Settings
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.fixtures.dagster_day import today
from mediatool_assets_tests.json_schemas import faults

POSTURE = dg.AssetKey(["bucket", "posture"])


@pytest.fixture(scope="module")
def runs(defs: dg.Definitions) -> Iterator[list[dg.ExecuteInProcessResult]]:
    """The job three times: encrypted by default, with that taken away, and once more."""
    objects = S3Objects.of(Settings.parse(os.environ))
    client, bucket = objects.client, objects.bucket
    client.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    objects.put("comparison-reports/x.json", b"1")
    found = []
    with dg.DagsterInstance.ephemeral() as instance:
        job = defs.resolve_job_def("daily_bucket")
        found.append(job.execute_in_process(instance=instance))
        client.delete_bucket_encryption(Bucket=bucket)
        found += [job.execute_in_process(instance=instance) for _ in range(2)]
        client.delete_object(Bucket=bucket, Key="comparison-reports/x.json")
        yield found


def checks(run: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, str, str]]:
    """Whether each check passed, its severity, and what it says."""
    return {
        each.check_name: (each.passed, each.severity.value, each.description or "")
        for each in run.get_asset_check_evaluations()
    }


def test_what_this_server_does_not_have_is_a_warning(
    runs: list[dg.ExecuteInProcessResult],
) -> None:
    """The local server leaves much unknown: that has not passed, and is no error either."""
    assert all(run.success for run in runs)
    passed, severity, says = checks(runs[0])["as_declared"]
    assert (passed, severity) == (False, "WARN")
    assert "this server is not Amazon S3" in says
    assert "public-access" in says


def test_drift_is_an_error_anywhere(runs: list[dg.ExecuteInProcessResult]) -> None:
    """What passed and does no more is red once; then it is what was recorded last."""
    first, second, third = (checks(run)["no_drift"] for run in runs)
    assert first[:2] == (True, "ERROR")
    assert (second[0], second[1]) == (False, "ERROR")
    assert "encryption: passed, now failed (not set)" in second[2]
    assert third[0]


@pytest.mark.usefixtures("runs")
def test_the_records() -> None:
    """Posture, inventory and report of the day lie below the documented prefixes, once each."""
    objects = S3Objects.of(Settings.parse(os.environ))
    keys = [info.key for info in objects.list("postgres-exports/bucket/")]
    day = keys[0].rsplit("/", 1)[1][:10]
    assert day <= today()
    folder = "postgres-exports/bucket"
    assert (
        keys
        == [
            f"{folder}/costs/{day}.html",
            f"{folder}/costs/{day}.json",
            f"{INVENTORY_PREFIX}{day}.parquet",
            f"{POSTURE_PREFIX}{day}.html",
            f"{POSTURE_PREFIX}{day}.json",
        ]
        or day != today()
    )  # midnight passed between runs
    inventory = inventory_from_parquet(objects.get(f"{INVENTORY_PREFIX}{day}.parquet")[0], day)
    assert inventory.taken <= datetime.now(UTC)
    assert "comparison-reports/x.json" in {item.key for item in inventory.items}
    assert json.loads(objects.get(f"{folder}/costs/{day}.json")[0])["bucket"] == objects.bucket
    documents = (info.key for info in objects.list(f"{folder}/") if info.key.endswith(".json"))
    assert [fault for key in documents for fault in faults(key, objects.get(key)[0])] == []
    recorded = last(objects)
    assert recorded is not None
    assert {each.name for each in recorded.controls} >= {"encryption", "data-events"}


def test_their_schedule(defs: dg.Definitions) -> None:
    """Daily, on by default, at an hour of its own, and in no other job."""
    schedule = defs.resolve_schedule_def("daily_bucket_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 3 * * *", "UTC")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    selected = defs.resolve_job_def("daily_export").asset_layer.executable_asset_keys
    assert POSTURE not in selected
