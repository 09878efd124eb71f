"""Eight databases on Debian's servers: each version ends as it should, and restores there."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from mediatool_assets.domain.keys import mongodb_database, postgres_database
from mediatool_assets.domain.urls import Url
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.workers.workspace import Workspace
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.postgres import PostgresSource, PostgresTarget
from mediatool_assets_tests.journey import Servers, travel
from mediatool_assets_tests.more_strangers import MORE_STRANGERS

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


@pytest.mark.parametrize("name", MORE_STRANGERS)
def test_it_goes_all_the_way(  # every server has its part
    name: str,
    debian_database: Url,
    documents: MongoDocuments,
    pool: Workspace,
    version: Version,
    tmp_path: Path,
) -> None:
    """The inferred model fits, every row has a home, every value is equal everywhere."""
    with psycopg.connect(debian_database.reveal(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA stranger; SET search_path TO stranger")
        connection.execute(MORE_STRANGERS[name].encode())
    servers = Servers(documents, PostgresTarget(debian_database), pool)
    gone = travel(PostgresSource(debian_database, "stranger"), servers, version, tmp_path)
    assert gone.faults() == []
    kinds = {each.kind for each in gone.metadata.not_carried}
    assert kinds == NOT_CARRIED.get(name, kinds)
    assert [note.partition(":")[0] for note in gone.restored.notes] == NOTED.get(name, [])
    told = [w for w in gone.metadata.warnings if "add auth to MEDIATOOL_POSTGRES_SCHEMA" in w]
    assert len(told) == (2 if name == "neighbours" else 0)
