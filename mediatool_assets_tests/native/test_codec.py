"""The compiled codec makes what Python makes, byte for byte, of whatever there is."""

import ctypes
import json
from collections.abc import Sequence
from unittest import mock

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mediatool_assets.archive.reader import cut_documents
from mediatool_assets.core.model import FieldType
from mediatool_assets.core.schema import Table
from mediatool_assets.native import library
from mediatool_assets.native.rows import ODD, DocumentStep, Kind, PlannedColumn, RowPlan, StepKind
from mediatool_assets.transform.documents import GatherRequest
from mediatool_assets_tests.native.codecs import (
    by_python,
    columns_by_python,
    compiled,
    compiled_columns,
    copied,
    copied_by_python,
    each_copied_by_python,
    handed_back,
    not_refused_alike,
    refusals,
)
from mediatool_assets_tests.native.rows_of_types import (
    OVERRIDES,
    WIDE,
    WORDS,
    collection,
    columns,
    damaged,
    narrow_lines,
    narrow_sound_lines,
    sound_lines,
)
from mediatool_assets_tests.raw_archives import column

pytestmark = pytest.mark.usefixtures("compiled_codec")

TYPES = {made.type: made for made, _ in columns().values()}
"""A column of each type."""


@pytest.fixture(scope="module")
def codec() -> ctypes.CDLL:
    """The compiled codec: tests run where it can be compiled."""
    found = library()
    assert found is not None, "run `python -m mediatool_assets.native.build`"
    return found


def same(codec: ctypes.CDLL, lines: Sequence[bytes], table: Table, **types: FieldType) -> None:
    """Both make the same documents, losses, lines of COPY and columns, or refuse the same."""
    same_documents(codec, lines, table, **types)
    assert copied(table, lines) == copied_by_python(table, lines)
    if len(table.columns) < len(WIDE.columns):
        for need in needs(table):
            assert compiled_columns(codec, need, lines) == columns_by_python(need, lines)


def same_documents(
    codec: ctypes.CDLL, lines: Sequence[bytes], table: Table, **types: FieldType
) -> None:
    """The documents and losses alone."""
    made = collection(table, dict(types))
    assert compiled(codec, made, lines) == by_python(made, lines)


def needs(table: Table) -> list[GatherRequest]:
    """All columns as keys, as values, and the arrays as arrays, beside whole rows."""
    names = {column.name for column in table.columns}
    arrays = {column.name for column in table.columns if column.element is not None}
    return [
        GatherRequest(table, names),
        GatherRequest(table, {"id"}, arrays, names - {"id"}, whole=True, hashed=True),
    ]


FEW = min(25, settings().max_examples)
patient = settings(deadline=None, max_examples=FEW)  # a row of every type takes a while to draw


@patient
@given(lines=st.lists(sound_lines(), max_size=3))
def test_rows_of_every_type(codec: ctypes.CDLL, lines: list[bytes]) -> None:
    """As the export writes them."""
    same(codec, lines, WIDE)


@patient
@given(data=st.data(), name=st.sampled_from(sorted(columns())))
def test_values_of_one_type(codec: ctypes.CDLL, data: st.DataObject, name: str) -> None:
    """As the export writes them, in a table where they are keys and values of joins too."""
    made, lines = data.draw(narrow_sound_lines(name))
    same(codec, lines, made)


@patient
@given(lines=st.lists(damaged(sound_lines()), min_size=1, max_size=2))
def test_damaged_rows_of_every_type(codec: ctypes.CDLL, lines: list[bytes]) -> None:
    """Whatever a row is, it is understood as Python understands it, or left to it."""
    same(codec, lines, WIDE)


@patient
@given(data=st.data(), type_=st.sampled_from(sorted(TYPES)), override=st.sampled_from(OVERRIDES))
def test_any_json_in_a_column_of_any_type(
    codec: ctypes.CDLL, data: st.DataObject, type_: str, override: FieldType | None
) -> None:
    """With the type of the column's own, or one that a model gives it."""
    generated = replace(column("z", type_), generated=True)
    table = Table(
        "narrow", (column("id", "integer"), column("x", type_), generated, column("y", type_))
    )
    lines = data.draw(
        st.lists(damaged(narrow_lines(("id", "x", "z", "y"))), min_size=1, max_size=3)
    )
    chosen = {} if override is None else {"x": override}
    same(codec, lines, table, **chosen)


USUAL = {
    "smallint": "-7",
    "integer": "2147483647",
    "bigint": '"9223372036854775807"',
    "real": "0.1",
    "double precision": "5e-324",
    "numeric": '"-12345678901234567890123456789012.34"',
    "money": '"12.50"',
    "boolean": "true",
    "text": '"a\\"\\\\\\n\\u2028é😀"',
    "uuid": '"746bbf97-130e-4c40-a688-aa6c58bed0d3"',
    "bytea": '"\\\\x00ff"',
    "date": '"0001-01-01"',
    "timestamp without time zone": '"1969-12-31T23:59:59.999"',
    "timestamp with time zone": '"2024-11-14T06:00:00.716807+00:00"',
    "jsonb": '{"a": [1, 2.5, {"b": null}], "bb": "\\u00e9"}',
    "json": '" {\\"b\\" : 1,\\n \\"a\\":[true ] } "',
    "uuid[]": '["746bbf97-130e-4c40-a688-aa6c58bed0d3",null]',
    "numeric[]": '[["1.50"],["NaN"]]',
    "text[]": '["a",null]',
    "integer[]": "[]",
    "inet": '"10.1.2.3/8"',
}


@pytest.mark.parametrize("type_", sorted(USUAL))
def test_usual_values_are_not_left_to_python(codec: ctypes.CDLL, type_: str) -> None:
    """What rows mostly have is converted by the codec, not handed back."""
    table = Table("usual", (column("id", "integer"), column("x", type_)))
    line = b'{"id":1,"x":%b}' % USUAL[type_].encode()
    same(codec, [line], table)
    assert handed_back(codec, collection(table, {}), [line]) == 0
    with mock.patch("mediatool_assets.restore.flow.line_writer") as asked:
        copied(table, [line])
    asked.return_value.assert_not_called()


PIECES = [
    form % word
    for word in WORDS
    for form in ("%s", "[%s]", "[[%s],null]", '{"k": %s}', '{"k":[%s ]}')
]


@pytest.mark.parametrize("override", OVERRIDES, ids=str)
@pytest.mark.parametrize("type_", sorted(USUAL))
def test_each_piece_of_json_in_a_column_of_each_type(
    codec: ctypes.CDLL, type_: str, override: FieldType | None
) -> None:
    """Those that Python takes in one block; the others one by one, so that no refusal hides."""
    table = Table("narrow", (column("id", "integer"), column("x", type_)))
    chosen = {} if override is None else {"x": override}
    lines = pieces()
    refused = refusals(collection(table, dict(chosen)), lines)
    same_documents(codec, [line for line in lines if line not in refused], table, **chosen)
    assert not_refused_alike(codec, collection(table, dict(chosen)), refused) == []


@pytest.mark.parametrize("type_", sorted(USUAL))
def test_each_piece_of_json_in_lines_of_copy_and_columns(codec: ctypes.CDLL, type_: str) -> None:
    """The same for what no override concerns."""
    table = Table("narrow", (column("id", "integer"), column("x", type_)))
    lines = pieces()
    alone = each_copied_by_python(table, [[line] for line in lines])
    for line, made in zip(lines, alone, strict=True):
        assert not isinstance(made, str) or copied(table, [line]) == made
    taken = [line for line, made in zip(lines, alone, strict=True) if isinstance(made, bytes)]
    assert copied(table, taken) == copied_by_python(table, taken)
    for need in needs(table):
        refused = [line for line in lines if columns_by_python(need, [line]) is None]
        taken = [line for line in lines if line not in refused]
        for some in (taken, *([line] for line in refused)):
            assert compiled_columns(codec, need, some) == columns_by_python(need, some)


@pytest.mark.parametrize(
    "line", [b'{"id":-0,"x":-0,"y":1E400}', b'{"id":1,"x":-0,"y":1}', b'{"id":1,"x":0.5,"y":-0}']
)
def test_a_row_is_read_by_one_of_the_two(codec: ctypes.CDLL, line: bytes) -> None:
    """What one value is may depend on how another has to be read."""
    table = Table("odd", (column("id", "integer"), column("x", "text"), column("y", "real")))
    same(codec, [b'{"id":1,"x":"a","y":1.5}', line], table)


def pieces() -> list[bytes]:
    """A row for each piece of JSON."""
    return [b'{"id":%d,"x":%b}' % (at, piece.encode()) for at, piece in enumerate(PIECES)]


def test_keys_of_an_object_are_compared_beyond_the_order_of_jsonb(codec: ctypes.CDLL) -> None:
    """Many keys, in order or not, one of them twice or not."""
    table = Table("keys", (column("id", "integer"), column("x", "jsonb")))
    names = [f"k{n:03}" for n in range(200)]
    for keys in (names, names[::-1], [*names, "k007"], names[50::-1], [*names[50::-1], "k007"]):
        members = ",".join(f"{json.dumps(key)}: {at}" for at, key in enumerate(keys))
        same(codec, [b'{"id":1,"x":{%b}}' % members.encode()], table)


def test_what_is_too_large_is_refused_as_by_python(codec: ctypes.CDLL) -> None:
    """A document above MongoDB's 16 MiB, beside one that is not."""
    table = Table("large", (column("id", "integer"), column("x"), column("y", "integer[]")))
    small = b'{"id":1,"x":"a","y":null}'
    same(codec, [small, b'{"id":2,"x":"%b","y":null}' % (b"x" * (1 << 24))], table)
    # its lines of COPY and columns have no such limit: one size is enough for them
    same_documents(codec, [small, b'{"id":2,"x":"%b","y":null}' % (b"x" * ((1 << 25) + 1))], table)
    many = b",".join([b"7"] * 1_400_000)
    same_documents(codec, [small, b'{"id":2,"x":"a","y":[%b]}' % many], table)


PLAN = (
    [PlannedColumn(b'"a":', Kind.JSON, is_array=False, is_used=True)],
    [DocumentStep(StepKind.COLUMN, "a"), DocumentStep(StepKind.ADDED, "b")],
)


@pytest.mark.parametrize(
    "steps",
    [
        [DocumentStep(StepKind.COLUMN, "a", 1)],
        [DocumentStep(StepKind.ADDED, "a", 1)],
        [DocumentStep(StepKind.BEGIN, "a")],
        [DocumentStep(StepKind.END)],
        [DocumentStep(StepKind.BEGIN, "a")] * 65 + [DocumentStep(StepKind.END)] * 65,
    ],
    ids=["no such column", "added out of order", "open", "closed", "too deep"],
)
def test_steps_that_are_no_document_are_no_plan(
    codec: ctypes.CDLL, steps: list[DocumentStep]
) -> None:
    """They are refused before a row is read."""
    with pytest.raises(ValueError, match="no plan"):
        RowPlan(codec, PLAN[0], steps)


@patient
@given(description=st.binary(max_size=80))
def test_bytes_that_are_no_description_are_no_plan(codec: ctypes.CDLL, description: bytes) -> None:
    """Of any bytes the codec makes a plan that it can free, or none."""
    plan = codec.mt_plan(description, len(description))
    codec.mt_free(plan)


@pytest.mark.parametrize("added", [[], [b""], [b"\x0a", b"\x0a"]], ids=["few", "empty", "many"])
def test_added_values_that_do_not_fit_are_refused(codec: ctypes.CDLL, added: list[bytes]) -> None:
    """One for each row that was converted, with its type at least."""
    plan = RowPlan(codec, *PLAN)
    status = bytearray(2)
    plan.read(b'{"a":1}\n{"b":1}\n', status)
    assert list(status) == [0, ODD]
    with pytest.raises(ValueError, match="not the added values"):
        plan.documents(added)
    documents, ends = plan.documents([b"\x0a"])
    assert (len(documents), ends) == (15, [15, 15])


@pytest.mark.parametrize("content", [b"", b'{"a":1}', b'{"a":1}\n{"a":1}\n', b'{"a":1}\nx'])
def test_a_block_of_other_rows_is_refused(codec: ctypes.CDLL, content: bytes) -> None:
    """The caller's count is checked, not believed."""
    with pytest.raises(ValueError, match="other rows"):
        RowPlan(codec, *PLAN).read(content, bytearray(1))


def _cut(content: bytes, start: int, least: int, most: int) -> int | str:
    try:
        return cut_documents(content, start, least, most)
    except ValueError:
        return "impossible"


@given(
    sizes=st.lists(st.integers(0, 30), max_size=9),
    rest=st.binary(max_size=12),
    first=st.integers(0, 9),
    least=st.integers(1, 200),
    most=st.integers(1, 9),
)
def test_documents_of_any_length_are_cut_where_python_cuts_them(
    sizes: list[int], rest: bytes, first: int, least: int, most: int
) -> None:
    """After enough bytes or enough of them, or at the end; an impossible length is told."""
    documents = [bson.encode({"": bytes(size)}) for size in sizes]
    content, start = b"".join([*documents, rest]), len(b"".join(documents[:first]))
    found = _cut(content, start, least, most)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDIATOOL_NATIVE", "no")
        assert _cut(content, start, least, most) == found
    if not rest:
        wanted = documents[first:][:most]
        ends = [start + sum(map(len, wanted[:n])) for n in range(1, len(wanted) + 1)]
        assert found == next((end for end in ends if end - start >= least), [start, *ends][-1])
