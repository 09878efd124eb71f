"""Databases drawn at random: infer, export, transform, load, complete, restore, verify, integrity.

``make test-schemas`` draws 200; ten are enough for every change.
"""

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from mediatool_assets.domain.keys import mongodb_database
from mediatool_assets.domain.keys import postgres_database as restored_name
from mediatool_assets.domain.settings import Settings
from mediatool_assets.domain.urls import Url
from mediatool_assets.domain.version import Version
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.postgres import PostgresSource, PostgresTarget
from mediatool_assets_tests.generated_schemas import generated_schema
from mediatool_assets_tests.journey import Servers, travel

SEEDS = range(int(os.environ.get("TEST_SCHEMAS", "10")))


@pytest.fixture
def version(
    request: pytest.FixtureRequest, documents: MongoDocuments, settings: Settings
) -> Iterator[Version]:
    """A version of its own, whose databases are gone after the test."""
    seed = request.getfixturevalue("seed")
    version = Version(datetime(2003, 1, 1, tzinfo=UTC) + timedelta(seconds=seed))
    yield version
    documents.drop(mongodb_database(version))
    PostgresTarget.of(settings).drop(restored_name(version))


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_drawn_goes_all_the_way(  # every server has its part
    seed: int,
    postgres_database: Url,
    documents: MongoDocuments,
    settings: Settings,
    pool: Executor,
    version: Version,
    tmp_path: Path,
) -> None:
    """The inferred model fits, every row has a home, and every value is equal everywhere."""
    statements = generated_schema(seed)
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA stranger; SET search_path TO stranger")
        for statement in statements:
            connection.execute(statement.encode())
    source = PostgresSource(postgres_database, "stranger")
    gone = travel(source, Servers(documents, PostgresTarget.of(settings), pool), version, tmp_path)
    assert gone.faults() == [], ";\n".join(statements)
