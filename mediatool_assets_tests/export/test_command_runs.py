"""``export`` and ``demo`` end to end, and an export that is stopped half way."""

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pymongo
import pytest

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version, report_key
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets_tests.demo.edits import printed, reported
from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.half_way import add_ballast, drop_ballast, uploads, wait_for_upload
from mediatool_assets_tests.strangers import TWO_SCHEMAS

pytestmark = pytest.mark.usefixtures("as_any_other_process")

ROWS = {
    "sales.days": 9,
    "sales.items": 50,
    "sales.orders": 20,
    "stock.items": 30,
    "stock.orders": 15,
}
"""Of TWO_SCHEMAS, by table."""


@pytest.fixture
def servers(
    postgres_database: Url,
    objects: S3Objects,
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[str]:
    """An empty database and an empty bucket, named by the environment: the database's URL."""
    own = {
        "MEDIATOOL_POSTGRES_URL": postgres_database.reveal(),
        "MEDIATOOL_S3_BUCKET": objects.bucket,
        "MEDIATOOL_HOME": str(tmp_path),
    }
    for name, value in (stack.environment | own).items():
        monkeypatch.setenv(name, value)
    before = _databases(stack)
    yield postgres_database.reveal()
    client: pymongo.MongoClient[dict[str, object]]
    with pymongo.MongoClient(stack.environment["MEDIATOOL_MONGODB_URL"]) as client:
        for name in _databases(stack) - before:
            client.drop_database(name)


def _databases(stack: Stack) -> set[str]:
    client: pymongo.MongoClient[dict[str, object]]
    with pymongo.MongoClient(stack.environment["MEDIATOOL_MONGODB_URL"]) as client:
        return set(client.list_database_names())


def _start_export() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "mediatool_assets.main", "export", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_stopped_export_leaves_nothing_and_the_next_succeeds(
    mediatool: Run,
    servers: str,
    objects: S3Objects,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Stopped half way: no object, no process; then one version, with every row of the source.

    The source has several schemas, with tables of one name, and an inferred model.
    """
    with psycopg.connect(servers, autocommit=True) as connection:
        connection.execute(TWO_SCHEMAS.encode())
    monkeypatch.setenv("MEDIATOOL_POSTGRES_SCHEMA", "sales,stock")
    model = tmp_path / "model.yaml"
    assert mediatool("model", "infer", "--output", model).code == 0
    monkeypatch.setenv("MEDIATOOL_MODEL", str(model))
    add_ballast(servers, "sales")
    for stop in (signal.SIGKILL, signal.SIGINT):
        with _start_export() as command:
            wait_for_upload(objects, lambda: command.poll() is None)
            started = psutil.Process(command.pid).children(recursive=True)
            command.send_signal(stop)
            _, error = command.communicate()
        assert command.returncode == (130 if stop is signal.SIGINT else -stop)
        told = [line for line in error.splitlines() if not line.startswith("[")]  # no progress
        assert len(told) == (1 if stop is signal.SIGINT else 0)
        _, alive = psutil.wait_procs(started, timeout=60)
        assert alive == []
        assert [info.key for info in objects.list("postgres-exports/")] == []
        assert uploads(objects) == []
    drop_ballast(servers, "sales")

    result = mediatool("export", "--notes", "the next one", "--json")
    assert (result.code, result.err) == (0, "")
    made = json.loads(result.out)
    assert (made["rows"], made["tables"]) == (sum(ROWS.values()), len(ROWS))
    assert (made["purpose"], made["notes"]) == ("testing", "the next one")
    version = made["version"]
    assert mediatool("latest").out.strip() == version
    shown = json.loads(mediatool("show", version, "--json").out)
    assert shown["exports"]["raw"]["rows"] == ROWS
    registry = tmp_path / "mongodb-versions.json"
    assert [entry["version"] for entry in json.loads(registry.read_text())] == [version]
    logs = list((tmp_path / "logs").iterdir())
    assert {stat.S_IMODE(log.stat().st_mode) for log in logs} == {0o600}
    verified = mediatool("verify", version)
    assert (verified.code, verified.err) == (0, "")


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        ((), 5, "only for today"),
        (("--source", "postgres"), 5, "only for today"),
        (("--source", "archive"), 3, "there is no raw archive of"),
        (("--source", "rds"), 2, "MEDIATOOL_RDS_INSTANCE is not set"),
    ],
)
def test_a_past_day_without_a_source_is_refused_before_there_is_a_run(
    mediatool: Run,
    servers: str,
    objects: S3Objects,
    tmp_path: Path,
    options: tuple[str, ...],
    code: int,
    reason: str,
) -> None:
    """With what can be done instead; Dagster has not been started, and keeps nothing of it."""
    day = str(datetime.now(UTC).date() - timedelta(days=3))
    result = mediatool("export", "--date", day, *options)
    assert (result.code, result.lines[0].count(reason)) == (code, 1)
    assert not (tmp_path / "logs").exists()
    of_range = mediatool("export", "--date", f"{day}..{day}", *options, "--json")
    [made] = json.loads(of_range.out)
    assert (of_range.code, made["outcome"], made["exit_code"]) == (1, "failed", code)
    assert not (tmp_path / "logs").exists()
    assert list(objects.list("postgres-exports/")) == []


def test_a_version_without_a_raw_archive_cannot_be_finished(mediatool: Run, servers: str) -> None:
    """Nothing of it is there: a new one has to be made. Nor does it go with other options."""
    refused = mediatool("export", "--finish", "20251106-020000")
    assert (refused.code, refused.lines[0].count("no raw archive")) == (3, 1)
    assert mediatool("export", "--finish", "20251106-020000", "--notes", "x").code == 2


def test_seed_refuses_a_schema_that_is_not_its_own(
    mediatool: Run, servers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A schema with somebody's tables is never replaced."""
    with psycopg.connect(servers) as connection:
        connection.execute("CREATE SCHEMA theirs")
        connection.execute("CREATE TABLE theirs.ledger (id int)")
    monkeypatch.setenv("MEDIATOOL_POSTGRES_SCHEMA", "theirs")
    result = mediatool("seed", "--scale", "0.001")
    assert result.code == 5
    assert "theirs" in result.err


@pytest.mark.timeout(900)  # a minute alone, more beside other work
def test_demo_makes_a_past_day_today_and_one_on_demand(
    mediatool: Run, nowhere: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo meets local servers only, and tells exactly what it has made there."""
    monkeypatch.setenv("MEDIATOOL_HOME", str(stack.home))
    monkeypatch.setenv("MEDIATOOL_POSTGRES_URL", "postgresql://somebody.s.own.server/production")
    result = mediatool("demo", "--scale", "0.001", "--days", "2", "--json")
    assert (result.code, result.err) == (0, "")
    made = json.loads(result.out)

    past, daily, edited = versions = made["versions"]
    assert [m["purpose"] for m in made["made"]] == ["daily_backup", "daily_backup", "testing"]
    assert made["verdicts"] == dict.fromkeys(versions, "passed")
    assert len({made["rows"][version]["in"] for version in versions}) == 3
    assert made["databases"] == [f"mediatool_{v}" for v in versions]
    assert set(made["databases"]) <= _databases(stack)
    assert made["postgres_databases"] == [f"media_tool_{v}" for v in versions]
    objects = S3Objects.of(Settings.parse(stack.environment))
    sources = [catalog.read(objects, Version.parse(v)).source.type for v in (past, daily)]
    assert sources == ["rds", "postgres"]
    there = {info.key: info.size for info in objects.list("")}
    assert made["objects"].items() <= there.items()
    for day in {Version.parse(version).partition for version in versions}:
        assert {key for key in made["objects"] if key.startswith(f"comparison-reports/{day}/")} == {
            f"comparison-reports/{day}/{report}.{form}"
            for report in (
                "daily-metrics-comparison",
                "data-integrity-report",
                "version-comparison",
            )
            for form in ("json", "html")
        }
    for before, version in ((None, past), (daily, edited)):
        metrics, integrity = _reports(objects, version)
        assert (integrity["version"], integrity["verdict"]) == (version, "passed")
        assert {one["outcome"] for one in metrics["thresholds"]} == {"passed"}
        assert (metrics["previous"] or {}).get("version") == before
    again = mediatool("seed", "--scale", "0.001", "--full", "--day", "2", "--json")
    assert reported(metrics) == printed(json.loads(again.out)["edits"]["2"])
    day = Version.parse(edited).partition
    assert [key for key in made["objects"] if edited in key] == [
        f"mongodb-dumps/{day}/mediatool_{edited}.tar.gz",
        f"postgres-exports/metadata/{day}/{edited}.json",
        f"postgres-exports/raw/{day}/{edited}-raw.tar.gz",
        f"postgres-exports/transformed/{day}/{edited}-transformed.tar.gz",
    ]


def _reports(objects: S3Objects, version: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The metrics and the integrity of the day of a version."""
    day = Version.parse(version).partition
    metrics, _ = objects.get(report_key("daily-metrics-comparison", day))
    integrity, _ = objects.get(report_key("data-integrity-report", day))
    return json.loads(metrics), json.loads(integrity)
