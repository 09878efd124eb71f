"""Converts blocks of rows into BSON documents by the compiled codec, from a plan."""

import ctypes
import struct
import weakref
from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple

DONE, ODD, UNWANTED = 0, 1, 2
"""The state of a row: converted, left to Python, or skipped."""

_NO_MEMORY = 2


class Kind(IntEnum):
    """The conversion of a column's values; the numbers are those of ``rows.c``."""

    JSON = 0
    LONG = 1
    DOUBLE = 2
    DECIMAL = 3
    DATE = 4
    UUID = 5
    BINARY = 6
    DOCUMENT = 7
    INT32 = 8
    BOOLEAN = 9
    STRING = 10
    PASSED = 11


class TextForm(IntEnum):
    """The text of a JSON value: a key without trailing blanks, or JSON."""

    KEY = 0
    PADDED_KEY = 1
    VALUE = 2


class ColumnTexts(NamedTuple):
    """Texts as Arrow has strings: a place more than rows, a bit for each, and all texts.

    ``known`` is 0 for the rows whose text Python has to make.
    """

    offsets: bytes
    valid: bytes
    texts: bytes
    known: bytes


class PlannedColumn(NamedTuple):
    """A column of the row: ``key`` is the text before its value, as ``"name":``."""

    key: bytes
    kind: Kind
    is_array: bool
    is_used: bool


class StepKind(IntEnum):
    """A step of a document: a column's value, one that Python adds, or a sub-document's ends."""

    COLUMN = 0
    ADDED = 1
    BEGIN = 2
    END = 3


class DocumentStep(NamedTuple):
    """``number`` is the column's, or counts the added values from 0 on."""

    kind: StepKind
    name: str = ""
    number: int = 0


class RowPlan:
    """Converts the blocks of one table; for one thread at a time.

    Its memory grows with the largest block: a few times its size.
    """

    def __init__(
        self, library: ctypes.CDLL, columns: Sequence[PlannedColumn], steps: Sequence[DocumentStep]
    ) -> None:
        self._library, self._columns = library, len(columns)
        self._added = sum(step.kind is StepKind.ADDED for step in steps)
        description = _described(columns, steps, self._added)
        self._plan = library.mt_plan(description, len(description))
        if not self._plan:
            raise ValueError("these columns and steps are no plan")
        self._rows = 0
        weakref.finalize(self, library.mt_free, self._plan)

    def read(self, block: bytes, status: bytearray) -> None:
        """Convert the rows of a block of NDJSON that ends with a newline, if it is not empty.

        ``status`` has a byte for each row: UNWANTED rows are skipped, the others become DONE or
        ODD. Raises ValueError if the block has another number of rows.
        """
        self._rows = len(status)
        bytes_of = (ctypes.c_ubyte * self._rows).from_buffer(status)
        self._check(
            self._library.mt_read(self._plan, block, len(block), bytes_of, self._rows),
            "the block has other rows",
        )

    def texts(self, column: int, form: TextForm) -> ColumnTexts:
        """The texts of a column of kind JSON, for the rows of the block that was read.

        A null has no text as a key, and the text ``null`` as a value. Raises ValueError if the
        texts are too large together.
        """
        offsets = (ctypes.c_int32 * (self._rows + 1))()
        valid = (ctypes.c_ubyte * (self._rows // 8 + 1))()
        known = (ctypes.c_ubyte * self._rows)()
        size = self._library.mt_texts(self._plan, column, form, offsets, valid, known, self._rows)
        self._check(max(0, -size), "these are no texts of the column")
        made = _copied(self._library.mt_texts_made(self._plan), size) if size else b""
        return ColumnTexts(bytes(offsets), bytes(valid), made, bytes(known))

    def types(self, column: int) -> bytes:
        """The BSON type of a column's value in each row of the block; 0 if the row is not DONE."""
        types = (ctypes.c_ubyte * self._rows)()
        self._check(
            self._library.mt_types(self._plan, column, types, self._rows),
            "there is no such column",
        )
        return bytes(types)

    def documents(self, added: Sequence[bytes]) -> tuple[bytes, list[int]]:
        """The documents of the DONE rows, one after the other, and where that of each row ends.

        A row that is not DONE has none: it ends where the one before ends. ``added`` are the values
        that Python adds to the DONE rows, row by row, field by field: the BSON type and the
        payload. Raises ValueError if they are too few or too many.
        """
        ends = (ctypes.c_uint64 * self._rows)()
        lengths = (ctypes.c_uint64 * len(added))(*map(len, added))
        data = b"".join(added)
        self._check(
            self._library.mt_assemble(
                self._plan, data, len(data), lengths, len(added), ends, self._rows
            ),
            "these are not the added values of the block",
        )
        return self._made(ends[-1] if self._rows else 0), ends[:]

    def identities(self) -> tuple[list[int], bytes]:
        """The hashes of the ``_id`` of the documents, for each row, and a byte that is 1 where it
        has one: Python makes that of a number that may have several forms.

        Call it after ``documents``, and before the next block.
        """
        hashes, known = (ctypes.c_uint64 * self._rows)(), (ctypes.c_ubyte * self._rows)()
        self._check(
            self._library.mt_identities(self._plan, hashes, known, self._rows),
            "there are no documents",
        )
        return hashes[:], bytes(known)

    def copied(self, block: bytes, status: bytearray) -> list[bytes]:
        """A line of COPY's text format for each row, with its newline; empty if the row is ODD.

        Of a column, only these are used: its key, whether it is used, whether it is an array, and
        whether its kind is DOCUMENT. ``block`` and ``status`` are as for ``read``, but no row is
        UNWANTED. If all rows are DONE, the first item of the list has all lines.
        """
        rows = len(status)
        bytes_of = (ctypes.c_ubyte * rows).from_buffer(status)
        ends = (ctypes.c_uint64 * rows)()
        self._check(
            self._library.mt_copy(self._plan, block, len(block), bytes_of, ends, rows),
            "the block has other rows",
        )
        content = self._made(ends[-1] if rows else 0)
        if ODD not in status:
            return [content]
        return [content[start:end] for start, end in pairwise([0, *ends])]

    def lost(self) -> list[int]:
        """The number of times that were cut to milliseconds, for each column, in the DONE rows."""
        counts = (ctypes.c_uint64 * self._columns)()
        self._library.mt_lost(self._plan, counts)
        return list(counts)

    def _made(self, size: int) -> bytes:
        """The codec's results for the block."""
        return _copied(self._library.mt_documents(self._plan), size) if size else b""

    def _check(self, answer: int, problem: str) -> None:
        if answer == _NO_MEMORY:
            raise MemoryError("the codec of rows has no memory left")
        if answer:
            raise ValueError(problem)


def _copied(address: int, size: int) -> bytes:
    """The bytes there; raises MemoryError.

    ``ctypes.string_at`` takes the size as a C int, which is too small for 4 GiB and more.
    """
    return (ctypes.c_char * size).from_address(address).raw


def _described(
    columns: Iterable[PlannedColumn], steps: Iterable[DocumentStep], added: int
) -> bytes:
    """The description that ``rows.c`` reads."""
    columns, steps = list(columns), list(steps)
    parts = [_number(len(columns))]
    for column in columns:
        parts += [_number(column.kind), _number(column.is_array), _number(column.is_used)]
        parts += [_number(len(column.key)), column.key]
    parts += [_number(added), _number(len(steps))]
    for step in steps:
        name = step.name.encode() + b"\0"
        parts += [_number(step.kind), _number(step.number), _number(len(name)), name]
    return b"".join(parts)


def _number(number: int) -> bytes:
    return struct.pack("<I", number)
