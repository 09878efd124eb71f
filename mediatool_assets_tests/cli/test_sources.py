"""Two sources in one bucket: a section of mediatool.toml for each, and nothing in common."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import psycopg
import pymongo
import pytest
from psycopg import sql

from mediatool_assets.core.texts import Url
from mediatool_assets.definitions import definitions_of
from mediatool_assets.stores.environment import sources
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.fixtures.command_line import Run

pytestmark = pytest.mark.usefixtures("as_any_other_process")

TABLES = {
    "shop": "CREATE TABLE items (id int PRIMARY KEY, price numeric); "
    "INSERT INTO items SELECT n, n * 1.5 FROM generate_series(1, 40) n",
    "library": "CREATE TABLE items (id text PRIMARY KEY); CREATE TABLE loans (id int PRIMARY KEY); "
    "INSERT INTO items VALUES ('a'), ('b')",
}
MODELS = {
    "shop": "tables:\n  items:\ncollections:\n  items: items\n",
    "library": "tables:\n  items:\n  loans:\ncollections:\n  items: items\n  loans: loans\n",
}


@pytest.fixture
def folder(
    postgres_database: Url,
    bucket: str,
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Path]:
    """A folder with settings of two databases; the environment names the servers, and a third."""
    lines = [f'home = "home"\ns3_bucket = "{bucket}"\nworkers = 1\n']
    monkeypatch.delenv("MEDIATOOL_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    for name, value in stack.environment.items():
        if name not in {"MEDIATOOL_HOME", "MEDIATOOL_S3_BUCKET", "MEDIATOOL_RESTORE_POSTGRES_URL"}:
            monkeypatch.setenv(name, value)
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as connection:
        for name, tables in TABLES.items():
            database = f"{postgres_database.database}_{name}"
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
            url = postgres_database.to(database).reveal()
            monkeypatch.setenv(f"{name.upper()}_URL", url)
            with psycopg.connect(url) as own:
                own.execute(f"CREATE SCHEMA app; SET search_path TO app; {tables}".encode())
            (tmp_path / f"{name}.yaml").write_text(MODELS[name])
            lines += [
                f'[sources.{name}]\npostgres_url = {{ env = "{name.upper()}_URL" }}',
                f'postgres_schema = "app"\nmodel = "{name}.yaml"\n',
            ]
        (tmp_path / "mediatool.toml").write_text("\n".join(lines))
        yield tmp_path
        for name in TABLES:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            own_name = sql.Identifier(f"{postgres_database.database}_{name}")
            connection.execute(drop.format(own_name))
    client: pymongo.MongoClient[dict[str, object]]
    with pymongo.MongoClient(stack.environment["MEDIATOOL_MONGODB_URL"]) as client:
        for database in client.list_database_names():
            if database.startswith(("mediatool_shop_", "mediatool_library_")):
                client.drop_database(database)


def test_two_sources_share_a_bucket_and_no_version(
    mediatool: Run, folder: Path, objects: S3Objects
) -> None:
    """Each has its own keys, names, registry and history, and is read by its name alone."""
    with dg.DagsterInstance.ephemeral() as instance:  # all sources in one code location
        job = definitions_of(sources()).resolve_job_def("library_on_demand_export")
        today = datetime.now(UTC).date().isoformat()
        assert job.execute_in_process(partition_key=today, instance=instance).success
    exported = mediatool("--source", "shop", "export", "--json")
    assert (exported.code, exported.err) == (0, "")
    made = json.loads(exported.out)
    assert (made["rows"], made["warnings"]) == (40, [])
    assert made["metadata"].startswith(f"s3://{objects.bucket}/shop/postgres-exports/")
    folders = {info.key.partition("/")[0] for info in objects.list("")}
    assert folders - {"dagster-logs"} == {*TABLES}  # the logs are those of the instance

    for name in TABLES:
        [listed] = json.loads(mediatool("versions", "--json", "--source", name).out)
        version = listed["version"]
        assert (version == made["version"]) == (name == "shop")
        assert listed["database_name"] == f"mediatool_{name}_{version}"
        shown = json.loads(mediatool("--source", name, "show", "latest", "--json").out)
        assert (shown["timestamp"], shown["warnings"]) == (version, [])
        local = folder / "home" / "sources" / name / "mongodb-versions.json"
        assert [each["version"] for each in json.loads(local.read_text())] == [version]
        assert mediatool("verify", version, "--source", name).code == 0
        planned = json.loads(mediatool("--source", name, "prune", "--dry-run", "--json").out)
        assert {each["version"] for each in planned["plan"]} == {version}
    read = mediatool("--source", "library", "sql", "latest", "SELECT id FROM items ORDER BY id")
    assert [line.strip() for line in read.out.splitlines()] == ["id", "a", "b"]

    missing = mediatool("show", "20200101-000000", "--source", "library")
    assert "`mediatool --source library versions` lists" in missing.err

    os.environ.pop("MEDIATOOL_SOURCE")
    for words in (["versions"], ["export"], ["bucket", "plan"], ["check"]):
        result = mediatool(*words)
        assert result.code == 2
        assert "has the sources shop, library; name one" in result.err + result.out
    assert "source shop has settings of its own" in mediatool("settings").out


def test_dagster_shows_both(folder: Path) -> None:
    """Without a chosen source one code location has the assets and jobs of all, under names."""
    loaded = definitions_of(sources())
    keys = loaded.resolve_asset_graph().get_all_asset_keys()
    assert {key.path[0] for key in keys} == {*TABLES}
    assert len([key for key in keys if key.path[1:] == ["raw", "items"]]) == 2
    repository = loaded.get_repository_def()
    assert {f"{name}_daily_export" for name in TABLES} <= set(repository.job_names)
    assert [each.name for each in repository.sensor_defs].count("alert_sensor") == 1
    assert loaded.resources is not None
    settings = loaded.resources["library_servers"].settings()
    assert settings.postgres_url.reveal() == os.environ["LIBRARY_URL"]
    assert (settings.s3_prefix, settings.mongodb_prefix) == ("library/", "mediatool_library_")
