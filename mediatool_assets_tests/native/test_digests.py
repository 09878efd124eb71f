"""The codec's digests of rows and documents are those of the data-integrity report's own Python."""

import ctypes
import math
import random
from collections.abc import Sequence

import bson
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from mediatool_assets.compare.row_digests import row_decoder
from mediatool_assets.core.authenticity import DailySample
from mediatool_assets.core.model import FieldType
from mediatool_assets.core.schema import Table
from mediatool_assets.integrity.disassembly import fields
from mediatool_assets.integrity.expected_values import RowLayout
from mediatool_assets.native import library
from mediatool_assets.native.rows import NONE, ODD, BlockDigester, ColumnHasher, RowDigests
from mediatool_assets_tests.native.report_digests import (
    COLLECTION,
    SAMPLED,
    WHOLE,
    Read,
    documents,
    documents_left,
    documents_read,
    left_to_python,
    need_of,
    rows_read,
    usual_document,
)
from mediatool_assets_tests.native.rows_of_types import (
    OVERRIDES,
    WIDE,
    columns,
    damaged,
    narrow_lines,
    narrow_sound_lines,
    sound_lines,
)
from mediatool_assets_tests.native.test_codec import PIECES, TYPES, USUAL
from mediatool_assets_tests.raw_archives import column

pytestmark = pytest.mark.usefixtures("compiled_codec")

FEW = min(25, settings().max_examples)
patient = settings(deadline=None, max_examples=FEW)  # a row of every type takes a while to draw


@pytest.fixture(scope="module")
def codec() -> ctypes.CDLL:
    """The compiled codec: tests run where it can be compiled."""
    found = library()
    assert found is not None, "run `python -m mediatool_assets.native.build`"
    return found


def laid_out(table: Table, override: FieldType | None = None) -> RowLayout:
    """The columns in another order than the table's, ``x`` with the type that a model gives it."""
    names = [column.name for column in table.columns][::-1]
    types = {"x": override}
    return RowLayout(table, tuple((name, types.get(name)) for name in names), ("id",))


def same_rows(lines: Sequence[bytes], layout: RowLayout) -> None:
    """Both read the same of a block, or refuse it with the same words; of a sample too."""
    for sample in (WHOLE, SAMPLED):
        assert _rows(lines, layout, sample, native=True) == _rows(
            lines, layout, sample, native=False
        )


def _rows(
    lines: Sequence[bytes], layout: RowLayout, sample: DailySample, *, native: bool
) -> Read | str:
    try:
        return rows_read(lines, layout, need_of(layout.table), sample, native=native)
    except AttributeError as error:  # of a type that no model can give the column
        return str(error)


@patient
@given(data=st.data(), name=st.sampled_from(sorted(columns())))
def test_values_of_one_type(data: st.DataObject, name: str) -> None:
    """As the export writes them, in a row that all its values identify."""
    table, lines = data.draw(narrow_sound_lines(name))
    same_rows(lines, RowLayout(table, tuple((c.name, None) for c in table.columns), ()))


@patient
@given(lines=st.lists(damaged(sound_lines()), min_size=1, max_size=2))
def test_damaged_rows_of_every_type(lines: list[bytes]) -> None:
    """Whatever a row is, it is understood as Python understands it, or left to it."""
    same_rows(lines, laid_out(WIDE))


@patient
@given(data=st.data(), type_=st.sampled_from(sorted(TYPES)), override=st.sampled_from(OVERRIDES))
def test_any_json_in_a_column_of_any_type(
    data: st.DataObject, type_: str, override: FieldType | None
) -> None:
    """In a column of documents, in one of none, and in a link of a folded row."""
    columns = ("id", "x", "y", "z")
    table = Table("narrow", tuple(column(name, type_) for name in columns))
    lines = data.draw(st.lists(damaged(narrow_lines(columns)), min_size=1, max_size=3))
    links = ("z",) if override is None else ()
    same_rows(lines, RowLayout(table, (("y", None), ("x", override)), (), links, folded=True))


OVERRIDDEN = ("text", "numeric", "bigint", "jsonb", "timestamp with time zone", "text[]")
"""Types whose pieces are tried with each type of a model; `make fuzz` tries the others."""


@pytest.mark.parametrize(
    ("type_", "override"),
    [(t, o) for t in sorted(USUAL) for o in OVERRIDES if o is None or t in OVERRIDDEN],
    ids=str,
)
def test_each_piece_of_json_in_a_column_of_each_type(
    type_: str, override: FieldType | None
) -> None:
    """What the codec takes, Python takes for the same; the codec takes nothing else."""
    table = Table("narrow", (column("id", "integer"), column("x", type_)))
    layout = laid_out(table, override)
    lines = [b'{"id":%d,"x":%b}' % (at, x.encode()) for at, x in enumerate(PIECES) if "\n" not in x]
    left = set(left_to_python(lines, layout, need_of(table)))
    taken = [line for line in lines if line not in left]
    found = rows_read(taken, layout, need_of(table), native=True)
    assert found == rows_read(taken, layout, need_of(table), native=False)
    assert found[0]["problem"] is None


@pytest.mark.parametrize("type_", sorted(USUAL))
def test_usual_values_are_not_left_to_python(type_: str) -> None:
    """What rows mostly have is read by the codec, not handed back."""
    table = Table("usual", (column("id", "integer"), column("x", type_)))
    line = b'{"id":1,"x":%b}' % USUAL[type_].encode()
    same_rows([line], laid_out(table))
    odd = type_ in ("double precision", "numeric[]")  # an exponent, and NaN
    assert left_to_python([line], laid_out(table), need_of(table)) == [line] * odd


def test_a_flag_is_counted_and_a_key_has_no_trailing_blanks() -> None:
    """Flagged rows, and those of one key in two forms."""
    table = Table("t", (column("id", "character"), column("is_deleted", "boolean")))
    lines = [b'{"id":"a  ","is_deleted":true}', b'{"id":"a","is_deleted":false}']
    layout = laid_out(table)
    same_rows(lines, layout)
    figures, files = rows_read(lines, layout, need_of(table), native=True)
    assert figures["deleted"] == {"t": 1}
    assert [row.split(", ")[3] for row in files["t"]] == ["'a'", "'a'"]


@patient
@given(found=documents())
def test_documents_of_every_kind_of_field(found: list[bytes]) -> None:
    """Whatever a document holds, it is taken apart as by Python, or left to it."""
    for sample in (WHOLE, SAMPLED):
        assert _taken_apart(found, sample, native=True) == _taken_apart(found, sample, native=False)


def _taken_apart(found: list[bytes], sample: DailySample, *, native: bool) -> Read | str:
    try:
        return documents_read(found, COLLECTION, sample, native=native)
    except Exception as error:  # noqa: BLE001  # bytes that the driver itself cannot read
        return type(error).__name__


def test_usual_documents_are_not_left_to_python() -> None:
    """What documents mostly are is read by the codec, not handed back."""
    found = [bson.encode(usual_document(number)) for number in range(3)]
    assert documents_left(found, COLLECTION) == 0
    figures, files = documents_read(found, COLLECTION, native=True)
    assert (figures, files) == documents_read(found, COLLECTION, native=False)
    assert figures["rows"] == {
        "owner": 3, "inner": 6, "one": 3, "folded": 6, "bare": 9
    }  # fmt: skip
    assert figures["deleted"] == {"inner": 3, "folded": 3}
    assert len(files) == 5 + 6


def test_doubles_of_few_digits_have_their_shortest_text() -> None:
    """Those that the codec prints itself, and their neighbours."""
    draw = random.Random(20250621)
    short = [
        draw.randrange(10 ** draw.randrange(1, 17)) / 10 ** draw.randrange(12) for _ in range(2000)
    ]
    doubles = [x for each in short for x in (each, math.nextafter(each, 1e15), -each)]
    weights = [x for x in doubles if x == 0 or 1e-5 <= abs(x) < 1e16]
    found = [bson.encode(usual_document(0) | {"weights": weights})]
    assert documents_left(found, COLLECTION) == 0
    assert documents_read(found, COLLECTION, native=True) == documents_read(
        found, COLLECTION, native=False
    )


@pytest.mark.parametrize("names", [("a", "a.b"), ("a.b", "a"), ("a", "a")])
def test_a_field_within_another_is_left_to_python(names: tuple[str, ...]) -> None:
    """Such a shape has no plan."""
    with pytest.raises(ValueError, match="in another one, or twice"):
        fields(names)


@patient
@given(description=st.binary(max_size=120), rows=st.booleans())
def test_bytes_that_are_no_description_are_no_plan(
    codec: ctypes.CDLL, description: bytes, rows: bool
) -> None:
    """Of any bytes the codec makes a plan that it can free, or none."""
    description = bytes([0 if rows else 1, 0, 0, 0]) + description
    digester = codec.mt_digester(description, len(description))
    codec.mt_digest_free(digester)


def key_columns_read(
    codec: ctypes.CDLL, table: Table, wanted: Sequence[str], lines: Sequence[bytes]
) -> list[list[int]] | None:
    """The hashes that the codec makes of the values of these columns."""
    names = [column.name for column in table.columns]
    hasher = ColumnHasher(codec, [(msgspec.json.encode(n) + b":", n in wanted) for n in names])
    found = hasher.read(b"".join(line + b"\n" for line in lines), len(lines))
    return None if found is None else [hashes.tolist() for hashes in found]


@patient
@given(lines=st.lists(damaged(sound_lines()), min_size=1, max_size=2))
def test_key_columns_of_damaged_rows(codec: ctypes.CDLL, lines: list[bytes]) -> None:
    """The values are those that Python finds, or the block is left to it."""
    wanted = [column.name for column in WIDE.columns][::2]
    found = key_columns_read(codec, WIDE, wanted, lines)
    if found is not None:
        rows = list(map(row_decoder(wanted), lines))
        columns = list(zip(*rows, strict=True))
        assert found == [[xxh3_64_intdigest(v) for v in some if v != b"null"] for some in columns]


@pytest.mark.parametrize("type_", sorted(USUAL))
def test_key_columns_of_usual_values_are_not_left_to_python(codec: ctypes.CDLL, type_: str) -> None:
    """What rows mostly have; a null has no hash."""
    table, value = Table("usual", (column("id", "integer"), column("x", type_))), USUAL[type_]
    lines = [b'{"id":1,"x":%b}' % value.encode(), b'{"id":null,"x":null}']
    found = key_columns_read(codec, table, ["id", "x"], lines)
    assert found == [[xxh3_64_intdigest(b"1")], [xxh3_64_intdigest(value.encode())]]


@pytest.mark.parametrize(
    "line", [b'{"id":1}', b'{"x":1,"id":1}', b'{"id":1,"x":1,"x":2}', b"", b"x"]
)
def test_key_columns_of_another_row_are_left_to_python(codec: ctypes.CDLL, line: bytes) -> None:
    """One that lacks a column, has it twice, or has columns in another order."""
    table = Table("other", (column("id", "integer"), column("x", "integer")))
    assert key_columns_read(codec, table, ["x"], [line]) is None


NOTHING = RowDigests([], [], [], NONE, [])
"""A table without columns."""


@pytest.mark.parametrize("content", [b"", b"{}", b"{}\n{}\n", b"{}\nx"])
def test_a_block_of_other_rows_is_refused(codec: ctypes.CDLL, content: bytes) -> None:
    """The caller's count is checked, not believed."""
    digester = BlockDigester(codec, NOTHING)
    assert digester.read(b"{}\n[]\n", 2, 1, 0) == bytes([0, ODD])
    with pytest.raises(ValueError, match="other items"):
        digester.read(content, 1, 1, 0)


def test_a_plan_of_columns_that_are_not_there_is_refused(codec: ctypes.CDLL) -> None:
    """Before a row is read."""
    with pytest.raises(ValueError, match="no plan"):
        BlockDigester(codec, NOTHING._replace(order=[0]))
