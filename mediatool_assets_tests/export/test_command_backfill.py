"""Past days made from what there is of them, several at once."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import dagster as dg
import pytest

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.definitions import definitions
from mediatool_assets.demo.demonstration import export_as_rds
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.fixtures.dagster_day import a_small_source

pytestmark = pytest.mark.usefixtures("as_any_other_process")


@pytest.fixture
def objects(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Objects]:
    """The empty bucket of a small source."""
    with a_small_source(stack, tmp_path_factory):
        yield S3Objects.of(Settings.parse(os.environ))


def _version(days_ago: int) -> Version:
    day = datetime.now(UTC).date() - timedelta(days=days_ago)
    return Version(datetime.combine(day, time(3), UTC))


@pytest.mark.timeout(900)  # seven runs, each in a process of its own, beside other tests
def test_five_days_of_every_kind_and_the_same_again(mediatool: Run, objects: S3Objects) -> None:
    """One only in RDS, one missing, one there, one damaged, today: what can be made is, once.

    What is missing of an archived day is made again from its raw archive; its version stays.
    """
    rds, missing, there, damaged, today = map(_version, (4, 3, 2, 1, 0))
    for version in (rds, there):
        export_as_rds(Url(os.environ["MEDIATOOL_POSTGRES_URL"]), objects.put, version)
    _make_here(there, purpose="testing")
    transformed = archive_key("transformed", there)
    client_delete(objects, transformed)
    finished = mediatool("export", "--date", there.partition, "--source", "archive", "--json")
    assert (finished.code, finished.err) == (0, "")
    again = json.loads(finished.out)
    assert (again["version"], again["purpose"]) == (str(there), "testing")
    assert again["warnings"]  # which are no failure
    assert again["failed_checks"] == []
    assert objects.head(transformed) is not None
    objects.put(archive_key("raw", damaged), b"cut short")

    span = f"{rds.partition}..{today.partition}"
    made = mediatool("export", "--date", span, "--json")
    assert (made.code, made.err) == (1, "")
    days = {day["date"]: day for day in json.loads(made.out)}
    assert list(days) == [v.partition for v in (rds, missing, there, damaged, today)]
    outcomes = [day["outcome"] for day in days.values()]
    assert outcomes == ["made", "failed", "there", "failed", "made"]
    assert days[rds.partition]["version"] == str(rds)
    assert "no raw archive" in days[missing.partition]["error"]
    assert days[missing.partition]["exit_code"] == 5
    assert "no footer" in days[damaged.partition]["error"]
    assert days[damaged.partition]["exit_code"] == 3

    past = catalog.read(objects, rds)
    live = catalog.read(objects, Version.parse(days[today.partition]["version"]))
    assert (past.source.type, past.export_date, past.purpose) == (
        "rds", rds.partition, "daily_backup",
    )  # fmt: skip
    assert past.exports.raw.rows == live.exports.raw.rows
    assert sum(live.exports.raw.rows.values()) == 5
    assert live.source.type == "postgres"

    before = {info.key: info.etag for info in objects.list("postgres-exports/")}
    again = [
        mediatool("export", "--date", f"{start.partition}..{end.partition}")
        for start, end in ((rds, there), (today, today))  # the damaged day would start a run
    ]
    assert [result.code for result in again] == [1, 0]
    lines = [line for result in again for line in result.out.splitlines()]
    shown = [line.split(": ", 1)[1].split(": ")[0] for line in lines]
    assert shown[0] == f"{rds} existed already"
    assert [line == "failed" for line in shown] == [False, True, False, False]
    assert {info.key: info.etag for info in objects.list("postgres-exports/")} == before


def _make_here(version: Version, purpose: str) -> None:
    """A version of a past day from its RDS export, in this process."""
    job = definitions(Settings.parse(os.environ)).resolve_job_def("on_demand_export")
    with dg.DagsterInstance.ephemeral() as instance:
        job.execute_in_process(
            partition_key=version.partition,
            instance=instance,
            run_config={"ops": {"export": {"config": {"purpose": purpose}}}},
        )


def client_delete(objects: S3Objects, key: str) -> None:
    """Delete an object, which no store of ours can."""
    import boto3  # noqa: PLC0415  # this test alone needs it

    client = boto3.client("s3", endpoint_url=objects.endpoint_url)
    client.delete_object(Bucket=objects.bucket, Key=key)
    client.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--date", "2026-01-02..2026-01-01"], "ends before it begins"),
        (["--date", "2026-01-02.."], "is not a date"),
        (["--date", "yesterday"], "write YYYY-MM-DD, or FROM..TO"),
        (["--date", "2024-01-01..2206-12-31"], "between 2025-06-01 and today"),
        (["--date", "2025-06-01..2206-12-31"], "between 2025-06-01 and today"),
        (["--date", "1999-12-31"], "between 2025-06-01 and today"),
        (["--again"], "--again needs a range"),
    ],
)
def test_wrong_days_are_wrong_usage(
    mediatool: Run, unreachable: Path, words: list[str], said: str
) -> None:
    """Exit code 2 before any server is asked."""
    result = mediatool("export", *words)
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert len(result.lines) == 1
