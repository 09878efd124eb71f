"""Each type in the raw archive: the table of docs/reference/archive-format.md, as a test."""

import json
import re
from collections.abc import Generator, Iterable
from contextlib import closing
from decimal import Decimal
from typing import cast

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import capabilities, sql

from mediatool_assets.core.texts import Url
from mediatool_assets.stores.postgres_source import JsonbColumns, PostgresSource
from mediatool_assets_tests import postgres_strategies

EXPECTED = [
    ("boolean", "true", b"true"),
    ("smallint", "-32768", b"-32768"),
    ("integer", "2147483647", b"2147483647"),
    ("bigint", "9007199254740992", b"9007199254740992"),
    ("bigint", "9007199254740993", b'"9007199254740993"'),
    ("bigint", "-9223372036854775808", b'"-9223372036854775808"'),
    ("real", "0.1", b"0.1"),
    ("double precision", "0.30000000000000004", b"0.30000000000000004"),
    ("double precision", "-0", b"-0"),
    ("double precision", "NaN", b'"NaN"'),
    ("double precision", "-Infinity", b'"-Infinity"'),
    ("numeric", "1.10", b'"1.10"'),
    ("numeric", "12345678901234567890123456789012345678", b'"' + b"1234567890" * 3 + b'12345678"'),
    ("money", "-1234.50", b'"-1234.50"'),
    ("text", "", b'""'),
    ("text", 'a"b\\c\n\t\u2028😀', '"a\\"b\\\\c\\n\\t\u2028😀"'.encode()),
    ("character(4)", "ab", b'"ab  "'),
    ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", b'"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"'),
    ("date", "0001-01-01", b'"0001-01-01"'),
    ("date", "infinity", b'"infinity"'),
    ("timestamp", "2026-01-02 03:04:05.000001", b'"2026-01-02T03:04:05.000001"'),
    ("timestamptz", "2026-01-02 03:04:05+05:30", b'"2026-01-01T21:34:05+00:00"'),
    ("time", "24:00:00", b'"24:00:00"'),
    ("interval", "-1 year 2 days 3.5 seconds", b'"-1 years +2 days 00:00:03.5"'),
    ("bytea", "\\x00ff", b'"\\\\x00ff"'),
    ("inet", "10.0.0.1", b'"10.0.0.1"'),
    ("int4range", "[1,5]", b'"[1,6)"'),
    ("point", "(1,2)", b'"(1,2)"'),
    ("currency", "0.10", b'"0.10"'),
    ("spot", '("a,b",1.0)', b'"(\\"a,b\\",1.0)"'),
    ("spot", "(,)", b'"(,)"'),
    ("json", ' {"a": 1, "a" :1.0 }', b'" {\\"a\\": 1, \\"a\\" :1.0 }"'),
    ("json", "null", b'"null"'),
    ("jsonb", '{"a": [1, 2.50, null]}', b'{"a": [1, 2.50, null]}'),
    ("jsonb", "12", b"12"),
    ("jsonb", "null", b'"null"'),
    ("jsonb", '"null"', b'"\\"null\\""'),
    ("jsonb", '"a"', b'"\\"a\\""'),
    ("jsonb", "12345678901234567890", b'"12345678901234567890"'),
    ("jsonb", '{"n": -0.12345678901234567}', b'"{\\"n\\": -0.12345678901234567}"'),
    ("jsonb", '{"n": "id 12345678901234567890"}', b'{"n": "id 12345678901234567890"}'),
    ("jsonb", '[{"jsonb": "12345678901234567890"}]', b'[{"jsonb": "12345678901234567890"}]'),
    ("jsonb", "[0.30000000000000004, 1718000000000]", b"[0.30000000000000004, 1718000000000]"),
    ("integer[]", "{}", b"[]"),
    ("integer[]", "{{1,NULL},{3,4}}", b"[[1,null],[3,4]]"),
    ("integer[]", "[0:1]={1,2}", b'"[0:1]={1,2}"'),
    ("integer[]", "[1:1][-1:0]={{1,2}}", b'"[1:1][-1:0]={{1,2}}"'),
    ("bigint[]", "{1,9223372036854775807}", b'["1","9223372036854775807"]'),
    ("numeric[]", "{1.10,NULL}", b'["1.10",null]'),
    ("money[]", "{1.1}", b'["1.10"]'),
    ("text[]", '{"NULL",NULL,""}', b'["NULL",null,""]'),
    ("currency[]", "{0.10}", b'["0.10"]'),
    ("timestamptz[]", '{"2026-01-01 00:00:00+00"}', b'["2026-01-01T00:00:00+00:00"]'),
    ("jsonb[]", '{"{}"}', b'"{\\"{}\\"}"'),
    ("spot[]", '{"(a,1)"}', b'"{\\"(a,1)\\"}"'),
    ("int2vector", "1 2", b'"1 2"'),
]  # fmt: skip


def test_each_type_is_written_as_the_format_says(postgres_database: Url) -> None:
    """One row with a column for every case, and a second one of nulls only."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} " + type_).format(sql.Identifier(f"c{index}"))
        for index, (type_, _, _) in enumerate(EXPECTED)
    )
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA a; SET search_path TO a; SET lc_monetary TO 'C'")
        connection.execute("CREATE DOMAIN currency AS numeric")
        connection.execute("CREATE TYPE spot AS (place text, price numeric)")
        connection.execute(sql.SQL("CREATE TABLE cases ({})").format(columns))
        with connection.cursor().copy("COPY cases FROM STDIN") as copy:
            copy.write_row([text for _, text, _ in EXPECTED])
            copy.write_row([None] * len(EXPECTED))
    values, nulls = read(postgres_database)
    assert values == row(value for _, _, value in EXPECTED)
    assert nulls == row(b"null" for _ in EXPECTED)


EXPONENTS = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9.]+e[-+]?[0-9]+')


def as_jsonb_prints(value: object) -> str:
    """JSON text of a value, its numbers without exponent."""
    return EXPONENTS.sub(
        lambda match: match[0] if match[0].startswith('"') else f"{Decimal(match[0]):f}",
        json.dumps(value),
    )


DOCUMENTS = st.one_of(
    postgres_strategies.json_values.map(as_jsonb_prints),
    st.sampled_from(['"plain"', "9007199254740993", '{"a": [1, -0.12345678901234567]}', "1.50"]),
    st.text("0123456789. :[-", max_size=40).map(json.dumps),
    st.integers(10**15, 10**20).map(str),
    st.floats(0.0001, 1000).map(repr),
)


@given(documents=st.lists(DOCUMENTS, max_size=8))
def test_a_json_string_holds_the_document_and_anything_else_is_it(documents: list[str]) -> None:
    """Documents that a reader of doubles would misread become their text; the others stay."""
    plain = [f'{{"a":"12345678901234567","d":{d}}}'.encode() for d in documents]
    written = JsonbColumns(["d"]).rewrite(plain)
    for row_, document in zip(written, documents, strict=True):
        value = json.loads(row_, parse_float=Decimal, parse_int=Decimal)["d"]
        if isinstance(value, str):
            assert value == document
            assert document.startswith('"') or not holds_doubles_only(document)
        else:
            assert row_ == f'{{"a":"12345678901234567","d":{document}}}'.encode()
            assert holds_doubles_only(document)


def holds_doubles_only(document: str) -> bool:
    """Whether each number of a document equals its double's shortest decimal text."""
    numbers: list[str] = []
    json.loads(document, parse_float=numbers.append, parse_int=numbers.append)
    return all(Decimal(repr(float(number))) == Decimal(number) for number in numbers)


def test_a_zero_column_table_and_one_of_1600_columns(postgres_database: Url) -> None:
    """No columns give empty rows, 1,600 columns are all there."""
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA a; CREATE TABLE a.none ()")
        connection.execute("INSERT INTO a.none DEFAULT VALUES; INSERT INTO a.none DEFAULT VALUES")
        columns = sql.SQL(", ").join(
            sql.SQL("{} numeric DEFAULT 1").format(sql.Identifier(f"c{n}")) for n in range(1600)
        )
        connection.execute(sql.SQL("CREATE TABLE a.wide ({})").format(columns))
        connection.execute("INSERT INTO a.wide DEFAULT VALUES")
    assert read(postgres_database, "none") == [b"{}", b"{}"]
    assert read(postgres_database, "wide") == [row([b'"1"'] * 1600)]


@pytest.mark.parametrize(
    "name", ["Mixed Case", 'quo"te', "r", "ünï😀", "a/b", "%s", "null", "x" * 63]
)
def test_names_need_no_care(postgres_database: Url, name: str) -> None:
    """Tables and columns of any name are read."""
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA a")
        table, column = sql.Identifier("a", name), sql.Identifier(name)
        connection.execute(sql.SQL("CREATE TABLE {} ({} jsonb)").format(table, column))
        connection.execute(sql.SQL("INSERT INTO {} VALUES ('null'), ('\"x\"')").format(table))
    assert [json.loads(line) for line in read(postgres_database, name)] == [
        {name: "null"},
        {name: '"x"'},
    ]


@pytest.mark.parametrize("chunked", [True, False])
def test_a_read_that_is_given_up_leaves_its_reader_usable(
    postgres_database: Url, monkeypatch: pytest.MonkeyPatch, chunked: bool
) -> None:
    """After a worker stopped in the middle of a chunk, the next read is whole; by any libpq."""
    monkeypatch.setattr(capabilities, "has_stream_chunked", lambda **_: chunked)
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA a; CREATE TABLE a.cases (n integer, padding text)")
        insert = "INSERT INTO a.cases SELECT n, repeat('x', 1000) FROM generate_series(1, 9000) n"
        connection.execute(insert)
    with PostgresSource(postgres_database, "a").snapshot() as snapshot:
        table = snapshot.schema.table("cases")
        [chunk] = snapshot.chunks(table)
        with closing(cast(Generator[list[bytes]], snapshot.reader.read(table, chunk))) as rows:
            assert len(next(rows)) < 2000
        assert sum(len(batch) for batch in snapshot.reader.read(table, chunk)) == 9000


def read(url: Url, table: str = "cases") -> list[bytes]:
    """Every row of a table of schema ``a``."""
    with PostgresSource(url, "a").snapshot() as snapshot:
        found = snapshot.schema.table(table)
        chunks = snapshot.chunks(found)
        return [line for c in chunks for batch in snapshot.reader.read(found, c) for line in batch]


def row(values: Iterable[bytes]) -> bytes:
    """A row of columns c0, c1, ... as the archive holds it."""
    return b"{" + b",".join(b'"c%d":%b' % pair for pair in enumerate(values)) + b"}"
