"""Restore: objects that cannot be made are named with what to do, and can be left out."""

import pytest

from mediatool_assets.core.errors import CheckFailed, MediatoolError
from mediatool_assets.core.setting_values import BY_OPTION, object_name, object_names
from mediatool_assets.restore.flow import RestoreOptions, restore_postgres
from mediatool_assets.versions.records import restored
from mediatool_assets_tests.fixtures.restore_place import Place

SOURCE = """
CREATE SCHEMA other; CREATE TABLE other.users (id integer PRIMARY KEY);
INSERT INTO other.users VALUES (1);
CREATE FUNCTION other.fired() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE SCHEMA media_tool; SET search_path TO media_tool;
CREATE TABLE t (id integer PRIMARY KEY, n integer UNIQUE); INSERT INTO t VALUES (1, 7), (2, 8);
"""

CANNOT = {
    "VIEW v": (
        "CREATE VIEW v AS SELECT id FROM other.users; COMMENT ON VIEW v IS 'it';"
        "COMMENT ON COLUMN v.id IS 'its'; ALTER VIEW v ALTER id SET DEFAULT 3;"
        "CREATE RULE r AS ON DELETE TO v DO INSTEAD NOTHING",
        r'relation "other.users" does not exist.*add the schema to MEDIATOOL_POSTGRES_SCHEMA',
    ),
    "MATERIALIZED VIEW m": (
        "CREATE MATERIALIZED VIEW m AS SELECT id FROM other.users; CREATE UNIQUE INDEX ON m (id)",
        r"MATERIALIZED VIEW m: relation",
    ),
    "MATERIALIZED VIEW DATA media_tool.m": (
        "CREATE FUNCTION later() RETURNS integer LANGUAGE plpgsql"
        " AS 'BEGIN RETURN (SELECT count(*) FROM other.users); END';"
        "CREATE MATERIALIZED VIEW m AS SELECT later()",
        r'MATERIALIZED VIEW DATA media_tool.m: relation "other.users" does not exist',
    ),
    "FUNCTION f(other.users, integer)": (
        "CREATE FUNCTION f(other.users, integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';"
        "COMMENT ON FUNCTION f(other.users, integer) IS 'one'",
        r'schema "other" does not exist|type "other.users" does not exist',
    ),
    "TRIGGER t g": (
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION other.fired();"
        "COMMENT ON TRIGGER g ON t IS 'it'",
        r"TRIGGER t g: ",
    ),
    "TYPE c": ("CREATE TYPE c AS (u other.users)", r'TYPE c: schema "other" does not exist'),
    "TABLE odd": (
        "CREATE TABLE odd (u other.users); ALTER TABLE odd ADD id serial PRIMARY KEY;"
        "CREATE TABLE refers (id integer REFERENCES odd); INSERT INTO odd DEFAULT VALUES;"
        "CREATE INDEX ON odd (id); COMMENT ON TABLE odd IS 'it'",
        r"TABLE odd: schema",
    ),
}


@pytest.mark.parametrize("thing", CANNOT)
def test_what_cannot_be_made_is_named_and_can_be_left_out(
    thing: str, place: Place, name: str
) -> None:
    """The message says what to change; without the object all else is there, and it is recorded."""
    made, message = CANNOT[thing]
    place.run(SOURCE + made)
    version, archived = place.export()
    with pytest.raises(CheckFailed, match=message) as caught:
        place.restore(version, name)
    assert f"leave it out with --skip '{thing}' (MEDIATOOL_RESTORE_SKIP" in str(caught.value)
    assert "another version" not in str(caught.value)
    found = place.restore(version, skip=dict.fromkeys(object_names(f"{thing};"), BY_OPTION))
    assert f"{thing}: {BY_OPTION}" in found.notes
    assert found.part == thing.startswith("TABLE")
    assert found.rows["t"] == 2
    marker = place.target.marker(found.database)
    assert marker is not None
    assert marker.notes == found.notes
    assert (restored(place.target, archived.manifest) is None) == found.part


def test_keys_and_defaults_can_be_left_out(place: Place, name: str) -> None:
    """What is left out is not asked for when the structure is compared."""
    place.run(
        SOURCE + "CREATE TABLE r (id integer REFERENCES t, s serial); CREATE INDEX by_id ON r (id);"
        "CREATE TYPE e AS ENUM ('a'); CREATE SEQUENCE q; CREATE VIEW v AS SELECT 1 AS x"
    )
    version, _ = place.export()
    skip = "FK CONSTRAINT r r_id_fkey; CONSTRAINT t t_n_key; INDEX by_id; TYPE e; SEQUENCE q; "
    skip += "view media_tool.v; DEFAULT r s; VIEW none"
    made = place.restore(version, name, skip=dict.fromkeys(object_names(skip), "a reason"))
    assert made.part is False
    assert "VIEW none: a reason, and the version has none" in made.notes
    kept = "SELECT conname FROM pg_constraint WHERE conrelid::regclass::text ~ 'media_tool'"
    assert ("t_pkey",) in (found := place.query(name, kept))
    assert not {("r_id_fkey",), ("t_n_key",)} & {*found}


def test_two_schemas_have_objects_of_one_name(place: Place, name: str) -> None:
    """With its schema before it, one of them is left out."""
    place.run(
        "CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.t (id integer PRIMARY KEY);"
        "CREATE TABLE b.t (id integer PRIMARY KEY); CREATE VIEW a.v AS TABLE a.t;"
        "CREATE VIEW b.v AS TABLE b.t"
    )
    version, _ = place.export(schema="a,b")
    place.restore(version, name, skip={"VIEW b.v": BY_OPTION})
    found = "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'v'"
    assert place.query(name, found) == [("a",)]


def test_a_statement_that_is_never_executed_can_be_left_out(place: Place, name: str) -> None:
    """A function on the server's files: refused by name, and the rest is restored without it."""
    place.run(SOURCE + "CREATE VIEW files AS SELECT pg_ls_dir('.') AS f")
    version, _ = place.export()
    with pytest.raises(MediatoolError, match=r"leave it out with --skip 'VIEW files'"):
        place.restore(version, name)
    made = place.restore(version, name, skip={"VIEW files": BY_OPTION})
    assert made.part is False


@pytest.mark.local_postgres
def test_an_extension_that_the_server_lacks_is_named(
    debian_place: Place, place: Place, name: str
) -> None:
    """Debian's server has contrib, the local one has not."""
    debian_place.run(
        SOURCE + "CREATE EXTENSION unaccent SCHEMA public;"
        "CREATE FUNCTION plain(text) RETURNS text LANGUAGE sql AS 'SELECT public.unaccent($1)'"
    )
    version, _ = debian_place.export()
    with pytest.raises(
        CheckFailed, match=r"install it there .*or name another.*EXTENSION unaccent"
    ):
        restore_postgres(
            debian_place.objects, place.target, place.pool, version, RestoreOptions(database=name)
        )
    made = restore_postgres(
        debian_place.objects,
        place.target,
        place.pool,
        version,
        RestoreOptions(database=name, skip={"EXTENSION unaccent": BY_OPTION}),
    )
    assert made.notes == (f"EXTENSION unaccent: {BY_OPTION}",)


@pytest.mark.parametrize("text", ["v", "VIEW", "WINDOW v", "", "materialized view"])
def test_a_name_without_its_kind_is_refused(text: str) -> None:
    """Since two objects may have one name."""
    with pytest.raises(ValueError, match="must be a kind and a name, such as VIEW totals"):
        object_name(text)
