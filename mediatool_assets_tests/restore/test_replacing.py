"""A name that is taken: what is replaced when that is asked, and what never is."""

import psycopg
import pytest

from mediatool_assets.core.errors import AlreadyExists, BadArchive, Misuse, Refused
from mediatool_assets.restore.flow import RestoreOptions, restore_postgres
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets_tests.fixtures.restore_place import PEOPLE, Place, damage


def test_a_restored_database_is_replaced_only_when_asked(place: Place, name: str) -> None:
    """It stays as it is, and the answer says what to ask; with ``replace`` it is new."""
    place.run(PEOPLE)
    version, _ = place.export()
    place.restore(version, name)
    place.run("DELETE FROM media_tool.users WHERE id > 10")
    other, _ = place.export()
    with pytest.raises(AlreadyExists, match="--replace"):
        place.restore(other, name)
    assert place.query(name, "SELECT count(*) FROM media_tool.users") == [(50,)]
    place.restore(other, name, replace=True)
    assert place.query(name, "SELECT count(*) FROM media_tool.users") == [(10,)]


def test_a_database_in_use_is_replaced_all_the_same(place: Place, name: str) -> None:
    """Sessions in the old one go on until the new one is proven, and end with it."""
    place.run(PEOPLE)
    version, _ = place.export()
    place.restore(version, name)
    with psycopg.connect(place.target.database(name, "x").url.reveal(), autocommit=True) as session:
        assert session.execute("SELECT count(*) FROM media_tool.users").fetchone() == (50,)
        place.restore(version, name, replace=True)
        with pytest.raises(psycopg.errors.AdminShutdown):
            session.execute("SELECT 1")
    assert place.query(name, "SELECT count(*) FROM media_tool.users") == [(50,)]


def test_a_failed_replacement_leaves_the_old_one(place: Place, name: str) -> None:
    """What is there goes only when the new one is proven."""
    place.run(PEOPLE)
    version, _ = place.export()
    place.restore(version, name)
    damage(place, version)
    with pytest.raises(BadArchive):
        place.restore(version, name, replace=True)
    assert place.query(name, "SELECT count(*) FROM media_tool.users") == [(50,)]
    assert f"{name}.restoring" not in place.databases()


def test_no_database_is_touched_that_no_restore_made(place: Place, name: str) -> None:
    """The source least of all; nor with ``replace``."""
    place.run(PEOPLE)
    version, _ = place.export()
    source = place.url.database
    other = PostgresTarget(place.target.url)  # it is not told of the source, and sees it as foreign
    for target, database in (
        (place.target, source),
        (other, source),
        (place.target, "postgres"),
        (place.target, "template1"),
        (place.target, "media_tool_20200101-000000"),
    ):
        with pytest.raises(Refused):
            restore_postgres(
                place.objects,
                target,
                place.pool,
                version,
                RestoreOptions(database=database, replace=True),
            )
    assert place.query(source, "SELECT count(*) FROM media_tool.users") == [(50,)]


@pytest.mark.parametrize("database", ["", "x" * 54, "ü" * 27, "a\0b"])
def test_a_name_that_cannot_be_one_is_misuse(place: Place, database: str) -> None:
    """PostgreSQL would cut it, or refuse it in words of its own."""
    place.run(PEOPLE)
    version, _ = place.export()
    with pytest.raises(Misuse, match="cannot be a database's name"):
        place.restore(version, database)


def test_two_restores_of_one_name_do_not_meet(place: Place, name: str) -> None:
    """The second is told that there is a first."""
    place.run(PEOPLE)
    version, _ = place.export()
    with (
        place.target.restoration(name, replace=False),
        pytest.raises(Refused, match="under way"),
    ):
        place.restore(version, name)
