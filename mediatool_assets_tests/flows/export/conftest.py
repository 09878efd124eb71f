"""A source with a table of each kind, and places to export it to."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.work.scratch import Workspace

VERSION = Version(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
KEY = archive_key("raw", VERSION)

SOURCE = """
CREATE SCHEMA media_tool; SET search_path TO media_tool;
CREATE TABLE users (id integer PRIMARY KEY, name text NOT NULL);
INSERT INTO users SELECT n, 'user ' || n FROM generate_series(1, 250) n;
CREATE TABLE empty (id integer);
CREATE TABLE daily (day date, clicks bigint) PARTITION BY RANGE (day);
CREATE TABLE daily_b PARTITION OF daily FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE daily_a PARTITION OF daily FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')
    PARTITION BY LIST (clicks);
CREATE TABLE daily_a_few PARTITION OF daily_a FOR VALUES IN (1, 2, 3);
CREATE TABLE daily_a_rest PARTITION OF daily_a DEFAULT;
INSERT INTO daily SELECT date '2026-01-01' + n, n FROM generate_series(0, 49) n;
CREATE TABLE media (id integer);
CREATE TABLE films (minutes integer) INHERITS (media);
INSERT INTO media VALUES (1); INSERT INTO films VALUES (2, 90);
CREATE TABLE "a/b %" (id integer);
CREATE SEQUENCE numbers; SELECT setval('numbers', 46);
CREATE SEQUENCE unused START 7;
CREATE VIEW names AS SELECT name FROM users;
CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM users;
"""


@pytest.fixture
def source(postgres_database: Url) -> PostgresSource:
    """A small schema with a table of each kind, read in chunks of 100 rows."""
    run(postgres_database, SOURCE)
    return PostgresSource(postgres_database, "media_tool", chunk_rows=100, lock_timeout="300ms")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A directory for spools."""
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


@pytest.fixture
def pool(pool: Workspace, scratch: Path) -> Workspace:
    """The workers, with a scratch folder that a test can look into."""
    return replace(pool, scratch=scratch)


def run(url: Url, statements: str) -> None:
    """Execute statements, and commit."""
    with psycopg.connect(url.reveal(), autocommit=True) as connection:
        connection.execute(statements.encode())
