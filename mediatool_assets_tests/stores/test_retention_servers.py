"""Databases as retention sees them: in which state each is, and that no other is told of."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pymongo
import pytest
from psycopg import sql

from mediatool_assets.core.errors import Refused
from mediatool_assets.core.inventory import FoundDatabase
from mediatool_assets.core.metadata import Marker
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version
from mediatool_assets.stores.mongodb import MongoDatabases, MongoDocuments
from mediatool_assets.stores.mongodb_claim import MARKER
from mediatool_assets.stores.ports import DatabaseServer
from mediatool_assets.stores.postgres_target import PostgresDatabases, PostgresTarget

NAME = "20220203-040506"


@pytest.fixture
def mongodb(settings: Settings) -> Iterator[pymongo.MongoClient[Any]]:
    """A client of the server; what the tests make is dropped afterwards."""
    client: pymongo.MongoClient[Any] = pymongo.MongoClient(
        settings.required_url("mongodb_url").reveal()
    )
    yield client
    for name in (f"mediatool_{NAME}", "mediatool_backup", f"mediatool_{NAME}_old"):
        client.drop_database(name)
    client.close()


def seen(server: DatabaseServer) -> list[FoundDatabase]:
    """What is told of the test's version."""
    return [each for each in server.databases() if each.version == Version.parse(NAME)]


@pytest.mark.parametrize(
    ("label", "state"),
    [
        ({"complete": True, "archive": "s3://b/k"}, "complete"),
        ({"complete": False, "archive": "s3://b/k"}, "partial"),
        ({"complete": False, "began": datetime(2022, 2, 3, tzinfo=UTC)}, "unfinished"),
        ({"complete": False, "archive": "s3://b/k", "dropping": True}, "unfinished"),
        (None, "foreign"),
    ],
)
def test_states_in_mongodb(
    documents: MongoDocuments,
    mongodb: pymongo.MongoClient[Any],
    label: dict[str, Any] | None,
    state: str,
) -> None:
    """The marker or claim says which; without one, no load made the database."""
    database = mongodb[f"mediatool_{NAME}"]
    database["users"].insert_one({})
    if label is not None:
        database[MARKER].insert_one(dict(label))
    for other in ("mediatool_backup", f"mediatool_{NAME}_old"):
        mongodb[other]["users"].insert_one({})
    server = MongoDatabases(documents)
    (found,) = seen(server)
    assert (found.name, found.state) == (f"mediatool_{NAME}", state)
    said = label or {}
    assert (found.made, found.archive) == (said.get("began"), said.get("archive"))
    told = {each.name for each in server.databases()}
    assert told.isdisjoint({"mediatool_backup", f"mediatool_{NAME}_old", "admin"})
    for other in ("mediatool_backup", "admin"):
        with pytest.raises(Refused, match="is neither a version"):
            server.remove(other)


def test_a_load_says_when_it_began(
    documents: MongoDocuments, mongodb: pymongo.MongoClient[Any]
) -> None:
    """So that a load of an old version is not taken for one that died."""
    before = datetime.now(UTC).replace(microsecond=0)
    documents.begin(f"mediatool_{NAME}", "one")
    (found,) = seen(MongoDatabases(documents))
    assert found.state == "unfinished"
    assert found.made is not None
    assert found.made >= before


@pytest.fixture
def admin(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    """A session on the server; what the tests make is dropped afterwards."""
    with psycopg.connect(
        settings.required_url("restore_postgres_url").reveal(), autocommit=True
    ) as connection:
        yield connection
        for suffix in ("", ".restoring", ".replaced", "_old"):
            name = sql.Identifier(f"media_tool_{NAME}{suffix}")
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


@pytest.mark.parametrize(
    ("comment", "state"),
    [
        (str(Marker(NAME, True, 3)), "complete"),
        (str(Marker(NAME, False, 3, ("users",))), "partial"),
        ("by hand", "foreign"),
    ],
)
def test_states_in_postgresql(
    settings: Settings, admin: psycopg.Connection[Any], comment: str, state: str
) -> None:
    """The comment says which; other names are not told of."""
    for name in (f"media_tool_{NAME}", f"media_tool_{NAME}_old"):
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        admin.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), comment))
    server = PostgresDatabases.of(settings)
    (found,) = seen(server)
    assert (found.name, found.state, found.busy) == (f"media_tool_{NAME}", state, None)
    server.remove(f"media_tool_{NAME}_old")
    [(count,)] = admin.execute(
        "SELECT count(*) FROM pg_database WHERE datname = %s", (f"media_tool_{NAME}_old",)
    )
    assert count == 1


def test_a_restore_under_way_is_let_be(settings: Settings) -> None:
    """While it goes on it is told so and not removed; unmarked at its end, it is removed."""
    server = PostgresDatabases.of(settings)
    with PostgresTarget.of(settings).restoration(f"media_tool_{NAME}", replace=False):
        (found,) = seen(server)
        assert (found.state, found.busy) == ("unfinished", "a restore is under way")
        with pytest.raises(Refused, match="another restore"):
            server.remove(found.name)
    (found,) = seen(server)
    assert (found.state, found.busy) == ("unfinished", None)
    server.remove(found.name)
    assert seen(server) == []


@pytest.mark.parametrize("suffix", [".restoring", ".replaced"])
def test_what_a_killed_restore_left(
    settings: Settings, admin: psycopg.Connection[Any], suffix: str
) -> None:
    """Nobody holds it any more: it is told as unfinished, and removed."""
    name = f"media_tool_{NAME}{suffix}"
    admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    comment = sql.SQL("COMMENT ON DATABASE {} IS {}")
    admin.execute(comment.format(sql.Identifier(name), str(Marker(NAME, True, 3))))
    server = PostgresDatabases.of(settings)
    (found,) = seen(server)
    assert (found.name, found.state, found.busy) == (name, "unfinished", None)
    server.remove(name)
    server.remove(name)
    assert seen(server) == []
