"""``restore`` and ``verify`` as a person calls them, on real servers."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from pymongo import MongoClient

from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.texts import SHIPPED_MODEL, Url
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.demo.seeding import seed
from mediatool_assets.export.flow import export
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.transform.flow import transform
from mediatool_assets.versions import catalog
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.conftest import empty_bucket, empty_database, objects_of, superuser
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.database_names import postgres_database as own_name
from mediatool_assets_tests.finished import finish, load_and_dump
from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.fresh_versions import fresh_version

pytestmark = pytest.mark.usefixtures("as_any_other_process")


@dataclass(frozen=True)
class Made:
    """A complete version on real servers, which the environment names."""

    version: Version
    objects: S3Objects
    documents: MongoDocuments
    source: Url
    server: Url
    name: str


@contextmanager
def _complete(
    stack: Stack, documents: MongoDocuments, pool: Workspace, folder: Path
) -> Iterator[Made]:
    """A version of a small demo source; its databases and its bucket are gone afterwards."""
    version = fresh_version()
    with empty_database(superuser(stack)) as source, empty_bucket(stack) as bucket:
        objects = objects_of(stack, bucket)
        seed(source, scale=0.002, full=False, day=0, schema="media_tool")
        export(PostgresSource(source, "media_tool"), objects, pool, version)
        transform(objects, pool, version, load_model(SHIPPED_MODEL))
        load_and_dump(objects, documents, pool, version)
        finish(objects, documents, pool, version, folder / "registry.json")
        server = Url(stack.environment["MEDIATOOL_RESTORE_POSTGRES_URL"])
        name = f"scratch_{uuid4().hex[:8]}"
        yield Made(version, objects, documents, source, server, name)
        with MongoClient[dict[str, object]](documents.url.reveal()) as client:
            client.drop_database(mongodb_database(version))
            client.drop_database(name)
        with psycopg.connect(server.reveal(), autocommit=True) as connection:
            for database in (name, own_name(version)):
                query = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
                connection.execute(query.format(sql.Identifier(database)))


@pytest.fixture(scope="module")
def _unchanged(
    stack: Stack,
    documents: MongoDocuments,
    pool: Workspace,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Made]:
    with _complete(stack, documents, pool, tmp_path_factory.mktemp("unchanged")) as made:
        yield made


@pytest.fixture
def unchanged(_unchanged: Made, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Made:
    """A version for tests that change nothing of it and leave nothing beside it."""
    return _named(_unchanged, stack, monkeypatch)


@pytest.fixture
def made(
    stack: Stack,
    documents: MongoDocuments,
    pool: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Made]:
    """A version of the test's own."""
    with _complete(stack, documents, pool, tmp_path) as made:
        yield _named(made, stack, monkeypatch)


def _named(made: Made, stack: Stack, patch: pytest.MonkeyPatch) -> Made:
    for variable in ("RESTORE_POSTGRES_URL", "MONGODB_URL", "S3_ENDPOINT_URL"):
        patch.setenv(f"MEDIATOOL_{variable}", stack.environment[f"MEDIATOOL_{variable}"])
    patch.setenv("MEDIATOOL_POSTGRES_URL", made.source.reveal())
    patch.setenv("MEDIATOOL_S3_BUCKET", made.objects.bucket)
    patch.setenv("MEDIATOOL_WORKERS", "2")
    return made


def test_a_version_is_restored_verified_and_shown(mediatool: Run, made: Made) -> None:
    """To PostgreSQL under its own name; then verify reads it too, and show tells the verdict."""
    version = str(made.version)
    assert re.search("verified +never", mediatool("show", version).out)
    result = mediatool("restore", version, "--to", "postgres")
    assert (result.code, result.err) == (0, "")
    assert own_name(made.version) in result.out
    again = mediatool("restore", version, "--to", "postgres")
    assert (again.code, len(again.lines)) == (5, 1)
    assert "--replace" in again.err
    assert mediatool("restore", version, "--to", "postgres", "--replace").code == 0
    verdict = json.loads((result := mediatool("verify", version, "--json")).out)
    assert (result.code, verdict["verdict"]) == (0, "passed")
    assert {check["part"]: check["outcome"] for check in verdict["checks"]} == dict.fromkeys(
        ["raw", "transformed", "dump", "mongodb", "postgres"], "passed"
    )
    assert "passed, every byte" in mediatool("show", version).out
    assert mediatool("verify", version, "--sample", "5").code == 0
    assert "passed, 5 % of it" in mediatool("show", version).out


def test_parts_go_under_a_name_of_their_own(mediatool: Run, made: Made) -> None:
    """--json is the evidence that lies in the bucket."""
    words = ("restore", str(made.version), "--database", made.name, "--json")
    tables = json.loads(mediatool(*words, "--to", "postgres", "--tables", "users, teams").out)
    assert (set(tables["rows"]), tables["part"]) == ({"users", "teams"}, True)
    found = json.loads(mediatool(*words, "--to", "mongodb", "--collections", "users").out)
    assert (found["database"], list(found["rows"]), found["part"]) == (made.name, ["users"], True)
    kept = [made.objects.get(i.key)[0] for i in made.objects.list("postgres-exports/restores/")]
    assert [json.loads(data) for data in kept] == [tables, found]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--to", "mongodb", "--sanitized"], 3, "mediatool sanitize --input"),
        (["--to", "postgres", "--sanitized"], 3, "mediatool sanitize --input"),
        (
            ["--to", "mongodb", "--sanitized", "--from", "dump"],
            2,
            "cannot be used with --sanitized",
        ),
        (["--to", "postgres", "--tables", "nobody"], 3, "nobody"),
        (["--to", "mongodb", "--collections", "nobody"], 3, "nobody"),
        (
            ["--to", "postgres", "--database", "postgres", "--replace"],
            5,
            "was not made by a restore",
        ),
        (["--to", "mongodb", "--database", "admin", "--replace"], 5, "admin"),
        (["--to", "postgres", "--database", "media_tool_20200101-000000"], 5, "another version"),
        (["--to", "postgres", "--database", "x" * 64], 2, "name"),
    ],
)
def test_what_cannot_be_restored_is_said_in_a_line(
    mediatool: Run, unchanged: Made, words: list[str], code: int, said: str
) -> None:
    """With the contract's exit code; nothing was made, and there is no evidence of a failure."""
    result = mediatool("restore", str(unchanged.version), *words)
    assert [*unchanged.objects.list("postgres-exports/restores/")] == []
    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert len(result.lines) <= 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["restore", "20250621-143000"], "--to"),
        (["restore", "yesterday", "--to", "postgres"], "yesterday"),
        (["restore", "20250621-143000", "--to", "oracle"], "oracle"),
        (["restore", "20250621-143000", "--to", "mongodb", "--tables", "a"], "--collections"),
        (["restore", "20250621-143000", "--to", "postgres", "--collections", "a"], "--tables"),
        (["restore", "20250621-143000", "--to", "postgres", "--tables", " , "], "is empty"),
        (["restore", "20250621-143000", "--to", "postgres", "--database", ""], "--database"),
        (["restore", "20250621-143000", "--to", "postgres", "--from", "dump"], "--from dump"),
        (["restore", "20250621-143000", "--to", "mongodb", "--from", "raw"], "--from raw"),
        (
            ["restore", "20250621-143000", "--to", "postgres", "--tables", "a", "--replace"],
            "--database",
        ),
        (
            ["restore", "20250621-143000", "--to", "mongodb", "--collections", "a", "--replace"],
            "--database",
        ),
        (["restore", "20250621-143000", "--to", "postgres"], "mediatool up"),
        (["verify", "yesterday"], "yesterday"),
        (["verify", "20250621-143000", "--sample", "many"], "--sample"),
        (["verify", "20250621-143000"], "mediatool up"),
    ],
)
def test_wrong_words_are_misuse(mediatool: Run, nowhere: Path, words: list[str], said: str) -> None:
    """One or two lines that name what is wrong, before any server is asked."""
    result = mediatool(*words)
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert len(result.lines) <= 2


@pytest.mark.parametrize("command", [["restore", "--to", "postgres"], ["verify"]])
def test_a_version_that_is_not_complete_is_not_taken(
    mediatool: Run, unchanged: Made, command: list[str]
) -> None:
    """Whatever of it lies in the bucket."""
    result = mediatool(command[0], "20200101-000000", *command[1:])
    assert (result.code, len(result.lines)) == (3, 1)
    assert "not a complete version" in result.err


def test_a_sample_of_nothing_is_misuse(mediatool: Run, unchanged: Made) -> None:
    """It says what a share can be."""
    result = mediatool("verify", str(unchanged.version), "--sample", "0")
    assert result.code == 2
    assert "above 0 and at most 100" in result.err


@pytest.mark.parametrize(
    ("variable", "url"),
    [("MONGODB_URL", "mongodb://a:b@:c/"), ("RESTORE_POSTGRES_URL", "postgresql://h/?no_such=1")],
)
def test_a_wrong_setting_leaves_no_verdict(
    mediatool: Run, unchanged: Made, monkeypatch: pytest.MonkeyPatch, variable: str, url: str
) -> None:
    """A typo in a URL says nothing about a version: exit code 2, for the integrity report too."""
    monkeypatch.setenv(f"MEDIATOOL_{variable}", url)
    for command in ("verify", "integrity"):
        result = mediatool(command, str(unchanged.version))
        assert (result.code, result.out, len(result.lines)) == (2, "", 1)
        assert f"MEDIATOOL_{variable}" in result.err
    assert [*unchanged.objects.list("postgres-exports/verdicts/")] == []


def test_a_sample_that_reads_nothing_ends_in_exit_code_1(mediatool: Run, made: Made) -> None:
    """Nothing is wrong, and nothing was verified; it does not replace an earlier verdict."""
    version = str(made.version)
    assert mediatool("verify", version).code == 0
    result = mediatool("verify", version, "--sample", "0.001")
    assert (result.code, result.out.endswith(f"{version} not checked\n")) == (1, True)
    assert "larger --sample" in result.out
    assert "passed, every byte" in mediatool("show", version).out


def test_damage_ends_in_exit_code_1(mediatool: Run, made: Made) -> None:
    """The file and its bytes stand on stdout and in the verdict that is kept; show says failed."""
    version, key = str(made.version), archive_key("raw", made.version)
    campaigns = catalog.reader(made.objects, "raw", made.version).manifest.tables()["campaigns"]
    block = campaigns.blocks[0]
    data = bytearray(made.objects.get(key)[0])
    data[block.offset + block.length // 2] ^= 0xFF
    made.objects.client.put_object(Bucket=made.objects.bucket, Key=key, Body=bytes(data))
    result = mediatool("verify", version)
    assert result.code == 1
    place = f"bytes {block.offset}-{block.offset + block.length - 1}"
    named = f"campaigns.ndjson, block 1 of {len(campaigns.blocks)} ({place}): "
    assert f"\nraw: {named}" in result.out
    [kept] = made.objects.list("postgres-exports/verdicts/")
    assert named in made.objects.get(kept.key)[0].decode()
    assert result.out.endswith(f"{version} failed\n")
    assert "failed, every byte" in mediatool("show", version).out


def test_a_server_that_does_not_answer_ends_in_exit_code_4(
    mediatool: Run, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not known has not passed."""
    url = "postgresql://someone:hunter2@127.0.0.1:1/postgres"
    monkeypatch.setenv("MEDIATOOL_RESTORE_POSTGRES_URL", url)
    result = mediatool("verify", str(made.version))
    assert result.code == 4
    assert result.out.endswith(f"{made.version} unknown\n")
    assert "hunter2" not in result.out + result.err
    restoring = mediatool("restore", str(made.version), "--to", "postgres")
    assert (restoring.code, len(restoring.lines)) == (4, 1)
    assert "MEDIATOOL_RESTORE_POSTGRES_URL" in restoring.err
    assert "hunter2" not in restoring.err
