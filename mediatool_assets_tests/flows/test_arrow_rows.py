"""Raw rows as Arrow tables and data frames: types as exact as they can be, and no value changed."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.domain.schema import Column, Table
from mediatool_assets.flows.arrow_rows import arrow_table, data_frame


def _column(type_: str, base: str | None = None, element: str | None = None) -> Column:
    return Column("c", type_, base or type_, element=element)


def _read(column: Column, *values: str) -> pa.ChunkedArray:
    """The column of rows whose values are given as the JSON that the archive holds."""
    rows = "".join(f'{{"c":{value}}}\n' for value in values)
    return arrow_table(Table("t", (column,)), [rows.encode()]).column("c")


@pytest.mark.parametrize(
    ("column", "values", "type_", "expected"),
    [
        (_column("boolean"), ("true", "false", "null"), pa.bool_(), [True, False, None]),
        (_column("smallint"), ("-32768", "null"), pa.int16(), [-32768, None]),
        (_column("bigint"), ("7", '"9223372036854775807"'), pa.int64(), [7, 2**63 - 1]),
        (_column("real"), ("0.5", "1"), pa.float32(), [0.5, 1.0]),
        (
            _column("double precision"),
            ("0.1", '"Infinity"', '"-Infinity"'),
            pa.float64(),
            [0.1, float("inf"), float("-inf")],
        ),
        (
            _column("numeric(12,2)", "numeric"),
            ('"1.50"', "null"),
            pa.decimal128(12, 2),
            [Decimal("1.50"), None],
        ),
        (
            _column("currency", "numeric"),
            ('"1.5"', '"12345678901234567890123456789012345678"'),
            pa.decimal256(39, 1),
            [Decimal("1.5"), Decimal(12345678901234567890123456789012345678)],
        ),
        (_column("date"), ('"0001-01-01"',), pa.date32(), [date(1, 1, 1)]),
        (
            _column("timestamp with time zone"),
            ('"2025-06-01T10:00:00.123456+00:00"', '"9999-12-31T23:59:59+00:00"'),
            pa.timestamp("us", "UTC"),
            [
                datetime(2025, 6, 1, 10, 0, 0, 123456, UTC),
                datetime(9999, 12, 31, 23, 59, 59, 0, UTC),
            ],
        ),
        (
            _column("timestamp without time zone"),
            ('"2025-06-01T10:00:00"',),
            pa.timestamp("us"),
            [datetime(2025, 6, 1, 10)],  # of no zone, as the column
        ),
        (
            _column("time without time zone"),
            ('"01:02:03.5"',),
            pa.time64("us"),
            [time(1, 2, 3, 500000)],
        ),
        (_column("bytea"), (r'"\\x00ff"',), pa.binary(), [b"\x00\xff"]),
        (_column("text"), ('""', "null", r'"\\N\n"'), pa.string(), ["", None, "\\N\n"]),
        (
            _column("integer[]", "integer[]", "integer"),
            ("[1,null,3]", "[]", "null"),
            pa.list_(pa.int32()),
            [[1, None, 3], [], None],
        ),
        (
            _column("numeric[]", "numeric[]", "numeric"),
            ('["1.5","20"]',),
            pa.list_(pa.decimal128(3, 1)),
            [[Decimal("1.5"), Decimal(20)]],
        ),
    ],
    ids=lambda value: value.type if isinstance(value, Column) else None,
)
def test_a_column_has_the_type_of_its_source(
    column: Column, values: tuple[str, ...], type_: pa.DataType, expected: list[object]
) -> None:
    """Every value comes out as the source had it, in Arrow's type for it."""
    read = _read(column, *values)
    assert read.type == type_
    assert read.to_pylist() == expected


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        (_column("date"), ('"infinity"', '"2025-06-01"'), ["infinity", "2025-06-01"]),
        (_column("date"), ('"0044-03-15 BC"',), ["0044-03-15 BC"]),
        (_column("numeric"), ('"NaN"', '"1.10"'), ["NaN", "1.10"]),
        (_column("numeric"), (f'"{"9" * 80}"',), ["9" * 80]),
        (_column("time without time zone"), ('"24:00:00"',), ["24:00:00"]),
        (
            _column("integer[]", "integer[]", "integer"),
            ('"[0:1]={1,2}"', "[3]"),
            ["[0:1]={1,2}", "[3]"],
        ),
        (_column("integer[]", "integer[]", "integer"), ("[[1,2],[3,4]]",), ["[[1,2],[3,4]]"]),
    ],
)
def test_what_no_arrow_type_holds_is_text(
    column: Column, values: tuple[str, ...], expected: list[str]
) -> None:
    """A column with one such value is text as a whole, every character kept."""
    read = _read(column, *values)
    assert read.type == pa.string()
    assert read.to_pylist() == expected


def test_a_negative_zero_has_its_sign() -> None:
    """PostgreSQL writes it as an integer has it."""
    for type_ in ("real", "double precision"):
        assert str(_read(_column(type_), "-0", "0", "null").to_pylist()) == "[-0.0, 0.0, None]"
        read = _read(_column(f"{type_}[]", f"{type_}[]", type_), '[-0,0,null,"NaN"]')
        assert str(read.to_pylist()) == "[[-0.0, 0.0, None, nan]]"


def test_json_is_the_text_of_its_document() -> None:
    """A nested document and one that the archive holds as a string both give their JSON text."""
    read = _read(_column("jsonb"), '{"a": [1, 2.50]}', r'"{\"big\": 12345678901234567890}"', "null")
    assert read.to_pylist() == ['{"a": [1, 2.50]}', '{"big": 12345678901234567890}', None]


def test_any_column_name_is_a_column() -> None:
    """Names that are no identifiers, and empty tables, are read like others."""
    names = ("select", "with space", "ünï", "_id")
    table = Table("t", tuple(Column(name, "integer", "integer") for name in names))
    read = arrow_table(table, [b'{"select":1,"with space":2,"\xc3\xbcn\xc3\xaf":3,"_id":null}\n'])
    assert read.column_names == list(names)
    assert read.to_pylist() == [{"select": 1, "with space": 2, "ünï": 3, "_id": None}]
    assert arrow_table(table, []).num_rows == 0


def test_a_data_frame_keeps_integers_beside_nulls() -> None:
    """2**53 + 1 beside a null is no float in pandas."""
    column = _column("bigint")
    rows = b'{"c":"9007199254740993"}\n{"c":null}\n'
    frame = data_frame(arrow_table(Table("t", (column,)), [rows]))
    assert frame["c"].dropna().to_list() == [2**53 + 1]


@given(
    st.lists(st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=3), max_size=9)
)
def test_decimals_round_trip(values: list[Decimal | None]) -> None:
    """Any mixture of decimals comes back equal, as decimals or, too wide for them, as text."""
    texts = ["null" if value is None else f'"{value:f}"' for value in values]
    read = _read(_column("numeric"), *texts).to_pylist()
    assert [None if v is None else Decimal(v) for v in read] == values
