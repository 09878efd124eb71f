"""The types of columns: from the schema alone, exact, or text."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pytest

from mediatool_assets.core.errors import Misuse
from mediatool_assets.core.schema import Column, Table
from mediatool_assets.query.handles import TableRows, archive_of
from mediatool_assets_tests.raw_archives import VERSION, raw_archive
from mediatool_assets_tests.twins import DirectoryObjects

_UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


def _column(type_: str, base: str | None = None, element: str | None = None) -> Column:
    return Column("c", type_, base or type_, element=element)


def _table(tmp_path: Path, column: Column, *values: str) -> TableRows:
    """A table of one column, whose values are given as the JSON that the archive holds."""
    objects = DirectoryObjects(tmp_path)
    rows = [f'{{"c":{value}}}'.encode() for value in values]
    raw_archive(objects, {Table("t", (column,)): rows})
    return archive_of(objects, "raw", VERSION).table("t")


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
        (_column("currency", "numeric"), ('"1.5"', '"NaN"'), pa.string(), ["1.5", "NaN"]),
        (_column("numeric(40,2)", "numeric"), ('"1.50"',), pa.string(), ["1.50"]),
        (_column("money"), ('"1.50"',), pa.string(), ["1.50"]),
        (_column("uuid"), (f'"{_UUID}"',), pa.string(), [_UUID]),
        (_column("date"), ('"0001-01-01"',), pa.date32(), [date(1, 1, 1)]),
        (
            _column("timestamp with time zone"),
            ('"2025-06-01T10:00:00.123456+00:00"',),
            pa.timestamp("us", "UTC"),
            [datetime(2025, 6, 1, 10, 0, 0, 123456, UTC)],
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
        (_column("interval"), ('"1 day"',), pa.string(), ["1 day"]),
        (
            _column("integer[]", "integer[]", "integer"),
            ("[1,null,3]", "[]", "null"),
            pa.list_(pa.int32()),
            [[1, None, 3], [], None],
        ),
        (
            _column("text[]", "text[]", "text"),
            ('["a,\\"b",null,""]',),
            pa.list_(pa.string()),
            [['a,"b', None, ""]],
        ),
        (
            _column("numeric(4,1)[]", "numeric[]", "numeric"),
            ('["1.5","20.0"]',),
            pa.list_(pa.decimal128(4, 1)),
            [[Decimal("1.5"), Decimal("20.0")]],
        ),
        (
            _column("bytea[]", "bytea[]", "bytea"),
            (r'["\\x00",null]',),
            pa.list_(pa.binary()),
            [[b"\0", None]],
        ),
        (_column("numeric[]", "numeric[]", "numeric"), ('["1.5"]',), pa.string(), ['["1.5"]']),
    ],
    ids=lambda value: value.type if isinstance(value, Column) else None,
)
def test_a_column_has_the_type_of_its_source(
    tmp_path: Path,
    column: Column,
    values: tuple[str, ...],
    type_: pa.DataType,
    expected: list[object],
) -> None:
    """Every value is as the source had it; a table without rows has the same type."""
    field = _table(tmp_path / "rows", column, *values).to_arrow().schema.field("c")
    assert field.type == type_
    assert field.metadata == {b"postgres": column.type.encode()}
    read = _table(tmp_path / "again", column, *values).to_arrow().column("c")
    assert read.to_pylist() == expected
    assert _table(tmp_path / "empty", column).to_arrow().schema.field("c").type == type_


def test_duckdb_has_types_that_arrow_has_not(tmp_path: Path) -> None:
    """A relation has UUIDs and infinite dates."""
    relation = _table(tmp_path / "uuid", _column("uuid"), f'"{_UUID}"').to_duckdb()
    assert relation.fetchall() == [(UUID(_UUID),)]
    dates = _table(tmp_path / "date", _column("date"), '"infinity"', '"0044-03-15 BC"')
    texts = dates.to_duckdb().project("CAST(c AS VARCHAR)").fetchall()
    assert texts == [("infinity",), ("0044-03-15 (BC)",)]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (_column("date"), '"infinity"'),
        (_column("date[]", "date[]", "date"), '["-infinity"]'),
        (_column("numeric(12,2)", "numeric"), '"NaN"'),
        (_column("timestamp without time zone"), '"294276-12-31T23:59:59"'),
        (_column("integer[]", "integer[]", "integer"), "[[1,2],[3,4]]"),
        (_column("text[]", "text[]", "text"), '[["a"],["b"]]'),
        (_column("integer[]", "integer[]", "integer"), '"[0:1]={1,2}"'),
    ],
    ids=lambda value: value.type if isinstance(value, Column) else value,
)
def test_a_value_that_no_type_holds_is_refused_or_text(
    tmp_path: Path, column: Column, value: str
) -> None:
    """The message counts them by column; read as text they are what the archive holds."""
    rows = _table(tmp_path, column, value, "null")
    with pytest.raises(Misuse, match=r"t\.c \(1 in .*--text TABLE.COLUMN"):
        rows.to_arrow()
    assert rows.to_arrow(text=["c"]).column("c").to_pylist() == [value.strip('"'), None]


def test_json_is_the_text_of_its_document(tmp_path: Path) -> None:
    """A nested document and one that the archive holds as a string both give their JSON text."""
    values = ('{"a":[1,2.50]}', r'"{\"big\": 12345678901234567890}"', "null")
    read = _table(tmp_path, _column("jsonb"), *values).to_arrow().column("c")
    assert read.to_pylist() == ['{"a":[1,2.5]}', '{"big": 12345678901234567890}', None]


def test_any_column_name_is_a_column(tmp_path: Path) -> None:
    """Names that are no identifiers are kept; one that differs by case alone gets a number."""
    names = ("select", "with space", "ünï", 'quo"te', "a/b~c", "*", "Id", "id")
    table = Table("t", tuple(Column(name, "integer", "integer") for name in names))
    objects = DirectoryObjects(tmp_path)
    raw_archive(objects, {table: [dict(zip(names, range(len(names)), strict=True))]})
    read = archive_of(objects, "raw", VERSION).table("t").to_arrow()
    assert read.column_names == [*names[:-1], "id_2"]
    assert list(read.to_pylist()[0].values()) == list(range(len(names)))


def test_frames_keep_integers_beside_nulls(tmp_path: Path) -> None:
    """2**53 + 1 beside a null is no float in pandas or polars."""
    rows = _table(tmp_path, _column("bigint"), '"9007199254740993"', "null")
    assert rows.to_pandas()["c"].dropna().to_list() == [2**53 + 1]
    assert rows.to_polars()["c"].to_list() == [2**53 + 1, None]


def test_a_value_that_duckdb_cuts_in_its_message_is_refused_too(tmp_path: Path) -> None:
    """The message of a conversion that fails may end within a character."""
    values = [f'"[{n}:{n}]={{{"x" * n}{chr(0x1F600) * 60}}}"' for n in range(4)]
    for number, value in enumerate(values):
        rows = _table(tmp_path / str(number), _column("text[]", "text[]", "text"), value)
        with pytest.raises(Misuse, match=r"t\.c \(1 in text\[\]\)"):
            rows.to_duckdb()
