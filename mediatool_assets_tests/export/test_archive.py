"""Export: the raw archive holds every row of one instant, and its structure, for any reader."""

import subprocess
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from mediatool_assets.archive.reader import ArchiveReader, split_lines
from mediatool_assets.core.schema import Schema
from mediatool_assets.core.version import table_member
from mediatool_assets.export.flow import export
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets.versions.catalog import StoredArchive
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.compared import Watched
from mediatool_assets_tests.fixtures.export_source import KEY, VERSION
from mediatool_assets_tests.twins import DirectoryObjects


def rows_of(archived: StoredArchive, reader: ArchiveReader, table: str) -> list[Any]:
    """A table's rows, decoded."""
    blocks = archived.manifest.tables()[table].blocks
    return [
        msgspec.json.decode(line)
        for content in reader.blocks(blocks)
        for line in split_lines(content)
    ]


def test_the_archive_holds_every_table_once(
    mixed_source: PostgresSource, objects: S3Objects, scratch_pool: Workspace, scratch: Path
) -> None:
    """Partitions under their parent, inherited rows where they are, empty tables empty."""
    archived = export(mixed_source, objects, scratch_pool, VERSION)
    reader = catalog.reader(objects, "raw", VERSION)
    assert archived.uri == objects.uri(KEY)
    assert {name: member.rows for name, member in archived.manifest.tables().items()} == {
        "a/b %": 0, "daily": 50, "empty": 0, "films": 1, "media": 1, "users": 250,
    }  # fmt: skip
    assert [member.name for member in archived.manifest.members] == [
        "a%2Fb %25.ndjson", "daily.ndjson", "empty.ndjson", "films.ndjson", "media.ndjson",
        "users.ndjson", "schema.sql", "schema.json",
    ]  # fmt: skip
    assert sorted(row["clicks"] for row in rows_of(archived, reader, "daily")) == list(range(50))
    assert rows_of(archived, reader, "media") == [{"id": 1}]
    assert rows_of(archived, reader, "films") == [{"id": 2, "minutes": 90}]
    assert rows_of(archived, reader, "users")[249] == {"id": 250, "name": "user 250"}
    for member in archived.manifest.members:
        reader.verify(member)
    assert not list(scratch.iterdir())


@pytest.mark.local_postgres
def test_the_manifest_names_its_source_and_no_secret(
    mixed_source: PostgresSource, objects: S3Objects, scratch_pool: Workspace
) -> None:
    """Server version and snapshot are there, the password is not."""
    archived = export(mixed_source, objects, scratch_pool, VERSION)
    assert archived.manifest.source.keys() == {
        "type", "instance", "system_identifier", "database", "schema", "server_version", "pg_dump",
        "snapshot_id",
    }  # fmt: skip
    assert str(archived.manifest.source["server_version"]).split(".")[0] in ("16", "17", "18")
    password = psycopg.conninfo.conninfo_to_dict(mixed_source.url.reveal()).get("password")
    assert password is None or str(password) not in repr(archived.manifest)
    assert password is None or str(password) not in repr(mixed_source)


def test_schema_json_and_schema_sql_tell_the_structure(
    mixed_source: PostgresSource, objects: S3Objects, scratch_pool: Workspace
) -> None:
    """Both are in the archive: tables, views by name, and where sequences stood."""
    archived = export(mixed_source, objects, scratch_pool, VERSION)
    reader = catalog.reader(objects, "raw", VERSION)
    schema = Schema.from_json(reader.read_file("schema.json"))
    assert schema.table("daily").partitions == ("daily_a_few", "daily_a_rest", "daily_b")
    assert schema.views == ("names", "totals")
    assert archived.manifest.facts["schema_fingerprint"] == schema.fingerprint()
    assert archived.manifest.facts["counted"] == {
        name: member.rows for name, member in archived.manifest.tables().items()
    }
    ddl = reader.read_file("schema.sql").decode()
    assert "CREATE MATERIALIZED VIEW media_tool.totals" in ddl
    assert """SELECT pg_catalog.setval('"media_tool"."numbers"', 46, true);""" in ddl
    assert """SELECT pg_catalog.setval('"media_tool"."unused"', 7, false);""" in ddl


def test_gnu_tar_lists_and_extracts_it(
    mixed_source: PostgresSource, twin: DirectoryObjects, scratch_pool: Workspace, tmp_path: Path
) -> None:
    """``tar -xzf`` gives the files of the manifest, to the byte."""
    archived = export(mixed_source, twin, scratch_pool, VERSION)
    path = tmp_path / "raw.tar.gz"
    opened = twin.open(KEY)
    path.write_bytes(opened.read(0, opened.size))
    subprocess.run(["tar", "-xzf", str(path), "-C", str(tmp_path)], check=True)
    for member in archived.manifest.members:
        content = (tmp_path / str(VERSION) / member.name).read_bytes()
        assert len(content) == member.bytes
        for block in member.blocks:
            part, content = content[: block.bytes], content[block.bytes :]
            assert sha256(part).hexdigest() == block.digest


def test_the_same_rows_give_the_same_bytes(
    mixed_source: PostgresSource, twin: DirectoryObjects, scratch_pool: Workspace, tmp_path: Path
) -> None:
    """Two exports of an unchanged database are equal up to the manifest, which has the snapshot."""
    other = DirectoryObjects(tmp_path / "other")
    one, two = (export(mixed_source, store, scratch_pool, VERSION) for store in (twin, other))
    assert one.manifest.members == two.manifest.members
    last = one.manifest.members[-1].blocks[-1]
    end = last.offset + last.length
    assert twin.open(KEY).read(0, end) == other.open(KEY).read(0, end)


def test_one_table_is_read_without_the_others(
    mixed_source: PostgresSource, objects: S3Objects, scratch_pool: Workspace
) -> None:
    """After the manifest, only the table's own bytes are fetched, once."""
    export(mixed_source, objects, scratch_pool, VERSION)
    counting = Watched(objects.open(KEY))
    reader = ArchiveReader(counting)
    member = reader.manifest.tables()["users"]
    counting.ranges.clear()
    assert sum(len(split_lines(content)) for content in reader.blocks(member.blocks)) == 250
    assert sum(end - start for start, end in counting.ranges) == sum(
        b.length for b in member.blocks
    )
    assert min(start for start, _ in counting.ranges) == member.blocks[0].offset


def test_progress_ends_at_the_rows_of_each_table(
    mixed_source: PostgresSource, twin: DirectoryObjects, scratch_pool: Workspace
) -> None:
    """Told after every chunk, table by table."""
    told: list[tuple[str, int, int]] = []

    def tell(step: str, done: int, total: int, unit: str = "rows") -> None:
        told.append((step, done, total))

    export(mixed_source, twin, replace(scratch_pool, progress=tell), VERSION)
    assert [step for step in told if step[0] == "users"] == [
        ("users", 100, 250), ("users", 200, 250), ("users", 250, 250),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "name"),
    [("users", "users"), ("a/b", "a%2Fb"), ("..", ".."), ("50%", "50%25"), ("a\nb", "a%0Ab")],
)
def test_member_names_stay_inside_the_folder(table: str, name: str) -> None:
    """Whatever a table is called, its file has one name of its own."""
    assert table_member(table) == f"{name}.ndjson"
