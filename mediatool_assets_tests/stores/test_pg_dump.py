"""Which pg_dump reads a source."""

from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from mediatool_assets.core.errors import BadSettings, Misuse
from mediatool_assets.core.metadata import source_warnings
from mediatool_assets.core.schema import Release
from mediatool_assets.core.texts import Url
from mediatool_assets.stores.postgres_ddl import PgDump, best, clients, for_programs
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets_tests.postgres_servers import debian_majors, debian_programs

TABLE = "CREATE SCHEMA s; CREATE TABLE s.t (id integer PRIMARY KEY)"


def among(*releases: str) -> list[PgDump]:
    """Clients of these releases."""
    return [PgDump(Path(release), Release.parse(release)) for release in releases]


@pytest.mark.parametrize(
    ("server", "there", "taken"),
    [
        ("17.12", ["18.4", "17.12", "15.20"], "17.12"),
        ("17.12", ["17.11", "17.13", "17.12"], "17.13"),
        ("17.12", ["18.4", "17.9"], "17.9"),
        ("17.12", ["15.20", "18.4", "19.1"], "18.4"),
    ],
)
def test_the_client_of_the_servers_own_release_is_taken(
    server: str, there: list[str], taken: str
) -> None:
    """Of its major version and at least its minor release; else the nearest that can read it."""
    assert str(best(Release.parse(server), among(*there)).path) == taken


def test_no_client_is_a_clear_error() -> None:
    """The message says which is needed, which are there, and what to install."""
    with pytest.raises(
        Misuse, match=r"PostgreSQL 99 and needs a pg_dump of 99.*is 18.*install postgresql-client-"
    ):
        best(Release(99, 0), clients())


def test_debians_clients_are_found_behind_its_wrapper() -> None:
    """The wrapper on the PATH runs another client than it says; the real ones are listed."""
    found = {str(client.path) for client in clients()}
    assert {str(debian_programs(major) / "pg_dump") for major in debian_majors()} <= found
    assert "/usr/bin/pg_dump" not in found


def test_debians_servers_are_dumped_by_their_own_client(debian_database: Url) -> None:
    """So that no option of theirs is in the DDL; which client it was is in the facts."""
    with psycopg.connect(debian_database.reveal()) as connection:
        connection.execute(TABLE)
    with PostgresSource(debian_database, "s").snapshot() as snapshot:
        assert b"pg_attver" not in snapshot.ddl()
        server = Release.parse(snapshot.facts["server_version"])
        assert Release.parse(snapshot.facts["pg_dump"]).dumps(server)
        assert list(source_warnings(snapshot.facts, snapshot.schema)) == []


def test_a_client_that_may_not_know_all_is_a_warning(
    debian_database: Url, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says which client was taken for which server, and what to install."""
    with psycopg.connect(debian_database.reveal()) as connection:
        connection.execute(TABLE)
    monkeypatch.setattr("mediatool_assets.stores.postgres_ddl._FOLDERS", ())
    with PostgresSource(debian_database, "s").snapshot() as snapshot:
        [warning] = source_warnings(snapshot.facts, snapshot.schema)
    assert warning.startswith("schema.sql is written by pg_dump 1")
    assert "install postgresql-client-1" in warning


def test_no_secret_is_an_argument_of_a_program() -> None:
    """Any user of the machine can read a process's arguments, and nobody its environment."""
    secrets = {"password": "of-the-role", "sslpassword": "of-the-key"}
    with for_programs({"host": "h", "dbname": "d", "user": "u"} | secrets) as (shown, environment):
        assert conninfo_to_dict(shown) == {"host": "h", "dbname": "d", "user": "u"}
        assert environment["PGPASSWORD"] == "of-the-role"
        file = Path(environment["PGSERVICEFILE"])
        assert file.read_text() == "[mediatool]\nsslpassword=of-the-key\n"
        assert file.stat().st_mode & 0o077 == 0
    assert not file.exists()


def test_a_service_of_ones_own_holds_its_secrets() -> None:
    """There can be one service only."""
    with (
        pytest.raises(BadSettings, match="move sslpassword to pg_service"),
        for_programs({"service": "mine", "sslpassword": "of-the-key"}),
    ):
        pass


def test_pg_dump_reads_the_service_file(postgres_database: Url) -> None:
    """A key's password, which libpq takes from nowhere else beside its parameters."""
    with psycopg.connect(postgres_database.reveal()) as connection:
        connection.execute(TABLE)
    with_key = Url(f"{postgres_database.reveal()}?sslpassword=of-the-key")
    with PostgresSource(with_key, "s").snapshot() as snapshot:
        assert b"CREATE TABLE s.t" in snapshot.ddl()
