"""What PostgreSQL allows beside ordinary tables: carried, or left out and said so."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mediatool_assets.core.errors import BadSource
from mediatool_assets.core.manifest import Exclusion, Manifest
from mediatool_assets.core.schema import Schema
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version
from mediatool_assets.export.flow import BY_SETTING, export
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.versions import catalog
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.fixtures.export_source import run
from mediatool_assets_tests.twins import DirectoryObjects

VERSION = Version(datetime(2007, 1, 1, tzinfo=UTC))


def exported(url: Url, schema: str, pool: Workspace, folder: Path) -> tuple[Manifest, Schema]:
    """The raw archive's manifest, and its schema."""
    objects = DirectoryObjects(folder / "bucket")
    export(PostgresSource(url, schema), objects, pool, VERSION)
    reader = catalog.reader(objects, "raw", VERSION)
    return reader.manifest, Schema.from_json(reader.read_file("schema.json"))


def test_what_is_no_table_of_its_own_is_left_out_and_recorded(
    postgres_database: Url, pool: Workspace, tmp_path: Path
) -> None:
    """Views and foreign tables by name, large objects by number."""
    run(
        postgres_database,
        """
        CREATE SCHEMA a;
        CREATE TABLE a.t (id integer PRIMARY KEY, photo oid);
        INSERT INTO a.t VALUES (1, lo_from_bytea(0, 'x')), (2, lo_from_bytea(0, 'y'));
        CREATE VIEW a.v AS SELECT id FROM a.t;
        CREATE MATERIALIZED VIEW a.m AS SELECT id FROM a.t;
        CREATE FOREIGN DATA WRAPPER nowhere;
        CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;
        CREATE FOREIGN TABLE a.f (id integer) SERVER elsewhere;
        """,
    )
    manifest, schema = exported(postgres_database, "a", pool, tmp_path)
    assert list(manifest.tables()) == ["t"]
    assert (schema.views, schema.foreign_tables) == (("m", "v"), ("f",))
    assert manifest.source["large_objects"] == 2
    assert manifest.warnings == (
        "the database has 2 large objects, which belong to no table: they are not exported, "
        "only their oids in columns",
        "f is a foreign table: its rows are on another server and not exported",
    )


def test_what_cannot_be_read_can_be_excluded(
    postgres_database: Url, pool: Workspace, tmp_path: Path
) -> None:
    """A partition on another server stops the export, unless its table is left out: uncounted."""
    run(
        postgres_database,
        """
        CREATE SCHEMA a;
        CREATE TABLE a.t (id integer PRIMARY KEY);
        CREATE FOREIGN DATA WRAPPER nowhere;
        CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;
        CREATE TABLE a.p (id integer) PARTITION BY LIST (id);
        CREATE FOREIGN TABLE a.far PARTITION OF a.p DEFAULT SERVER elsewhere;
        """,
    )
    with pytest.raises(BadSource, match=r"a foreign table.*exclude the table"):
        exported(postgres_database, "a", pool, tmp_path)
    source = PostgresSource(postgres_database, "a", exclude=frozenset({"p"}))
    objects = DirectoryObjects(tmp_path / "bucket")
    made = export(source, objects, pool, VERSION, exclude=source.exclude)
    assert made.manifest.exclusions == (Exclusion("p", BY_SETTING, None),)
    assert list(made.manifest.tables()) == ["t"]


def test_two_thousand_empty_tables(postgres_database: Url, pool: Workspace, tmp_path: Path) -> None:
    """Each has its member, under its name."""
    run(postgres_database, "CREATE SCHEMA a")
    for first in range(0, 2000, 200):
        made = (f"CREATE TABLE a.t{n:04} (id integer)" for n in range(first, first + 200))
        run(postgres_database, ";".join(made))
    manifest, _ = exported(postgres_database, "a", pool, tmp_path)
    assert list(manifest.tables()) == [f"t{n:04}" for n in range(2000)]
    assert manifest.rows == 0


def test_several_schemas_are_kept_apart(
    postgres_database: Url, pool: Workspace, tmp_path: Path
) -> None:
    """Everything has its schema's name before its own; one schema alone is called as ever."""
    run(
        postgres_database,
        """
        CREATE SCHEMA a; CREATE SCHEMA b;
        CREATE TABLE a.t (id serial PRIMARY KEY); CREATE TABLE b.t (id integer REFERENCES a.t);
        CREATE TYPE b.e AS ENUM ('x'); CREATE VIEW b.v AS SELECT 1;
        INSERT INTO a.t VALUES (1), (2); INSERT INTO b.t VALUES (1);
        """,
    )
    manifest, schema = exported(postgres_database, "a,b", pool, tmp_path)
    assert {n: m.rows for n, m in manifest.tables().items()} == {"a.t": 2, "b.t": 1}
    assert [m.name for m in manifest.members][:2] == ["a.t.ndjson", "b.t.ndjson"]
    assert manifest.source["schema"] == schema.name == "a,b"
    assert [key.table for key in schema.table("b.t").foreign_keys] == ["a.t"]
    assert [s.name for s in schema.sequences] == ["a.t_id_seq"]
    assert ([e.name for e in schema.enums], schema.views) == (["b.e"], ("b.v",))
    (tmp_path / "alone").mkdir()
    alone, _ = exported(postgres_database, "b", pool, tmp_path / "alone")
    assert list(alone.tables()) == ["t"]


@pytest.mark.parametrize(
    ("schemas_", "problem"),
    [("a,c", "there is no schema c"), ("a,a.b", "both would be exported as a.b.t")],
)
def test_schemas_that_cannot_go_together_are_refused(
    postgres_database: Url, pool: Workspace, tmp_path: Path, schemas_: str, problem: str
) -> None:
    """One that is not there, and two tables that would have one name."""
    run(
        postgres_database,
        'CREATE SCHEMA a; CREATE SCHEMA "a.b"; CREATE TABLE a."b.t" (); CREATE TABLE "a.b".t ()',
    )
    with pytest.raises(BadSource, match=problem):
        exported(postgres_database, schemas_, pool, tmp_path)
