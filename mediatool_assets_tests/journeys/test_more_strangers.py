"""Eight databases on Debian's servers: each version ends as it should, and restores there.

One of them has the types of extensions (``extension_types``), with values of each.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from mediatool_assets.core.errors import CheckFailed
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version
from mediatool_assets.export.flow import export
from mediatool_assets.restore.flow import restore_postgres
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.database_names import mongodb_database, postgres_database
from mediatool_assets_tests.extension_types import (
    EXTENSION_TYPES,
    ExtensionType,
    columns,
    statements,
)
from mediatool_assets_tests.fresh_versions import fresh_version
from mediatool_assets_tests.journey import Servers, travel
from mediatool_assets_tests.more_strangers import MORE_STRANGERS
from mediatool_assets_tests.twins import DirectoryObjects

_NUMBERS = itertools.count()

NOT_CARRIED = {
    "library": {"locale", "owner"},
    "clinic": {
        *("cast", "default privileges", "foreign data wrapper", "foreign server", "grant"),
        *("locale", "owner", "policy", "publication", "revoked"),
    },
    "neighbours": {"locale", "owner", "schema"},
}
"""The kinds of objects that stay behind, of those where that is the point."""

NOTED = {
    "clinic": ["TABLE patients"],
    "neighbours": ["FK CONSTRAINT likes likes_who_fkey", "FK CONSTRAINT posts posts_author_fkey"],
}
"""What a restore makes otherwise, or not at all, which is no fault of the version."""


@pytest.fixture
def version(documents: MongoDocuments, debian_database: Url) -> Iterator[Version]:
    """A version of its own, whose databases are gone after the test."""
    version = Version(datetime(2004, 6, 1, 0, 0, next(_NUMBERS), tzinfo=UTC))
    yield version
    documents.drop(mongodb_database(version))
    PostgresTarget(debian_database).drop(postgres_database(version))


def made(url: Url, name: str, *more: str) -> None:
    """The database of that name, and what ``more`` statements make."""
    with psycopg.connect(url.reveal(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA stranger; SET search_path TO stranger, public")
        for script in (MORE_STRANGERS[name], *more):
            connection.execute(script.encode())


@pytest.mark.parametrize("name", sorted(MORE_STRANGERS.keys() - {"atlas"}))
def test_it_goes_all_the_way(  # every server has its part
    name: str,
    debian_database: Url,
    documents: MongoDocuments,
    pool: Workspace,
    version: Version,
    tmp_path: Path,
) -> None:
    """The inferred model fits, every row has a home, every value is equal everywhere."""
    made(debian_database, name)
    servers = Servers(documents, PostgresTarget(debian_database), pool)
    gone = travel(PostgresSource(debian_database, "stranger"), servers, version, tmp_path)
    assert gone.faults() == []
    kinds = {each.kind for each in gone.metadata.not_carried}
    assert kinds == NOT_CARRIED.get(name, kinds)
    assert [note.partition(":")[0] for note in gone.restored.notes] == NOTED.get(name, [])
    told = [w for w in gone.metadata.warnings if "add auth to MEDIATOOL_POSTGRES_SCHEMA" in w]
    assert len(told) == (2 if name == "neighbours" else 0)


def test_every_type_of_an_extension_is_unchanged(
    debian_database: Url,
    documents: MongoDocuments,
    pool: Workspace,
    version: Version,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """In MongoDB as PostgreSQL prints it, restored with its extension and index.

    PostGIS is among them where it is installed, contrib always.
    """
    with psycopg.connect(debian_database.reveal()) as connection:
        there = {name for (name,) in connection.execute("SELECT name FROM pg_available_extensions")}
    typed = columns(there)
    assert {each.extension for each in EXTENSION_TYPES} - there <= {"postgis"}
    made(debian_database, "atlas", *statements(typed))
    target = PostgresTarget(debian_database)
    gone = travel(
        PostgresSource(debian_database, "stranger"),
        Servers(documents, target, pool),
        version,
        tmp_path,
    )
    assert gone.faults() == []
    before = texts(debian_database, typed)
    assert texts(target.database(gone.restored.database, "stranger").url, typed) == before
    for name, each in typed.items():
        assert len(before[name]) == len(each.values)
        record_property(f"{each.extension}: {each.name}", len(each.values))


def texts(url: Url, typed: dict[str, ExtensionType]) -> dict[str, list[str]]:
    """Every value of each column of ``typed`` as PostgreSQL prints it."""
    query = "SELECT concat({0}) FROM stranger.typed WHERE num_nulls({0}) = 0 ORDER BY id"
    with psycopg.connect(url.reveal()) as connection:
        return {
            name: [
                text for (text,) in connection.execute(sql.SQL(query).format(sql.Identifier(name)))
            ]
            for name in typed
        }


@pytest.mark.local_postgres
def test_a_server_without_the_extensions_is_refused_before_anything_is_written(
    debian_database: Url, settings: Settings, pool: Workspace, tmp_path: Path
) -> None:
    """In a session that may not write, the refusal comes first: it names each, and a package."""
    made(debian_database, "atlas")
    version, objects = fresh_version(), DirectoryObjects(tmp_path)
    export(PostgresSource(debian_database, "stranger"), objects, pool, version)
    url = settings.required_url("restore_postgres_url").reveal()
    reading = Url(f"{url}?options=-c%20default_transaction_read_only%3Don")
    with pytest.raises(CheckFailed) as caught:
        restore_postgres(objects, PostgresTarget(reading), pool, version)
    assert re.search(
        "does not have EXTENSION citext; EXTENSION ltree; EXTENSION uuid-ossp; nothing was "
        r"restored: install it there \(on Debian: postgresql-18\), or name another server in MEDI",
        str(caught.value),
    )
