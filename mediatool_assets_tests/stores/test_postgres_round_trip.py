"""Any row of any type leaves PostgreSQL for an archive and comes back as it was."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from mediatool_assets.archive.reader import ArchiveReader, LocalFile, split_lines
from mediatool_assets.archive.writer import ArchiveWriter, spool_rows
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets_tests.postgres_strategies import COLUMNS, OPTIONAL_COLUMNS, TYPES, Texts, rows
from mediatool_assets_tests.restoring import restore_rows

VERSION = Version(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


@dataclass(frozen=True)
class Everything:
    """A table ``a.everything`` with a column of each type, and its copy ``b.everything``."""

    url: Url
    connection: psycopg.Connection[Any]
    columns: dict[str, tuple[str, Texts]]
    folder: Path

    def fill(self, filled: Sequence[dict[str, str | None]]) -> None:
        """Put these rows into the table, and nothing into the copy."""
        self.connection.execute("TRUNCATE a.everything, b.everything")
        names = sql.SQL(", ").join(map(sql.Identifier, self.columns))
        query = sql.SQL("COPY a.everything ({}) FROM STDIN").format(names)
        with self.connection.cursor().copy(query) as copy:
            for row in filled:
                copy.write_row([row.get(name) for name in self.columns])

    def pass_through_archive(self) -> None:
        """Archive the table, and restore it from the archive into the copy."""
        path = self.folder / "archive.tar.gz"
        with PostgresSource(self.url, "a").snapshot() as snapshot, path.open("wb") as file:
            table = snapshot.schema.table("everything")
            spools = [
                spool_rows(self.folder / str(chunk.index), snapshot.reader.read(table, chunk))
                for chunk in snapshot.chunks(table)
            ]
            writer = ArchiveWriter(file, "raw", VERSION)
            member = writer.add_rows("everything.ndjson", spools, table="everything")
            writer.finish()
        contents = ArchiveReader(LocalFile(path)).blocks(member.blocks)
        lines = [line for content in contents for line in split_lines(content)]
        restore_rows(self.connection, table, ("b", "everything"), lines)

    def texts(self, schema: str) -> list[str]:
        """Every row as PostgreSQL prints it."""
        query = sql.SQL("SELECT e::text FROM {} e ORDER BY ctid").format(
            sql.Identifier(schema, "everything")
        )
        return [text for (text,) in self.connection.execute(query)]


@pytest.fixture
def everything(postgres_database: Url, tmp_path: Path) -> Iterator[Everything]:
    """Both tables, empty."""
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA a; CREATE SCHEMA b; SET search_path TO a;" + TYPES)
        columns = dict(COLUMNS)
        for name, value in (("xml", "'<a/>'::xml"), ("hstore", "''::public.hstore")):
            if _works(connection, value):
                columns[name] = OPTIONAL_COLUMNS[name]
        definition = sql.SQL(", ").join(
            sql.SQL("{} " + type_).format(sql.Identifier(name))
            for name, (type_, _) in columns.items()
        )
        connection.execute(
            sql.SQL(
                "CREATE TABLE a.everything ({},"
                " half integer GENERATED ALWAYS AS (integer / 2) STORED)"
            ).format(definition)
        )
        connection.execute("CREATE TABLE b.everything (LIKE a.everything INCLUDING GENERATED)")
        yield Everything(postgres_database, connection, columns, tmp_path)


def _works(connection: psycopg.Connection[Any], value: str) -> bool:
    with contextlib.suppress(psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
        connection.execute("CREATE EXTENSION IF NOT EXISTS hstore WITH SCHEMA public")
    try:
        connection.execute(f"SELECT {value}".encode())
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedObject):
        return False
    return True


@pytest.mark.postgres(15)  # 14 reads no interval of 2147483648 microseconds
@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_row_comes_back_as_it_was(everything: Everything, data: st.DataObject) -> None:
    """``row::text`` is equal before and after, over every type."""
    everything.fill(data.draw(rows(everything.columns)))
    everything.pass_through_archive()
    assert everything.texts("b") == everything.texts("a")
