"""The shipped PostgreSQL role on the real server: an export works, and nothing can be written."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import errors, sql

from mediatool_assets.core.errors import BadSource
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version
from mediatool_assets.export.flow import export
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.access_documents import postgres_role
from mediatool_assets_tests.twins import DirectoryObjects

VERSION = Version(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
SCHEMA = "media_tool"

SOURCE = """
CREATE SCHEMA media_tool; SET search_path TO media_tool;
CREATE TYPE stage AS ENUM ('draft', 'live');
CREATE TABLE users (id serial PRIMARY KEY, name text, stage stage);
INSERT INTO users (name, stage) SELECT 'user ' || n, 'live' FROM generate_series(1, 50) n;
CREATE TABLE daily (day date, clicks bigint) PARTITION BY RANGE (day);
CREATE TABLE daily_a PARTITION OF daily DEFAULT;
INSERT INTO daily VALUES ('2026-01-01', 1);
CREATE SCHEMA private; CREATE TABLE private.salaries (id int);
"""

LATER = "CREATE TABLE media_tool.later (id int); INSERT INTO media_tool.later VALUES (1)"


@pytest.fixture
def role(postgres_database: Url) -> Iterator[str]:
    """The URL of the role in a database with a schema of ours and one that is not."""
    name, password = f"export_{token_hex(6)}", token_hex(16)
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as owner:
        owner.execute(SOURCE)
        owner.execute(postgres_role(name, SCHEMA).encode())
        owner.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), password))
        owner.execute(LATER)
        parts = urlsplit(postgres_database.reveal())
        yield parts._replace(netloc=f"{name}:{password}@{parts.hostname}:{parts.port}").geturl()
        owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
        owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_an_export_works(role: str, pool: Workspace, tmp_path: Path) -> None:
    """Every table, partitioned ones and those made later too, DDL and sequences."""
    source = PostgresSource(Url(role), SCHEMA)
    made = export(source, DirectoryObjects(tmp_path / "o"), pool, VERSION, exclude={})
    rows = {member.table: member.rows for member in made.manifest.members if member.table}
    assert rows == {"daily": 1, "later": 1, "users": 50}


WRITES = [
    "INSERT INTO media_tool.users (name) VALUES ('x')",
    "UPDATE media_tool.users SET name = ''",
    "DELETE FROM media_tool.users",
    "TRUNCATE media_tool.users",
    "SELECT nextval('media_tool.users_id_seq')",
    "SELECT setval('media_tool.users_id_seq', 1)",
    "LOCK TABLE media_tool.users IN ACCESS EXCLUSIVE MODE",
    "SELECT * FROM media_tool.users FOR UPDATE",
    "CREATE TABLE media_tool.mine (id int)",
    "ALTER TABLE media_tool.users ADD COLUMN mine int",
    "DROP TABLE media_tool.users",
    "CREATE SCHEMA mine",
    "SELECT * FROM private.salaries",
    "COPY media_tool.users TO PROGRAM 'true'",
    "SELECT pg_read_file('/etc/passwd')",
    "SET ROLE postgres",
]


@pytest.mark.parametrize("statement", WRITES)
def test_a_write_is_refused(role: str, statement: str) -> None:
    """By rights: the role's own settings, which it may change itself, are out of the way."""
    with psycopg.connect(role) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.commit()
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(statement.encode())


def test_its_sessions_only_read(role: str) -> None:
    """What is not asked to be otherwise is read-only, and ends at last."""
    with psycopg.connect(role) as connection:
        with pytest.raises(errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TEMPORARY TABLE t (id int)")
        connection.rollback()
        settings = [
            connection.execute(f"SHOW {name}".encode()).fetchone()
            for name in ("lock_timeout", "statement_timeout", "default_transaction_read_only")
        ]
    assert settings == [("1min",), ("2h",), ("on",)]


def test_a_role_without_the_grants(role: str) -> None:
    """A schema that it may not read is refused, with the way to its rights."""
    with (
        pytest.raises(BadSource, match=r"docs/how-to/access\.md"),
        PostgresSource(Url(role), "private").snapshot(),
    ):
        pass
