"""The last step of a restore, for a role that may create databases and nothing more."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from mediatool_assets.core.errors import CheckFailed, Refused
from mediatool_assets.core.metadata import Marker
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.stores import postgres_target
from mediatool_assets.stores.postgres import connected, session
from mediatool_assets.stores.postgres_target import PostgresTarget

ONE, TWO = Marker("20010101-000000", True, 1), Marker("20010101-000000", True, 2)


@pytest.fixture
def admin(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's session on the server."""
    with psycopg.connect(
        settings.required_url("restore_postgres_url").reveal(), autocommit=True
    ) as connection:
        yield connection


@pytest.fixture
def target(settings: Settings, admin: psycopg.Connection[Any]) -> Iterator[PostgresTarget]:
    """The server, by a role with CREATEDB; what it made is dropped afterwards."""
    name, password = f"restorer_{token_hex(6)}", token_hex(16)
    role = sql.Identifier(name)
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(role, password))
    parts = urlsplit(settings.required_url("restore_postgres_url").reveal())
    netloc = f"{name}:{password}@{parts.hostname}:{parts.port}"
    yield PostgresTarget(Url(parts._replace(netloc=netloc).geturl()))
    owned = "SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = %s"
    for (database,) in admin.execute(owned, (name,)).fetchall():
        drop(admin, database)
    admin.execute(sql.SQL("DROP ROLE {}").format(role))


@pytest.fixture
def name() -> str:
    """A database's name that nobody has."""
    return f"restored_{token_hex(6)}"


def drop(admin: psycopg.Connection[Any], database: str) -> None:
    """Drop a database, whoever is in it."""
    admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))


def there(admin: psycopg.Connection[Any], name: str) -> set[str]:
    """What the databases are called that have the name or begin with it."""
    query = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
    return {found for (found,) in admin.execute(query, (name,)).fetchall()}


def restore(target: PostgresTarget, name: str, marker: Marker) -> None:
    """Restore a database of no tables."""
    with target.restoration(name, replace=True) as work:
        work.mark(marker)


def test_sessions_that_give_way_do_not_stop_a_replacement(
    target: PostgresTarget, settings: Settings, admin: psycopg.Connection[Any], name: str
) -> None:
    """As an autovacuum worker's: the role may not end them, and they end by themselves."""
    restore(target, name, ONE)
    with target.restoration(name, replace=True) as work:
        within = PostgresTarget.of(settings).database(work.working, "x").url
        with psycopg.connect(within.reveal(), autocommit=True) as stranger:
            stranger.execute("SET idle_session_timeout = '1s'")
            work.mark(TWO)
    assert there(admin, name) == {name}
    assert target.marker(name) == TWO


def test_a_session_that_ends_late_does_not_refuse_the_next_restore(
    target: PostgresTarget, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends a session after its client went on; the lock is free before."""
    with ExitStack() as late:

        @contextmanager
        def lingering(
            url: Url, database: str | None = None, doing: str = ""
        ) -> Iterator[psycopg.Connection[Any]]:
            opened = session(url, database, doing)
            if doing == "restore":
                yield late.enter_context(opened)
                return
            with opened as connection:
                yield connection

        monkeypatch.setattr(postgres_target, "session", lingering)
        restore(target, name, ONE)
        restore(target, name, TWO)
        assert target.marker(name) == TWO


def test_a_session_that_stays_leaves_the_old_database(
    target: PostgresTarget, settings: Settings, admin: psycopg.Connection[Any], name: str
) -> None:
    """Nothing is lost before the new one has its name."""
    restore(target, name, ONE)
    inside = PostgresTarget.of(settings).database(name, "x").url
    with (
        psycopg.connect(inside.reveal()),
        pytest.raises(CheckFailed, match="end the sessions in it, and restore again"),
    ):
        restore(target, name, TWO)
    assert there(admin, name) == {name}
    assert target.marker(name) == ONE


def test_a_database_made_meanwhile_is_not_replaced(
    target: PostgresTarget, admin: psycopg.Connection[Any], name: str
) -> None:
    """The name was free when the restore began, and somebody took it."""
    with (
        pytest.raises(Refused, match="was not made by a restore"),
        target.restoration(name, replace=True) as work,
    ):
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        work.mark(ONE)
    assert there(admin, name) == {name}
    assert target.marker(name) is None
    drop(admin, name)


def test_what_a_killed_replacement_left_goes(
    target: PostgresTarget, admin: psycopg.Connection[Any], name: str
) -> None:
    """The next restore drops it."""
    restore(target, f"{name}.replaced", ONE)
    restore(target, name, TWO)
    assert there(admin, name) == {name}


def test_what_only_looks_like_that_stays(
    target: PostgresTarget, admin: psycopg.Connection[Any], name: str
) -> None:
    """No restore made it."""
    admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(f"{name}.replaced")))
    with pytest.raises(Refused, match="was not made by a restore"):
        restore(target, name, ONE)
    assert there(admin, name) == {f"{name}.replaced"}
    drop(admin, f"{name}.replaced")


@pytest.mark.parametrize(
    "setting",
    ["idle_session_timeout", pytest.param("transaction_timeout", marks=pytest.mark.postgres(17))],
)
def test_no_timeout_of_the_role_ends_a_restore_or_an_export(
    settings: Settings, setting: str
) -> None:
    """The session that holds the claim, or the snapshot, waits for workers for hours."""
    url = Url(
        f"{settings.required_url('restore_postgres_url').reveal()}?options=-c%20{setting}%3D1h"
    )
    show = sql.SQL("SHOW {}").format(sql.Identifier(setting))
    with session(url) as restoring, connected(url, "1s") as exporting:
        assert restoring.execute(show).fetchone() == ("0",)
        assert exporting.execute(show).fetchone() == ("0",)
