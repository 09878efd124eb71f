"""Any row of PostgreSQL reads the same through DuckDB's types, or is text."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from mediatool_assets.archive.reader import ArchiveReader, LocalFile
from mediatool_assets.archive.spool import spool_rows
from mediatool_assets.archive.writer import ArchiveWriter
from mediatool_assets.domain.errors import Misuse
from mediatool_assets.domain.urls import Url
from mediatool_assets.flows.query.handles import TableRows
from mediatool_assets.stores.postgres import PostgresSource
from mediatool_assets_tests.postgres_strategies import COLUMNS, TYPES, rows
from mediatool_assets_tests.raw_archives import VERSION

TYPED = (
    "boolean", "smallint", "integer", "bigint", "real", "double", "price", "uuid", "date",
    "timestamp", "timestamptz", "time", "bytea", "oid", "big domain", "boolean[]", "integer[]",
    "bigint[]", "double[]", "uuid[]", "date[]", "timestamptz[]", "bytea[]", "text[]", "enum[]",
)  # fmt: skip
"""Columns that are not text in DuckDB."""
TEXT = ("text", "varchar", "enum", "numeric", "interval", "inet", "currency", "composite")
CHOSEN = {name: COLUMNS[name] for name in (*TYPED, *TEXT)}


@pytest.fixture
def connection(postgres_database: Url) -> Iterator[psycopg.Connection[Any]]:
    """A database with an empty table ``a.everything``."""
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as found:
        found.execute("CREATE SCHEMA a; SET search_path TO a; SET TimeZone TO 'UTC';" + TYPES)
        definition = sql.SQL(", ").join(
            sql.SQL("{} " + type_).format(sql.Identifier(name))
            for name, (type_, _) in CHOSEN.items()
        )
        found.execute(sql.SQL("CREATE TABLE a.everything ({})").format(definition))
        yield found


@given(data=st.data())
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_typed_value_is_the_server_s(
    connection: psycopg.Connection[Any], postgres_database: Url, tmp_path: Path, data: st.DataObject
) -> None:
    """What DuckDB holds, printed by PostgreSQL's own rules, is what PostgreSQL prints.

    A column with a value that its type cannot hold is refused by name, and then read as text.
    """
    connection.execute("TRUNCATE a.everything")
    names = sql.SQL(", ").join(map(sql.Identifier, CHOSEN))
    with connection.cursor().copy(
        sql.SQL("COPY a.everything ({}) FROM STDIN").format(names)
    ) as copy:
        for row in data.draw(rows(CHOSEN)):
            copy.write_row([row.get(name) for name in CHOSEN])
    table = _archived(postgres_database, tmp_path)
    refused: tuple[str, ...] = ()
    try:
        relation = table.to_duckdb()
    except Misuse as error:
        refused = tuple(re.findall(r"everything\.([^(]+) \(", str(error)))
        assert set(refused) <= set(TYPED)
        relation = table.to_duckdb(text=refused)
    # as a literal of DuckDB's text PostgreSQL has to read the very value back
    for name in TYPED:
        if name in refused:
            continue
        printed = [value for (value,) in relation.project(_printed(name)).fetchall()]
        column = sql.Identifier(name)
        stored = connection.execute(
            sql.SQL("SELECT {}::text FROM a.everything ORDER BY ctid").format(column)
        ).fetchall()
        typed = connection.execute(
            sql.SQL(
                "SELECT v::{}::text FROM unnest(%s::text[]) WITH ORDINALITY AS t (v, n) ORDER BY n"
            ).format(sql.SQL(CHOSEN[name][0])),
            [printed],
        ).fetchall()
        assert _signless(typed) == _signless(stored), name


def _printed(name: str) -> str:
    """SQL of DuckDB that prints a value as PostgreSQL reads it."""
    column = f'"{name}"'
    type_ = CHOSEN[name][0]
    if type_.endswith("[]"):
        item = _scalar("item", type_.removesuffix("[]"))
        quoted = f"""'"' || replace(replace({item}, '\\', '\\\\'), '"', '\\"') || '"'"""
        items = f"list_transform({column}, lambda item: coalesce({quoted}, 'NULL'))"
        return (
            f"CASE WHEN {column} IS NOT NULL THEN '{{' || array_to_string({items}, ',') || '}}' END"
        )
    return _scalar(column, type_)


def _scalar(value: str, type_: str) -> str:
    if type_ == "bytea":
        return f"'\\x' || hex({value})"
    return (
        f"replace(replace(CAST({value} AS VARCHAR), '(BC) ', ''), '(BC)', 'BC')"
        if (type_ == "date")
        else f"regexp_replace(CAST({value} AS VARCHAR), '^(.*) \\(BC\\)(.*)$', '\\1\\2 BC')"
    )


def _signless(values: list[tuple[str | None]]) -> list[str | None]:
    """Without the sign of a zero: JSON's parsers read ``-0`` as an integer."""
    return [v and re.sub(r"(?<![\d.])-0(?![\d.])", "0", v) for (v,) in values]


def _archived(url: Url, folder: Path) -> TableRows:
    path = folder / "archive.tar.gz"
    with PostgresSource(url, "a").snapshot() as snapshot, path.open("wb") as file:
        table = snapshot.schema.table("everything")
        spools = [
            spool_rows(folder / str(chunk.index), snapshot.reader.read(table, chunk), b"\n")
            for chunk in snapshot.chunks(table)
        ]
        writer = ArchiveWriter(file, "raw", VERSION)
        member = writer.add_rows("everything.ndjson", spools, table="everything")
        writer.finish()
    return TableRows(ArchiveReader(LocalFile(path)), table, member)
