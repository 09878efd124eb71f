"""The data-integrity report's readers with and without the codec, on the same rows or documents."""

import os
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from unittest import mock

import bson
import pyarrow as pa
import pyarrow.parquet as pq
from bson.binary import Binary
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.core.authenticity import DailySample
from mediatool_assets.core.manifest import Block
from mediatool_assets.core.model import AdditionVerb
from mediatool_assets.core.schema import Table
from mediatool_assets.core.shapes import (
    AddedField,
    Arrow,
    ColumnField,
    DocumentCollection,
    DocumentShape,
)
from mediatool_assets.integrity import readers
from mediatool_assets.integrity.expected_values import RowLayout, layouts
from mediatool_assets.integrity.plan import TableNeeds
from mediatool_assets.integrity.readers import (
    DocumentShare,
    RawShare,
    ShareResult,
    TableLines,
    read_documents,
    read_raw,
)
from mediatool_assets.work import IdRange
from mediatool_assets_tests.bson_strategies import VALUES
from mediatool_assets_tests.raw_archives import table

WHOLE = DailySample(None, date(2026, 1, 1))
SAMPLED = DailySample(50, date(2026, 1, 1))

Read = tuple[dict[str, Any], dict[str, list[str]]]
"""The figures of a share, and the rows of its files, sorted, by table or copy."""


@dataclass
class _Blocks:
    """In the place of an archive: one block."""

    content: bytes

    def blocks(self, _: Sequence[Block]) -> Iterator[bytes]:
        """The block."""
        yield self.content


@dataclass
class _Batch:
    """In the place of a range of a collection: one batch."""

    documents: list[bytes]

    def batches(self) -> Iterator[bytes]:
        """The batch."""
        yield b"".join(self.documents)


OWNER = table("owner", id="bigint", name="text", score="double precision", tags="text[]")
INNER = table("inner", id="bigint", owner_id="bigint", code="citext", is_deleted="boolean")
ONE = table("one", id="bigint", owner_name="text", price="numeric")
FOLDED = table("folded", owner_id="bigint", note="text", is_deleted="boolean")
BARE = table("bare", owner_name="text", weight="double precision")
OTHER = table("other", id="bigint", label="text", weight="double precision")


def _parts(made: Table, *fields: str) -> tuple[ColumnField, ...]:
    """Columns, and the fields they are in: ``column`` or ``column:field``."""
    split = [field.partition(":") for field in fields]
    return tuple(ColumnField(made.column(name), field or name) for name, _, field in split)


def _arrow(column: str, target: Table, key: str, *, each: bool = False) -> Arrow:
    caseless = frozenset({key} if key == "code" else ())
    return Arrow((column,), target, (key,), each, False, caseless)


_INNER = DocumentShape(
    INNER, ("id",), _parts(INNER, "id:_id", "owner_id:of.owner", "code", "is_deleted")
)
_ONE = DocumentShape(ONE, (), _parts(ONE, "id", "owner_name", "price"))
_LABEL = _parts(OTHER, "label:l.text", "weight:w")
_TO_OTHER = (_arrow("id", OTHER, "id"),)

COLLECTION = DocumentCollection(
    "owners",
    DocumentShape(
        OWNER,
        ("id",),
        _parts(OWNER, "id:_id", "name:about.name", "score:about.score", "tags"),
        (
            AddedField(
                "many", AdditionVerb.EMBED_MANY, (_arrow("name", INNER, "code"),), shape=_INNER
            ),
            AddedField(
                "one", AdditionVerb.EMBED_ONE, (_arrow("name", ONE, "owner_name"),), shape=_ONE
            ),
            AddedField(
                "folded",
                AdditionVerb.FOLD,
                (_arrow("id", FOLDED, "owner_id"),),
                _parts(FOLDED, "note", "is_deleted:gone.flag"),
            ),
            AddedField(
                "weights",
                AdditionVerb.FOLD,
                (_arrow("name", BARE, "owner_name"),),
                _parts(BARE, "weight"),
                bare=True,
            ),
            AddedField("count", AdditionVerb.COUNT, _TO_OTHER),
            AddedField("union", AdditionVerb.UNION, _TO_OTHER, _LABEL),
            AddedField("names", AdditionVerb.UNION, _TO_OTHER, _parts(OTHER, "label"), bare=True),
            AddedField("about.other", AdditionVerb.LOOK_UP, _TO_OTHER, _LABEL),
            AddedField("label", AdditionVerb.LOOK_UP, _TO_OTHER, _parts(OTHER, "label"), bare=True),
            AddedField(
                "each", AdditionVerb.LOOK_UP, (_arrow("tags", OTHER, "id", each=True),), _LABEL
            ),
        ),
    ),
)
"""Documents with every kind of field."""


def usual_document(number: int) -> dict[str, Any]:
    """A document of the collection as the transform makes it."""
    label = {"l": {"text": "é\n"}, "w": 0.1}
    inner = {"_id": Int64(1), "of": {"owner": Int64(number)}, "code": "NAME", "is_deleted": True}
    return {
        "_id": Int64(number),
        "about": {"name": "name", "score": 1.5, "other": label},
        "tags": ["a", None, "b"],
        "many": [inner, {**inner, "_id": Int64(2), "code": "other", "is_deleted": None}],
        "one": {
            "_id": "content",
            "id": Int64(7),
            "owner_name": "name",
            "price": Decimal128("1.50"),
        },
        "folded": [{"note": "n", "gone": {"flag": True}}, {"note": None, "gone": {"flag": False}}],
        "weights": [0.5, float("inf"), None],
        "count": 3,
        "union": [label, {"l": {"text": None}, "w": None}],
        "names": ["z", None, "a"],
        "label": None,
        "each": [label, None],
    }


@st.composite
def documents(draw: DrawFn) -> list[bytes]:
    """Documents of the collection, with any values in some places, and damaged bytes."""
    made = []
    for number in range(draw(st.integers(1, 3))):
        document = usual_document(number)
        for _ in range(draw(st.integers(0, 3))):
            _change(draw, document)
        data = bson.encode(document)
        for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
            at = draw(st.integers(4, len(data) - 1))
            data = data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]
        made.append(data)
    return made


def _change(draw: DrawFn, content: Any) -> None:
    """Put another value somewhere, leave a field out, add one, or have them in another order."""
    while True:
        places = list(content) if isinstance(content, dict) else list(range(len(content)))
        if not places:
            return
        place = draw(st.sampled_from(places))
        if not isinstance(content[place], dict | list) or draw(st.booleans()):
            break
        content = content[place]
    if isinstance(content, list) or (what := draw(st.sampled_from("vvvvdao"))) == "v":
        content[place] = deepcopy(draw(st.one_of(VALUES, BORDERS)))  # the next change may be in it
    elif what == "d":
        del content[place]
    elif what == "a":
        content["odd"] = draw(VALUES)
    else:
        content[place] = content.pop(place)


BORDERS = st.sampled_from(
    [0.1, -0.0, 1e-5, 9.999e-6, 1e15, 1e16, 0.30000000000000004, 5e-324, 2.0**70, float("nan")]
    + [float("-inf"), 9007199254740993.0, 1 / 3, 2**31, Int64(5), Int64(-(2**63)), True, "", "\0"]
    + ["A\u0130", "\x7f\u2028\U0001f600", {"a": 1, "b": {"$ref": "x", "$id": 1}}, {"$ref": 1}]
    + [{f"k{n}": n for n in range(99, 0, -1)}, {}, [], [[]], Binary(b"", 0), Binary(b"\0", 4)]
    + [Decimal128(x) for x in ("0.00", "-0", "1E+3", "1E-7", "0.000001", "0E-6", "0E-7", "NaN")]
    + [Decimal128("9" * 34), Decimal128("1." + "0" * 33), DatetimeMS(-1), DatetimeMS(2**62)]
)
"""Values at the border of what the codec takes."""


def need_of(table: Table) -> TableNeeds:
    """All that the report can ask of a table: keys, arrays, and copies of one column and of two."""
    keys = [c.name for c in table.columns if c.element is None and c.base not in ("json", "jsonb")]
    arrays = [c.name for c in table.columns if c.element is not None]
    names = tuple(column.name for column in table.columns)
    takes = ((names[:1], True), (names[-1:], True), (names, False))
    return TableNeeds(tuple(sorted(keys)), tuple(sorted(arrays)), takes)


def rows_read(
    lines: Sequence[bytes],
    layout: RowLayout,
    need: TableNeeds,
    sample: DailySample = WHOLE,
    *,
    native: bool,
) -> Read:
    """What a worker reads of one block of the raw archive."""
    content = b"".join(line + b"\n" for line in lines)
    with _codec(native=native), TemporaryDirectory() as folder:
        archive = cast(ArchiveReader, _Blocks(content))
        path = Path(folder, "rows")
        share = RawShare(TableLines(layout.table, archive), layout, need, sample, path)
        return _read(read_raw(share))


def documents_read(
    documents: list[bytes],
    collection: DocumentCollection,
    sample: DailySample = WHOLE,
    *,
    native: bool,
) -> Read:
    """What a worker reads of one batch of documents."""
    with _codec(native=native), TemporaryDirectory() as folder:
        share = DocumentShare(
            cast(IdRange, _Batch(documents)),
            collection,
            layouts([collection]),
            sample,
            Path(folder, "documents"),
        )
        return _read(read_documents(share))


def left_to_python(lines: Sequence[bytes], layout: RowLayout, need: TableNeeds) -> list[bytes]:
    """The rows that the codec hands back."""
    with mock.patch.object(readers, "_digested", return_value=0) as asked:
        rows_read(lines, layout, need, native=True)
    return list(asked.call_args.args[2])


def documents_left(documents: list[bytes], collection: DocumentCollection) -> int:
    """How many documents the codec hands back."""
    with mock.patch.object(readers, "decoded", return_value=iter(())) as asked:
        documents_read(documents, collection, native=True)
    return sum(len(call.args[0]) for call in asked.call_args_list)


def _codec(*, native: bool) -> Any:
    return mock.patch.dict(os.environ, {} if native else {"MEDIATOOL_NATIVE": "no"})


def _read(share: ShareResult) -> Read:
    files: dict[str, list[str]] = {}
    for name, path in (*share.files, *share.copies):
        table = pq.read_table(path)
        table.validate(full=True)
        files.setdefault(name, []).extend(map(str, _sorted(table)))
    figures = {
        "fingerprint": str(share.fingerprint),
        "rows": dict(share.rows),
        "deleted": dict(+share.deleted),
        "lost": {name: dict(kinds) for name, kinds in share.lost.items()},
        "problem": share.problem,
    }
    return figures, files


def _sorted(table: pa.Table) -> list[str]:
    return sorted(str(list(row.values())) for row in table.to_pylist())
