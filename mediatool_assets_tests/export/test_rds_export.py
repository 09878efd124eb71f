"""An RDS snapshot export read into a version: equal to the live one, or refused with a name."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mediatool_assets.core.errors import BadSource
from mediatool_assets.core.manifest import Manifest
from mediatool_assets.core.schema import Column
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.demo.demonstration import export_as_rds
from mediatool_assets.demo.seeding import seed
from mediatool_assets.export.flow import export
from mediatool_assets.export.rds import RdsExport, find
from mediatool_assets.export.rds_files import same_type
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.twins import DirectoryObjects

LIVE = Version.parse("20260104-020000")
PAST = Version.parse("20260102-030000")


def _fingerprints(manifest: Manifest) -> dict[str, str | None]:
    return {name: member.fingerprint for name, member in manifest.tables().items()}


def test_the_version_of_an_rds_export_is_the_live_one(
    postgres_database: Url, tmp_path: Path, pool: Workspace
) -> None:
    """Value by value, over the whole seed: every table has the fingerprint of the live export."""
    objects = DirectoryObjects(tmp_path / "bucket")
    seed(postgres_database, scale=0.002, full=True)
    source = PostgresSource(postgres_database, "media_tool")
    live = export(source, objects, pool, LIVE).manifest
    prefix = export_as_rds(postgres_database, objects.put, PAST, part_rows=300, group_rows=100)
    assert prefix == "postgres-exports/rds-exports/2026-01-02/export-20260102-030000/"

    found = find(objects, "2026-01-02")
    assert found is not None
    assert found.version == PAST
    past = export(found, objects, pool, found.version).manifest
    assert _fingerprints(past) == _fingerprints(live)
    assert past.rows == live.rows > 3000
    assert past.facts == live.facts
    assert past.member("schema.sql").digest == live.member("schema.sql").digest  # type: ignore[union-attr]  # it is there
    assert past.source["type"] == "rds"
    assert past.source["structure_from"] == f"version {LIVE}"
    assert [w for w in past.warnings if f"version {LIVE}" in w]


SMALL = """
CREATE SCHEMA media_tool;
SET search_path TO media_tool;
CREATE TABLE accounts (id int PRIMARY KEY, name text);
CREATE TABLE daily (on_day date, hits bigint) PARTITION BY RANGE (on_day);
CREATE TABLE daily_old PARTITION OF daily FOR VALUES FROM (MINVALUE) TO ('2025-01-01');
CREATE TABLE daily_new PARTITION OF daily DEFAULT;
CREATE TABLE empty (id int);
CREATE SCHEMA other;
CREATE TABLE other.notes (id int);
INSERT INTO accounts SELECT n, 'name ' || n FROM generate_series(1, 30) n;
INSERT INTO daily VALUES ('2024-06-01', 5), ('2025-06-01', 9007199254740993);
"""
PREFIX = "postgres-exports/rds-exports/2026-01-02/export-20260102-030000/"


@pytest.fixture
def small(postgres_database: Url, tmp_path: Path) -> Iterator[DirectoryObjects]:
    """A bucket with the export of four small tables, of which one has three parts."""
    import psycopg  # noqa: PLC0415  # this fixture alone needs it

    with psycopg.connect(postgres_database.reveal()) as connection:
        connection.execute(SMALL)
    objects = DirectoryObjects(tmp_path / "bucket")
    export_as_rds(postgres_database, objects.put, PAST, part_rows=10, group_rows=4)
    yield objects


def _found(objects: ObjectStore, url: Url | None = None) -> RdsExport:
    live = None if url is None else PostgresSource(url, "media_tool")
    found = find(objects, "2026-01-02", live=live)
    assert found is not None
    return found


def test_an_export_is_read_with_one_schema(small: DirectoryObjects) -> None:
    """A list of schemas is refused by name, and not looked for as a schema of that name."""
    found = find(small, "2026-01-02", "media_tool,other")
    assert found is not None
    with (
        pytest.raises(
            BadSource, match=r"it cannot be read for several schemas \(media_tool,other\)"
        ),
        found.snapshot(),
    ):
        pass


def test_without_archive_the_live_database_gives_the_structure(
    small: DirectoryObjects, postgres_database: Url, pool: Workspace
) -> None:
    """And the version says so; a partitioned table is put together from its leaves."""
    archived = export(_found(small, postgres_database), small, pool, PAST)
    rows = {name: member.rows for name, member in archived.manifest.tables().items()}
    assert rows == {"accounts": 30, "daily": 2, "empty": 0}
    assert archived.manifest.source["structure_from"] == "the live database"
    [unproven] = [w for w in archived.manifest.warnings if "has no file for" in w]
    assert unproven.startswith("the RDS export has no file for empty: ")


def test_a_busy_day_does_not_hide_the_days_around_it(
    small: DirectoryObjects, postgres_database: Url, pool: Workspace
) -> None:
    """Of each of the nearest days the newest archive is looked at, until one agrees."""
    source = PostgresSource(postgres_database, "media_tool")
    export(source, small, pool, LIVE)
    for second in range(12):
        small.put(archive_key("raw", Version.parse(f"20260102-0400{second:02}")), b"of no use")
    with _found(small).snapshot() as snapshot:
        assert snapshot.structure.origin == f"version {LIVE}"


def test_the_snapshot_is_named_whole(small: DirectoryObjects, postgres_database: Url) -> None:
    """An automated one has a colon in its name."""
    arn = "arn:aws:rds:eu-west-1:123456789012:snapshot:rds:production-2026-01-02-03-00"
    _edited("export_info*", sourceArn=arn)(small.root / "objects" / PREFIX)
    with _found(small, postgres_database).snapshot() as snapshot:
        assert snapshot.facts["snapshot_id"] == "rds:production-2026-01-02-03-00"
        assert snapshot.facts["instance"] == "production"


def test_without_any_structure_it_is_refused(small: DirectoryObjects) -> None:
    """Types are never guessed."""
    with pytest.raises(BadSource, match="there is no raw archive"), _found(small).snapshot():
        pass


def test_a_day_without_export_has_none(small: DirectoryObjects) -> None:
    """None, and no error."""
    assert find(small, "2026-01-03") is None


Damage = Callable[[Path], object]


def _edited(name: str, **changes: object) -> Damage:
    def edit(folder: Path) -> None:
        (path,) = folder.glob(name)
        path.write_bytes(msgspec.json.encode(json.loads(path.read_bytes()) | changes))

    return edit


def _status(table: str, **changes: object) -> Damage:
    def edit(folder: Path) -> None:
        (path,) = folder.glob("export_tables_info*")
        info: dict[str, list[dict[str, Any]]] = json.loads(path.read_bytes())
        for status in info["perTableStatus"]:
            if status["target"].endswith(table):
                status.update(changes)
        path.write_text(json.dumps(info))

    return edit


def _told(status: dict[str, object]) -> Damage:
    def edit(folder: Path) -> None:
        (path,) = folder.glob("export_tables_info*")
        info: dict[str, list[dict[str, Any]]] = json.loads(path.read_bytes())
        info["perTableStatus"].append(status)
        path.write_text(json.dumps(info))

    return edit


def _without(pattern: str) -> Damage:
    return lambda folder: next(iter(sorted(folder.glob(pattern)))).unlink()


def _copied(pattern: str, name: str) -> Damage:
    def copy(folder: Path) -> None:
        path = next(iter(sorted(folder.glob(pattern))))
        (path.parent / name).write_bytes(path.read_bytes())

    return copy


def _moved(pattern: str, to: str) -> Damage:
    def move(folder: Path) -> None:
        (path,) = folder.glob(pattern)
        path.rename(path.parent / to)

    return move


DAMAGES: dict[str, tuple[Damage, str]] = {
    "failed": (
        _edited("export_info*", status="FAILED", failureCause="KMS key disabled"),
        r"FAILED \(KMS key disabled\)",
    ),
    "running": (_edited("export_info*", status="IN_PROGRESS"), "IN_PROGRESS, not COMPLETE"),
    "no info": (_without("export_info*"), "0 export_info files"),
    "another day": (_edited("export_info*", snapshotTime="2026-01-01T03:00:00Z"), "of 2026-01-01"),
    "no time": (_edited("export_info*", snapshotTime="soon"), "snapshotTime"),
    "skipped": (
        _status(".accounts", warningMessage="unsupported", status="SKIPPED"),
        "AWS left out .*accounts: unsupported",
    ),
    "database skipped": (
        _told({"target": "db", "warningMessage": "no access"}), "AWS left out db: no access",
    ),
    "table failed": (_status(".accounts", status="FAILED"), "accounts is FAILED"),
    "table twice": (_told({"target": "x.media_tool.accounts", "status": "COMPLETE"}), "twice"),
    "no success": (_without("*/media_tool.accounts/1/_SUCCESS"), r"accounts/1 has no _SUCCESS"),
    "part gone": (_without("*/media_tool.accounts/1/part-*"), "accounts has 2 of its 3 parts"),
    "part more": (
        _copied("*/media_tool.accounts/1/part-*", "part-00007-x.parquet"),
        "accounts has 4 parts, 1 more",
    ),
    "part twice": (
        _copied("*/media_tool.accounts/1/part-*", "part-00000-x.parquet"), "another part 00000",
    ),
    "odd file": (_copied("*/media_tool.accounts/1/part-*", "notes.txt"), "notes.txt is no part"),
    "batch gone": (_moved("*/media_tool.accounts/1", "2"), "accounts lacks its batch 1"),
    "table gone": (_status(".accounts", target="x.other.accounts"), "none of its tables"),
    "folder gone": (_without("*/media_tool.empty/1/_SUCCESS"), "empty has no _SUCCESS and no part"),
    "unfinished": (
        _status(".accounts", tableStatistics={
            "partitioningInfo": {"numberOfPartitions": 4, "numberOfCompletedPartitions": 3}}),
        "3 of 4 partitions",
    ),
    "other type": (
        _status(".accounts", schemaMetadata={"originalTypeMappings": [
            {"columnName": "id", "originalType": "uuid"},
            {"columnName": "name", "originalType": "text"}]}),
        "accounts.id was uuid in the snapshot, and is integer in the schema",
    ),
    "column gone": (
        _status(".accounts", schemaMetadata={"originalTypeMappings": [
            {"columnName": "id", "originalType": "int4"}]}),
        "accounts.name, which the export lacks",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_not_whole_is_refused_by_name(
    small: DirectoryObjects, postgres_database: Url, name: str
) -> None:
    """A task, table, batch or part that is not what AWS says makes no version."""
    damage, message = DAMAGES[name]
    damage(small.root / "objects" / PREFIX)
    with pytest.raises(BadSource, match=message), _found(small, postgres_database).snapshot():
        pass


def test_the_only_part_of_a_table_that_is_gone_is_missed(
    small: DirectoryObjects, postgres_database: Url, pool: Workspace
) -> None:
    """AWS's files say nothing of it: a version near it does, unless the table was emptied."""
    export(PostgresSource(postgres_database, "media_tool"), small, pool, LIVE)
    with _found(small).snapshot() as whole:
        assert whole.structure.rows["daily"] == 2
    for leaf in ("daily_old", "daily_new"):
        for part in (small.root / "objects" / PREFIX).glob(f"*/media_tool.{leaf}/1/part-*"):
            part.unlink()
    said = rf"daily has no part, and 2 rows in version {LIVE}; export .* MEDIATOOL_RDS_EMPTY"
    with pytest.raises(BadSource, match=said), _found(small).snapshot():
        pass
    emptied = replace(_found(small), may_be_empty=frozenset({"daily"}))
    rows = export(emptied, small, pool, PAST).manifest.tables()
    assert (rows["daily"].rows, rows["accounts"].rows) == (0, 30)


def test_a_damaged_part_is_named(
    small: DirectoryObjects, postgres_database: Url, pool: Workspace
) -> None:
    """Bytes that are no Parquet file make no version."""
    folder = small.root / "objects" / PREFIX
    part = next(iter(sorted(folder.glob("*/media_tool.accounts/1/part-00001*"))))
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(BadSource, match=r"part-00001.*is damaged"):
        export(_found(small, postgres_database), small, pool, PAST)
    assert small.head(f"postgres-exports/raw/2026-01-02/{PAST}-raw.tar.gz") is None


def test_an_older_failed_task_does_not_hide_a_complete_one(
    small: DirectoryObjects, postgres_database: Url
) -> None:
    """The newest complete export of the day is the one."""
    later = Version.parse("20260102-100000")
    prefix = export_as_rds(postgres_database, small.put, later)
    assert _found(small).version == later
    _edited("export_info*", status="FAILED")(small.root / "objects" / prefix)
    assert _found(small).version == PAST


@pytest.mark.parametrize(
    ("declared", "original"),
    [
        ("character varying(20)", "varchar(20)"),
        ("numeric(12,2)", "numeric"),
        ("timestamp with time zone", "timestamptz"),
        ("timestamp(3) with time zone", "timestamp(3) with time zone"),
        ("integer", "serial"),
        ("numeric(12,0)", "numeric(12)"),
    ],
)
def test_types_are_the_same_by_any_of_their_names(declared: str, original: str) -> None:
    """Names of the catalog and of SQL, with modifiers or without."""
    base = declared.split("(", maxsplit=1)[0] if declared != "timestamp(3) with time zone" else (
        "timestamp with time zone"
    )  # fmt: skip
    column = Column("c", declared, base)
    assert same_type(column, original)
    assert not same_type(column, "uuid")


@pytest.mark.parametrize(
    ("declared", "base", "original"),
    [
        ("numeric(12,2)", "numeric", "numeric(12,4)"),
        ("character varying(20)", "character varying", "varchar(40)"),
        ("timestamp(3) with time zone", "timestamp with time zone", "timestamptz(6)"),
    ],
)
def test_types_of_other_lengths_are_not_the_same(declared: str, base: str, original: str) -> None:
    """Where AWS gives them: rows of one would be said to be of the other."""
    assert not same_type(Column("c", declared, base), original)


@pytest.mark.parametrize("original", ["_int4", "integer[]", "int4[]", "ARRAY"])
def test_arrays_are_the_same_by_any_of_their_names(original: str) -> None:
    """An element's name with a mark of either kind."""
    column = Column("c", "integer[]", "integer[]", element="integer", element_kind="b")
    assert same_type(column, original)
    assert not same_type(replace_type(column, "text"), "_int4")


def replace_type(column: Column, element: str) -> Column:
    """An array of other elements."""
    return msgspec.structs.replace(
        column, type=f"{element}[]", base=f"{element}[]", element=element
    )
