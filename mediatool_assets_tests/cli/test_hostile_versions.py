"""Hostile archives under the keys of versions: fetched, verified, restored by nobody."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import boto3
import msgspec
import psycopg
import pytest
from pymongo import MongoClient

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Kind, archive_key, metadata_key
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.hostile import DEEP, DOCUMENTS, DRAFTS, SCHEMA_SQL, Draft, build, raw
from mediatool_assets_tests.metadata_examples import example
from mediatool_assets_tests.raw_archives import VERSION

pytestmark = pytest.mark.usefixtures("as_any_other_process")

SOME = {
    name: DRAFTS[name]
    for name in (
        "tar: a name that leaves its folder",
        "tar: a symbolic link",
        "tar: a file that the manifest does not name",
        "a name that leaves its folder",
        "a file twice",
        "an absurd size",
        "100,000 levels",
        "a bomb",
        "a block that unpacks to 64 MiB",
    )
}
"""One of each sort: each is a request or more to real servers, through every door."""


@dataclass
class Shelf:
    """A bucket in which each archive is that of the one version, in turn."""

    objects: S3Objects
    stack: Stack

    def lay(self, kind: Kind, data: bytes) -> None:
        """Put an archive, and metadata that vouches for it."""
        self.clear()
        found = example(str(VERSION))
        exports = msgspec.structs.replace(
            found.exports,
            **{
                kind: msgspec.structs.replace(
                    getattr(found.exports, kind),
                    sha256=hashlib.sha256(data).hexdigest(),
                    size_bytes=len(data),
                )
            },
        )
        self.objects.put(archive_key(kind, VERSION), data)
        whole = msgspec.structs.replace(found, exports=exports)
        self.objects.put(metadata_key(VERSION), whole.to_json())

    def clear(self) -> None:
        """Take away all that is there."""
        client = boto3.client(
            "s3", endpoint_url=self.stack.environment["MEDIATOOL_S3_ENDPOINT_URL"]
        )
        for info in self.objects.list(""):
            client.delete_object(Bucket=self.objects.bucket, Key=info.key)
        client.close()

    def state(self) -> tuple[list[str], list[str], list[str]]:
        """The keys of the bucket but restores' evidence, and the databases of both servers."""
        keys = [i.key for i in self.objects.list("") if "/restores/" not in i.key]
        with psycopg.connect(self.stack.environment["MEDIATOOL_RESTORE_POSTGRES_URL"]) as server:
            rows = server.execute("SELECT datname FROM pg_database ORDER BY 1").fetchall()
        url = self.stack.environment["MEDIATOOL_MONGODB_URL"]
        with MongoClient[dict[str, object]](url) as client:
            return keys, [name for (name,) in rows], sorted(client.list_database_names())


@pytest.fixture(scope="module")
def module_bucket(stack: Stack) -> Iterator[Shelf]:
    """One bucket for all of them."""
    name = f"test-{uuid4().hex[:12]}"
    client = boto3.client("s3", endpoint_url=stack.environment["MEDIATOOL_S3_ENDPOINT_URL"])
    client.create_bucket(Bucket=name)
    shelf = Shelf(
        S3Objects.of(Settings.parse(stack.environment | {"MEDIATOOL_S3_BUCKET": name})), stack
    )
    yield shelf
    shelf.clear()
    client.delete_bucket(Bucket=name)
    client.close()


@pytest.fixture
def shelf(module_bucket: Shelf, nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """The bucket as the command line finds it, in an empty directory."""
    for name, value in module_bucket.stack.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", module_bucket.objects.bucket)
    monkeypatch.setenv("MEDIATOOL_WORKERS", "1")
    return module_bucket


def refused(shelf: Shelf, mediatool: Run, *words: str, says: str) -> None:
    """The command ends with 3 and says so, and nothing that it could write to has changed."""
    before = shelf.state()
    result = mediatool(*words)
    assert result.code == 3, result.err
    assert 1 <= len(result.lines) <= 2, result.err
    assert re.search(says if "|" in says else re.escape(says), result.err)
    assert shelf.state() == before
    assert [path.name for path in Path("out").rglob("*")] == []


def restored(shelf: Shelf, mediatool: Run, to: str, says: str) -> None:
    """A restore of the version to a database of this name is refused."""
    words = ("restore", str(VERSION), "--to", to, "--database", "scratch_of_hostile")
    refused(shelf, mediatool, *words, says=says)


@pytest.mark.parametrize(("draft", "says"), SOME.values(), ids=SOME)
def test_none_is_fetched_or_restored(shelf: Shelf, mediatool: Run, draft: Draft, says: str) -> None:
    """Though the metadata vouches for its SHA-256; no file, no database, no half of one."""
    shelf.lay("raw", build(draft))
    refused(shelf, mediatool, "fetch", str(VERSION), "--output", "out", says=says)
    restored(shelf, mediatool, "postgres", says)


ROWS = {
    "a row that is no JSON": raw(users=b'{"id":1,"name":"A"\n'),
    "a row without a column": raw(users=b'{"id":1}\n'),
    "a row that is no UTF-8": raw(users=b'{"id":1,"name":"\xff"}\n'),
    "a row of 100,000 levels": raw(users=b'{"id":1,"name":' + DEEP + b"}\n"),
    "no schema.json": DRAFTS["no schema.json"][0],
    **{
        f"a schema with {sql}": raw().change(
            "schema.sql",
            content=SCHEMA_SQL.replace(b"CREATE TABLE", f"{sql}; CREATE TABLE".encode(), 1),
        )
        for sql in (
            "COPY pg_class FROM PROGRAM 'touch owned'",
            "DO $$BEGIN CREATE ROLE thief SUPERUSER; END$$",
            "ALTER SYSTEM SET log_directory = 'owned'",
        )
    },
    "a schema that is no dump": raw().change("schema.sql", content=b"\\! touch owned\n"),
}


@pytest.mark.parametrize("draft", ROWS.values(), ids=ROWS)
def test_rows_that_no_table_takes(shelf: Shelf, mediatool: Run, draft: Draft) -> None:
    """The archive is named, and the database that was begun is gone."""
    shelf.lay("raw", build(draft))
    restored(shelf, mediatool, "postgres", "-raw.tar.gz")
    assert not Path("owned").exists()


@pytest.mark.parametrize(("draft", "says"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_documents_that_are_none(shelf: Shelf, mediatool: Run, draft: Draft, says: str) -> None:
    """BSON of impossible lengths and metadata that is none: MongoDB has no such database."""
    shelf.lay("transformed", build(draft))
    restored(shelf, mediatool, "mongodb", says)


def test_an_archive_of_another_version(shelf: Shelf, mediatool: Run) -> None:
    """A good archive where another's belongs is not taken for it, nor one of another kind."""
    shelf.lay("raw", build(replace(raw(), version="20250622-143000")))
    refused(shelf, mediatool, "fetch", str(VERSION), "--output", "out", says="20250622-143000")
    restored(shelf, mediatool, "postgres", "20250622-143000")
    shelf.lay("raw", build(replace(raw(), kind="dump")))
    restored(shelf, mediatool, "postgres", "is a dump archive")


def test_verify_tells_it(shelf: Shelf, mediatool: Run) -> None:
    """A hostile archive is a part that failed, named; the verdict is exit code 1."""
    draft, says = SOME["tar: a symbolic link"]
    shelf.lay("raw", build(draft))
    result = mediatool("verify", str(VERSION))
    assert result.code == 1, result.err
    assert says in result.out
