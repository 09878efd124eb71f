"""Databases drawn at random: infer, export, transform, load, complete, restore, verify, integrity.

``make test-schemas`` draws 200; ten are enough for every change. They take turns on the local
server and on each of Debian's.
"""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.conftest import empty_database, superuser
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.database_names import postgres_database as restored_name
from mediatool_assets_tests.generated_schemas import generated_schema
from mediatool_assets_tests.journey import Servers, travel
from mediatool_assets_tests.postgres_servers import debian_majors

SEEDS = range(int(os.environ.get("TEST_SCHEMAS", "10")))
MAJORS = (None, *debian_majors())
"""None is the local server."""


@pytest.fixture
def database(seed: int, stack: Stack, debian_server: Callable[[int], Url]) -> Iterator[Url]:
    """An empty database on the server whose turn it is."""
    major = MAJORS[seed % len(MAJORS)]
    local = superuser(stack)
    with empty_database(local if major is None else debian_server(major)) as url:
        yield url


@pytest.fixture
def version(seed: int, documents: MongoDocuments, database: Url) -> Iterator[Version]:
    """A version of its own, whose databases are gone after the test."""
    version = Version(datetime(2003, 1, 1, tzinfo=UTC) + timedelta(seconds=seed))
    yield version
    documents.drop(mongodb_database(version))
    PostgresTarget(database).drop(restored_name(version))


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_drawn_goes_all_the_way(  # every server has its part
    seed: int,
    database: Url,
    documents: MongoDocuments,
    pool: Workspace,
    version: Version,
    tmp_path: Path,
) -> None:
    """The inferred model fits, every row has a home, and every value is equal everywhere."""
    statements = generated_schema(seed)
    with psycopg.connect(database.reveal(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA stranger; SET search_path TO stranger")
        for statement in statements:
            connection.execute(statement.encode())
    servers = Servers(documents, PostgresTarget(database), pool)
    gone = travel(PostgresSource(database, "stranger"), servers, version, tmp_path)
    assert gone.faults() == [], ";\n".join(statements)
