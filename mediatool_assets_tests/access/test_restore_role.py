"""The shipped role that restores: it is no superuser, and what it restores can do less."""

from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import psycopg
import pytest
from psycopg import sql

from mediatool_assets.core.ddl import Statement
from mediatool_assets.core.metadata import Marker
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.stores.postgres_target import PostgresDatabases, PostgresTarget
from mediatool_assets_tests.access_documents import restore_role
from mediatool_assets_tests.canaries import attacks, canaries

VERSION = "20020202-020202"
DATABASE = f"media_tool_{VERSION}"


@pytest.fixture
def server(settings: Settings) -> Url:
    """A superuser's URL of the server."""
    assert settings.restore_postgres_url is not None
    return settings.restore_postgres_url


@pytest.fixture
def target(server: Url) -> Iterator[PostgresTarget]:
    """The server by the role; its databases and roles are gone afterwards."""
    name, password = f"restorer_{token_hex(6)}", token_hex(16)
    role = sql.Identifier(name)
    with psycopg.connect(server.reveal(), autocommit=True) as admin:
        admin.execute(restore_role(name).encode())
        admin.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, password))
        yield PostgresTarget(server.by(name, password))
        admin.execute(sql.SQL("DROP ROLE {}").format(role))


def test_what_it_restores_has_rights_on_its_own_database_alone(
    target: PostgresTarget, server: Url, tmp_path: Path
) -> None:
    """It makes tables, schemas and functions there; every attack on the server is refused."""
    with canaries(server.reveal(), tmp_path / "canaries") as birds:
        with target.restoration(DATABASE, replace=True) as work:
            for made in ("SCHEMA s", "TABLE s.t (id integer)", "TABLE public.t (id integer)"):
                work.run([Statement(made, f"CREATE {made}")])
            work.mark(Marker(VERSION, True, 0))
        with psycopg.connect(
            target.database(DATABASE, "s").url.reveal(), autocommit=True
        ) as inside:
            inside.execute("INSERT INTO s.t VALUES (1)")
            for attack in attacks(birds):
                with pytest.raises(psycopg.Error):
                    inside.execute(attack.encode())
            [(owner,)] = inside.execute("SELECT current_user")
        assert birds.harmed() == []
    with psycopg.connect(target.url.reveal()) as restorer:
        [(held,)] = restorer.execute("SELECT pg_has_role(%s, 'USAGE')", (owner,))
    assert held
    PostgresDatabases(target.url).remove(DATABASE)
    with psycopg.connect(server.reveal()) as admin:
        found = admin.execute("SELECT FROM pg_roles WHERE rolname = %s", (owner,)).fetchall()
    assert found == []
