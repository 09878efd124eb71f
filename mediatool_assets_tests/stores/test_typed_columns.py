"""Any row of PostgreSQL reads the same through DuckDB's types, or is text."""

import json
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
from mediatool_assets.archive.writer import ArchiveWriter, spool_rows
from mediatool_assets.core.errors import Misuse
from mediatool_assets.core.texts import Url
from mediatool_assets.query.handles import TableRows
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.work.scratch import identifier
from mediatool_assets_tests.postgres_strategies import COLUMNS, TYPES, rows
from mediatool_assets_tests.raw_archives import VERSION

TYPED = (
    "boolean", "smallint", "integer", "bigint", "real", "double", "price", "uuid", "date",
    "timestamp", "timestamptz", "time", "bytea", "oid", "big domain", "boolean[]", "integer[]",
    "bigint[]", "double[]", "uuid[]", "date[]", "timestamptz[]", "bytea[]", "text[]", "enum[]",
    "char[]", "interval[]", "array domain",
)  # fmt: skip
"""Columns that are neither text nor JSON in DuckDB."""
ARRAYS = ("array domain", *(name for name, (type_, _) in COLUMNS.items() if type_.endswith("[]")))


@pytest.fixture
def connection(postgres_database: Url) -> Iterator[psycopg.Connection[Any]]:
    """A database with an empty table ``a.everything``."""
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as found:
        found.execute("CREATE SCHEMA a; SET search_path TO a; SET TimeZone TO 'UTC';" + TYPES)
        definition = sql.SQL(", ").join(
            sql.SQL("{} " + type_).format(sql.Identifier(name))
            for name, (type_, _) in COLUMNS.items()
        )
        found.execute(sql.SQL("CREATE TABLE a.everything ({})").format(definition))
        yield found


@given(data=st.data())
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_value_is_the_server_s(
    connection: psycopg.Connection[Any], postgres_database: Url, tmp_path: Path, data: st.DataObject
) -> None:
    """What DuckDB holds, as a literal, is the very value that PostgreSQL holds, over every type.

    A column with a value that its type cannot hold is refused by name, and then read as text: the
    value as PostgreSQL prints it, or an array as JSON of its elements' texts.
    """
    connection.execute("TRUNCATE a.everything")
    names = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    query = sql.SQL("COPY a.everything ({}) FROM STDIN").format(names)
    with connection.cursor().copy(query) as copy:
        for row in data.draw(rows(COLUMNS)):
            copy.write_row([row.get(name) for name in COLUMNS])
    table = _archived(postgres_database, tmp_path)
    refused: tuple[str, ...] = ()
    try:
        relation = table.to_duckdb()
    except Misuse as error:
        refused = tuple(re.findall(r"everything\.([^(]+) \(", str(error)))
        assert set(refused) <= set(TYPED)
        relation = table.to_duckdb(text=refused)
    for name, (type_, _) in COLUMNS.items():
        is_text = name in refused or name not in TYPED
        printed = '"text"' if is_text else _printed(name)
        column = relation.project(f"{identifier(name)} AS text")
        held = [v for (v,) in column.project(f"CAST({printed} AS VARCHAR)").fetchall()]
        if is_text and name in ARRAYS:
            held = [v and _array_text(v) for v in held]
        if name in ("jsonb", "jsonb domain"):
            assert _different_documents(connection, name, held) == 0, name
        else:
            assert _signless(_read_back(connection, type_, held)) == _signless(
                _stored(connection, name)
            ), name


def _stored(connection: psycopg.Connection[Any], name: str) -> list[tuple[str | None]]:
    query = sql.SQL("SELECT {}::text FROM a.everything ORDER BY ctid")
    return connection.execute(query.format(sql.Identifier(name))).fetchall()


def _read_back(
    connection: psycopg.Connection[Any], type_: str, texts: list[str | None]
) -> list[tuple[str | None]]:
    query = "SELECT v::{}::text FROM unnest(%s::text[]) WITH ORDINALITY AS t (v, n) ORDER BY n"
    return connection.execute(sql.SQL(query).format(sql.SQL(type_)), [texts]).fetchall()


def _different_documents(
    connection: psycopg.Connection[Any], name: str, texts: list[str | None]
) -> int:
    """How many are other documents; a number may have lost zeros at its end."""
    query = sql.SQL(
        "SELECT count(*) FROM unnest(%s::text[]) WITH ORDINALITY AS t (v, n) JOIN (SELECT {}::jsonb"
        " AS own, row_number() OVER (ORDER BY ctid) AS n FROM a.everything) s USING (n)"
        " WHERE v::jsonb IS DISTINCT FROM own"
    ).format(sql.Identifier(name))
    ((count,),) = connection.execute(query, [texts]).fetchall()
    return int(count)


def _array_text(value: str) -> str:
    """An array that is read as text, as PostgreSQL reads it: JSON of its elements, or its text."""

    def text(item: Any) -> str:
        if isinstance(item, list):
            return "{" + ",".join(map(text, item)) + "}"
        if item is None or isinstance(item, bool):
            return "NULL" if item is None else str(item)
        escaped = item.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    if not value.startswith("["):
        return value
    try:
        return text(json.loads(value, parse_int=str, parse_float=str))
    except ValueError:
        return value  # [0:1]={1,2}


def _printed(name: str) -> str:
    """SQL of DuckDB that prints a value as PostgreSQL reads it."""
    column = '"text"'
    type_ = COLUMNS[name][0]
    if name in ARRAYS:
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
            spool_rows(folder / str(chunk.index), snapshot.reader.read(table, chunk))
            for chunk in snapshot.chunks(table)
        ]
        writer = ArchiveWriter(file, "raw", VERSION)
        member = writer.add_rows("everything.ndjson", spools, table="everything")
        writer.finish()
    return TableRows(ArchiveReader(LocalFile(path)), member, table)
