"""Rows written from PostgreSQL's text against rows that PostgreSQL writes itself."""

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import sql

from mediatool_assets.core.rows import (
    array_elements,
    double_text,
    real_text,
    row_writer,
    value_writer,
)
from mediatool_assets.core.schema import Column
from mediatool_assets.core.texts import Url
from mediatool_assets.demo.demonstration import selected
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets_tests.postgres_strategies import rows
from mediatool_assets_tests.stores.test_postgres_round_trip import Everything, everything

__all__ = ["everything"]  # a fixture: pytest finds it here by its name

_HEALTH = [HealthCheck.function_scoped_fixture]


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=_HEALTH)
def test_rows_are_those_of_the_live_export(everything: Everything, data: st.DataObject) -> None:
    """Byte for byte, over every type, with nulls and odd values."""
    everything.fill(data.draw(rows(everything.columns)))
    with PostgresSource(everything.url, "a").snapshot() as snapshot:
        table = snapshot.schema.table("everything")
        live = [
            row
            for chunk in snapshot.chunks(table)
            for batch in snapshot.reader.read(table, chunk)
            for row in batch
        ]
    query = sql.SQL("SELECT {} FROM a.everything").format(
        sql.SQL(", ").join(selected(column.name, column.type) for column in table.columns)
    )
    everything.connection.execute(
        "SET extra_float_digits = 3; SET TimeZone = 'UTC'; SET lc_monetary = 'C'"
    )
    with everything.connection.cursor(binary=True) as cursor:
        found = cursor.execute(query).fetchall()
    write = row_writer(table)
    assert [write(row) for row in found] == live


@given(values=st.lists(st.floats(), min_size=50, max_size=50))
@example(values=[1e23, 9007199254740993.0, 2.0**-44, 2.0**60, 1e15, 1e14, 0.0001, 0.00001, -0.0])
@settings(max_examples=40, deadline=None, suppress_health_check=_HEALTH)
def test_doubles_are_printed_as_the_server_prints_them(
    postgres_database: Url, values: list[float]
) -> None:
    """The shortest text that reads back, in PostgreSQL's own form."""
    assert _printed(postgres_database, values, "float8") == [double_text(v) for v in values]


@given(values=st.lists(st.floats(width=32), min_size=50, max_size=50))
@example(values=[2.0**-44, 2.0**100, 1e6, 999999.0, 16777216.0, 8388608.0, -0.0, 2.0**-149])
@example(values=[0.00146484375, 4194303.75])  # halfway between two of eight digits
@settings(max_examples=40, deadline=None, suppress_health_check=_HEALTH)
def test_reals_are_printed_as_the_server_prints_them(
    postgres_database: Url, values: list[float]
) -> None:
    """The same of single precision."""
    assert _printed(postgres_database, values, "float4") == [real_text(v) for v in values]


def _printed(url: Url, values: list[float], kind: str) -> list[str]:
    connection: psycopg.Connection[Any]
    with psycopg.connect(url.reveal()) as connection:
        connection.execute("SET extra_float_digits = 3")
        query = f"SELECT unnest(%b::float8[])::{kind}::text"
        return [text for (text,) in connection.execute(query.encode(), (values,))]


def _column(kind: str) -> Column:
    return Column("c", kind, kind)


@pytest.mark.parametrize(
    ("column", "text", "json"),
    [
        (_column("money"), "-$1,234,567.89", b'"-1234567.89"'),
        (_column("timestamp with time zone"), "2024-02-29 10:00:00.120000+00:00",
         b'"2024-02-29T10:00:00.12+00:00"'),
        (_column("timestamp without time zone"), "2024-02-29T10:00:00.000",
         b'"2024-02-29T10:00:00"'),
        (Column("c", "character(4)", "character"), "ab", b'"ab  "'),
        (_column("boolean"), "t", b"true"),
        (_column("integer"), "-5", b"-5"),
    ],
)  # fmt: skip
def test_other_spellings_of_a_value_are_the_same_value(
    column: Column, text: str, json: bytes
) -> None:
    """An exporter that prints amounts, moments or domains a little otherwise changes nothing."""
    assert value_writer(column)(text) == json


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("money", "1.234,56 €"),
        ("timestamp with time zone", "2024-02-29 10:00:00+02"),
        ("timestamp without time zone", "yesterday"),
        ("boolean", "maybe"),
        ("integer", "1.5"),
    ],
)
def test_text_that_the_type_cannot_have_is_refused(kind: str, text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=r"."):
        value_writer(_column(kind))(text)


@pytest.mark.parametrize("text", ["", "a", "{", "{a", "}", "{a}}", "{a}{b}"])
def test_damaged_arrays_are_refused(text: str) -> None:
    """Text that is no array's is not read as one."""
    with pytest.raises(ValueError, match="is not an array"):
        array_elements(text)
