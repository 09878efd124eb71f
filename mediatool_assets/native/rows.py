"""Converts blocks of rows into BSON documents by the compiled codec, from a plan.

Digests of blocks of rows and of documents, made by the compiled codec from a plan.
"""

import ctypes
import struct
import weakref
from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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


NONE = 0xFFFFFFFF
"""In place of an absent number."""


class Form(IntEnum):
    """What a column's values are expected to be; the numbers are those of ``digests.c``."""

    PLAIN = 0
    TEXT = 1
    INTEGER = 2
    LONG = 3
    DOUBLE = 4
    DECIMAL = 5
    BOOLEAN = 6
    DATE = 7
    UUID = 8
    BYTES = 9
    DOCUMENT = 10


class KeyForm(IntEnum):
    """The text of a column as a key: by its type, without blanks at its end, or the row's own."""

    NONE = 0
    KEY = 1
    PADDED = 2
    LITERAL = 3


class DigestedColumn(NamedTuple):
    """A column of the row: ``key`` is the text before its value, as ``"name":``.

    ``own`` is the form of its values in documents, ``plain`` that of its type alone. It is part of
    the row's content if it is ``used``, as the text of a key if it is a ``link``. With a
    ``key_form`` its texts are made, those of an array's elements with ``elements``.
    """

    key: bytes
    own: Form
    plain: Form
    key_form: KeyForm
    is_array: bool
    used: bool
    link: bool
    elements: bool


class TakenColumns(NamedTuple):
    """Columns that are copied together, by their numbers; ``bare`` is a value without a field."""

    bare: bool
    columns: Sequence[int]


class RowDigests(NamedTuple):
    """How rows of one table are read.

    ``order`` are the numbers of the columns of their content, ``key`` places in it, ``deleted`` the
    number of the flag's column or NONE.
    """

    columns: Sequence[DigestedColumn]
    order: Sequence[int]
    key: Sequence[int]
    deleted: int
    takes: Sequence[TakenColumns]

    def described(self) -> bytes:
        """The description that ``digests.c`` reads."""
        parts = [_number(0), _number(len(self.columns))]
        for column in self.columns:
            parts += [_bytes(column.key), *map(_number, column[1:])]
        parts += [_numbers(self.order), _numbers(self.key), _number(self.deleted)]
        parts.append(_number(len(self.takes)))
        for taken in self.takes:
            parts += [_number(taken.bare), _numbers(taken.columns)]
        return b"".join(parts)


class FieldNode(NamedTuple):
    """A field's name below another node, or NONE; its slot, or NONE if it has fields below it."""

    name: bytes
    parent: int
    slot: int


class AdditionKind(IntEnum):
    """The content of a field that is not a column."""

    ONE = 0
    MANY = 1
    FOLDED = 2
    COUNT = 3
    UNION = 4
    LOOK_UP = 5
    LOOK_UP_EACH = 6


class DigestedAddition(NamedTuple):
    """A field of a shape that is not a column of its row.

    ``output`` is the table of folded rows or the number of the copy, ``inner`` the shape of what is
    in it, unless it is ``bare``. ``parts`` are pairs of a slot of the item and 1 for doubles,
    ``links`` slots of the owner, ``keys`` triples: the owner's slot, the item's, 1 if caseless.
    """

    kind: AdditionKind
    slot: int
    output: int
    inner: int
    deleted: int
    bare: bool
    parts: Sequence[int]
    links: Sequence[int]
    keys: Sequence[int]


class DigestedShape(NamedTuple):
    """A document's fields, and the row that it is: its table, columns, links and key.

    ``columns`` are pairs of a slot and 1 for doubles, ``key`` and ``deleted`` places in the row,
    ``passed`` slots of what is no part of it.
    """

    nodes: Sequence[FieldNode]
    table: int
    deleted: int
    columns: Sequence[int]
    links: Sequence[int]
    key: Sequence[int]
    passed: Sequence[int]
    additions: Sequence[DigestedAddition]


class DocumentDigests(NamedTuple):
    """How documents are taken apart; the first shape is theirs, each has only later ones in it."""

    tables: int
    copies: int
    shapes: Sequence[DigestedShape]

    def described(self) -> bytes:
        """The description that ``digests.c`` reads."""
        parts = [_number(1), _number(self.tables), _number(self.copies), _number(len(self.shapes))]
        for shape in self.shapes:
            parts.append(_number(len(shape.nodes)))
            for node in shape.nodes:
                parts += [_bytes(node.name), _number(node.parent), _number(node.slot)]
            parts += [_number(shape.table), _number(shape.deleted)]
            parts += map(_numbers, (shape.columns, shape.links, shape.key, shape.passed))
            parts.append(_number(len(shape.additions)))
            for added in shape.additions:
                parts += [*map(_number, added[:6]), *map(_numbers, added[6:])]
        return b"".join(parts)


class Strings(NamedTuple):
    """Texts as Arrow has strings: a place more than rows, a bit for each, and all texts."""

    offsets: bytes
    valid: bytes
    texts: bytes


class BlockDigester:
    """Reads the blocks of one table or collection; for one thread at a time.

    Raises ValueError if the description is invalid. Its memory grows with the largest block.
    """

    def __init__(self, library: ctypes.CDLL, plan: RowDigests | DocumentDigests) -> None:
        self._library, description = library, plan.described()
        self._read = (
            library.mt_digest_rows if isinstance(plan, RowDigests) else library.mt_digest_documents
        )
        self._counts = plan.tables if isinstance(plan, DocumentDigests) else 1 + len(plan.columns)
        self._digester = library.mt_digester(description, len(description))
        if not self._digester:
            raise ValueError("this is no plan of digests")
        weakref.finalize(self, library.mt_digest_free, self._digester)

    def read(self, block: bytes, items: int, days: int, offset: int) -> bytes:
        """Read a block of rows, each with its newline, or of documents; returns a byte for each.

        It is ``rows.DONE``, or ``rows.ODD`` for an item that Python must read: it has no output.
        Contents are hashed for the keys whose first half is ``offset`` modulo ``days``. Raises
        ValueError if the block has another number of items.
        """
        status = (ctypes.c_ubyte * items)()
        answer = self._read(self._digester, block, len(block), status, items, days, offset)
        if answer == _NO_MEMORY:
            raise MemoryError("the codec of rows has no memory left")
        if answer:
            raise ValueError("the block has other items")
        return bytes(status)

    def part(self, number: int) -> bytes:
        """A buffer of the block's results, in the order of ``digests.c``."""
        size = ctypes.c_uint64()
        address = self._library.mt_digest_part(self._digester, number, size)
        return (ctypes.c_char * size.value).from_address(address).raw if size.value else b""

    def strings(self, number: int) -> Strings:
        """The strings that begin with this part."""
        return Strings(bytes(4) + self.part(number), self.part(number + 1), self.part(number + 2))

    def counts(self) -> list[int]:
        """Of rows: the flagged ones, then cut times by column; else flagged rows by table."""
        counts = (ctypes.c_uint64 * self._counts)()
        self._library.mt_digest_counts(self._digester, counts)
        return list(counts)


class ColumnHasher:
    """Hashes the values of some columns of blocks of rows, given by the key before each value.

    ``columns`` are all of a row's, in its order, each with whether it is ``wanted``.
    """

    def __init__(self, library: ctypes.CDLL, columns: Iterable[tuple[bytes, bool]]) -> None:
        described = [(wanted, _number(wanted) + _bytes(key)) for key, wanted in columns]
        self._library, self._wanted = library, sum(wanted for wanted, _ in described)
        self._description = b"".join(part for _, part in described)

    def read(self, block: bytes, rows: int) -> list[NDArray[np.uint64]] | None:
        """XXH3-64 of the JSON of each value that is not null, for each wanted column.

        None if Python must read the block: it has another number of rows, or an odd one.
        """
        hashes = np.empty((self._wanted, rows), np.uint64)
        found = (ctypes.c_uint64 * self._wanted)()
        if self._library.mt_key_columns(
            block,
            len(block),
            self._description,
            len(self._description),
            self._wanted,
            hashes.ctypes.data,
            found,
            rows,
        ):
            return None
        return [column[:count] for column, count in zip(hashes, found, strict=True)]


def _numbers(numbers: Iterable[int]) -> bytes:
    listed = list(numbers)
    return struct.pack(f"<{1 + len(listed)}I", len(listed), *listed)


def _bytes(content: bytes) -> bytes:
    return _number(len(content)) + content
