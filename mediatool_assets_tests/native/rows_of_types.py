"""Rows of the raw archive for tests of the codec: of every type, and damaged in many ways."""

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from mediatool_assets.core.model import FieldType
from mediatool_assets.core.rows import row_writer
from mediatool_assets.core.schema import Column, Table
from mediatool_assets.core.shapes import ColumnField, DocumentCollection, DocumentShape
from mediatool_assets_tests.postgres_strategies import COLUMNS, Texts, jsonb
from mediatool_assets_tests.raw_archives import column

_SERVER_TYPES = {"a.currency": "numeric", "a.fee": "numeric", "a.big": "bigint"} | {
    "a.tags": "text[]",
    "a.payload": "jsonb",
    "a.currency[]": "numeric[]",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "timestamptz(0)": "timestamp with time zone",
    "timestamptz[]": "timestamp with time zone[]",
    "varchar(30)": "character varying",
}
"""What ``schema.json`` calls the types of the strategies; others have their own name."""


@cache
def columns() -> dict[str, tuple[Column, Texts]]:
    """Every type's column, and its values as PostgreSQL's texts."""
    made = {}
    for name, (type_, texts) in COLUMNS.items():
        server = _SERVER_TYPES.get(type_, type_).split("(")[0]
        made[name] = column(name, server + "[]" * (type_.endswith(")[]"))), texts
    return made


WORDS = [
    "-0", "-0.0", "0", "007", "1e5", "1E400", "5e-324", "0.1000000000000000055",
    "9007199254740993", "9223372036854775807", "-9223372036854775808", "18446744073709551615",
    "1" * 40, "1." + "0" * 40, "1.", ".5", "-", "+1", "true", "false", "null", "NaN", '"NaN"',
    '"Infinity"', '"-Infinity"', '""', '"\\u0000"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\u00e9"',
    '"\\x"', '"\\', '"', '"\\\\x0g"', '"\\\\x"', '"\\\\x00fF"', "{", "}", "[", "]", "{}", "[]",
    ",", ":", " ", "\t", "\r", "\x00", "\x1f", '{"a":1,"a":2}', '{"b":1,"a":2,"b":3}',
    '{"":{"":[]}}', "[" * 96 + "]" * 96, "[" * 94 + "]" * 94, "[" * 300, '"[1, 2.50, 1e3, -0]"',
    '"{\\"a\\": 1, \\"a\\": 2}"', '"null"', '" 7 "', '"7"', '"2024-02-29"', '"2023-02-29"',
    '"0000-01-01"', '"2024-01-01T24:00:00"', '"2024-01-01T00:00:60"',
    '"2024-01-01T00:00:00.1234567"', '"2024-01-01T00:00:00.1+00:00"', '"2024-01-01 00:00:00"',
    '"2024-01-01T00:00:00+02:00"', '"20240101"', '"infinity"', '"0044-03-15 BC"', '"1.50"',
    '"1e3"', '"-0.00"', '"' + "9" * 34 + '"', '"' + "9" * 35 + '"', '"0.' + "0" * 6176 + '"',
    "0" * 20, '"00000000-0000-0000-0000-00000000000G"',
    '"{00000000-0000-0000-0000-000000000000}"', "é", "\u2028",
]  # fmt: skip
"""Pieces of JSON that are at the border of what one column or another takes."""

_odd_bytes = st.sampled_from(
    [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"]
)
_pieces: SearchStrategy[bytes] = st.one_of(
    st.sampled_from(WORDS).map(str.encode), st.binary(max_size=6), _odd_bytes, jsonb.map(str.encode)
)

WIDE = Table("wide", (column("id", "integer"), *(made for made, _ in columns().values())))
"""A table with a column of every type."""


@st.composite
def sound_lines(draw: DrawFn) -> bytes:
    """A row of WIDE as the export writes it; what its writer refuses is null."""
    write: Callable[[Any], bytes] = row_writer(WIDE)
    texts = {name: draw(st.one_of(st.none(), texts)) for name, (_, texts) in columns().items()}
    texts = {name: text if _is_written(name, text) else None for name, text in texts.items()}
    return write([draw(st.integers(-(2**31), 2**31 - 1)), *texts.values()])


def _is_written(name: str, text: str | None) -> bool:
    try:
        _writer(name)([text])
    except ValueError:
        return False
    return True


@cache
def _writer(name: str) -> Callable[[Sequence[str | None]], bytes]:
    """Of a table of this column alone."""
    return row_writer(Table("one", (columns()[name][0],)))


@st.composite
def narrow_sound_lines(draw: DrawFn, name: str) -> tuple[Table, list[bytes]]:
    """A table of one of the columns, and rows as the export writes them."""
    made, texts = columns()[name]
    table = Table("narrow", (column("id", "integer"), made))
    write = row_writer(table)
    drawn = draw(st.lists(st.one_of(st.none(), texts), max_size=6))
    return table, [
        write([at, text if _is_written(name, text) else None]) for at, text in enumerate(drawn)
    ]


@st.composite
def narrow_lines(draw: DrawFn, names: tuple[str, ...]) -> bytes:
    """A row of these columns, of values that are each any piece of JSON."""
    values = [draw(_pieces) for _ in names]
    fields = [json.dumps(n).encode() + b":" + v for n, v in zip(names, values, strict=True)]
    return b"{" + b",".join(fields) + b"}"


@st.composite
def damaged(draw: DrawFn, lines: SearchStrategy[bytes]) -> bytes:
    """A line with some places overwritten, taken out, repeated, or with pieces put in."""
    line = draw(lines)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(line)))
        end = draw(st.integers(start, min(len(line), start + 12)))
        put = draw(st.one_of(_pieces, st.just(b""), st.just(line[start:end] * 2)))
        line = line[:start] + put + line[end:]
    return line.replace(b"\n", b" ")


OVERRIDES = [None, *FieldType]


def collection(table: Table, types: dict[str, FieldType | None]) -> DocumentCollection:
    """One document a row, fields in the order of the table; ``types`` override some."""
    fields = [
        ColumnField(column, "_id" if column.name == "id" else f"f{at}.v", types.get(column.name))
        for at, column in enumerate(table.columns)
    ]
    return DocumentCollection("made", DocumentShape(table, ("id",), tuple(fields)))
