"""The source on other builds of PostgreSQL than the local one."""

import psycopg

from mediatool_assets.core.texts import Url
from mediatool_assets.stores.postgres_source import PostgresSource


def test_a_source_on_debians_server_is_read(debian_database: Url) -> None:
    """Its version is in the snapshot's facts, its tables and rows are counted."""
    with psycopg.connect(debian_database.reveal()) as connection:
        connection.execute("CREATE SCHEMA s; CREATE TABLE s.t (id integer PRIMARY KEY)")
        connection.execute("INSERT INTO s.t SELECT generate_series(1, 9)")
        version = connection.info.parameter_status("server_version")
    with PostgresSource(debian_database, "s").snapshot() as snapshot:
        assert snapshot.facts["server_version"] == version
        assert [c.rows for t in snapshot.schema.tables for c in snapshot.chunks(t)] == [9]
