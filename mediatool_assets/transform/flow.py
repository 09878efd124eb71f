"""Documents made from blocks by the compiled codec, or by Python for odd rows.

Bytes and counts are the same as those of ``row_documents``.
"""

import ctypes
from collections.abc import Iterator
from itertools import pairwise, repeat
from typing import Final

import msgspec
from bson.errors import InvalidDocument

from mediatool_assets.archive.reader import row_count
from mediatool_assets.domain.model import FieldType
from mediatool_assets.domain.schema import Column
from mediatool_assets.domain.shapes import DocumentShape
from mediatool_assets.flows.transform.documents import (
    DOCUMENT_BYTES,
    Plan,
    added_key,
    encoded_value,
)
from mediatool_assets.flows.transform.row_documents import (
    BlockDocuments,
    RowDocuments,
    identity_hash,
)
from mediatool_assets.flows.transform.values import default_type
from mediatool_assets.flows.versions.raw_rows import Lines
from mediatool_assets.native.rows import (
    DONE,
    ODD,
    UNWANTED,
    DocumentStep,
    Kind,
    PlannedColumn,
    RowPlan,
    StepKind,
)

_ARRAY: Final = 0x04
"""The BSON type of an array."""

_DEFAULTS: Final = {
    FieldType.LONG: Kind.LONG,
    FieldType.DOUBLE: Kind.DOUBLE,
    FieldType.DECIMAL: Kind.DECIMAL,
    FieldType.DATE: Kind.DATE,
    FieldType.UUID: Kind.UUID,
    FieldType.DOCUMENT: Kind.DOCUMENT,
}
"""The others are JSON's own values."""

_OVERRIDES: Final = _DEFAULTS | {
    FieldType.STRING: Kind.STRING,
    FieldType.INT: Kind.INT32,
    FieldType.BOOL: Kind.BOOLEAN,
}


def kind_of(column: Column, override: FieldType | None) -> Kind:
    """How the codec converts a column's values, or an array's elements; see ``converter``."""
    if override is not None:
        return _OVERRIDES[override]
    default = default_type(column.element or column.base)
    return Kind.BINARY if default is None else _DEFAULTS.get(default, Kind.JSON)


class CompiledDocuments:
    """Makes the documents of one share, as ``rows`` does."""

    def __init__(self, library: ctypes.CDLL, rows: RowDocuments) -> None:
        self._rows = rows
        shape = rows.collection.shape
        steps = list(_steps(rows.builder.plan, shape))
        self._plan = RowPlan(library, list(_columns(shape)), [step for step, _ in steps])
        made = rows.attached.cells() if rows.attached is not None else {}
        keys = [key for step, key in steps if step.kind is StepKind.ADDED]
        self._added = [None if key == added_key("_id") else made[key] for key in keys]
        """The functions that make the added values; None for the ``_id`` of a row without a key."""
        names = [column.name for column in shape.table.columns]
        self._names = names
        self._arrays = {
            names.index(added.path[0].columns[0]): added.path[0].columns[0]
            for added in shape.additions
            if added.path[0].each
        }

    def block(self, content: bytes, first: int) -> BlockDocuments:
        """The documents of a block whose first row has the ordinal ``first``."""
        if not content.endswith(b"\n"):
            return self._rows.block(content, first)
        status = bytearray(row_count(content))
        if self._rows.only is not None:
            for at in range(len(status)):
                status[at] = DONE if self._rows.is_wanted(first + at) else UNWANTED
        self._plan.read(content, status)
        by_python: dict[int, bytes] = {}
        added: list[bytes] = []
        lines = Lines(content)
        if self._added or ODD in status:
            for at, stub in enumerate(self._stubs(status)):
                if status[at] == ODD:
                    by_python[at] = self._rows.document(lines.all[at], first + at)
                elif status[at] == DONE and self._added:
                    added += self._cells(lines, at, stub, first)
        made, ends = self._plan.documents(added)
        identities, known = self._plan.identities()
        if 0 not in known and len(made) <= DOCUMENT_BYTES:
            return BlockDocuments(made, identities)
        documents = [made[start:end] for start, end in pairwise([0, *ends])]
        for at, document in enumerate(documents):
            if len(document) > DOCUMENT_BYTES:
                documents[at] = self._rows.document(lines.all[at], first + at)  # raises
        for at, document in by_python.items():
            documents[at] = document
        return _together(documents, identities, known)

    def count_losses(self) -> None:
        """Once, at the end: add the losses of all blocks to those that Python has counted."""
        table = self._rows.collection.shape.table.name
        for name, count in zip(self._names, self._plan.lost(), strict=True):
            self._rows.losses.add(table, name, "microseconds", count)

    def _stubs(self, status: bytearray) -> Iterator[dict[str, object]]:
        """For each row, what the added fields need from it: whether it has an array."""
        if not self._arrays:
            return repeat({}, len(status))
        types = {name: self._plan.types(column) for column, name in self._arrays.items()}
        return (
            {name: [] if kinds[at] == _ARRAY else None for name, kinds in types.items()}
            for at in range(len(status))
        )

    def _cells(self, lines: Lines, at: int, stub: dict[str, object], first: int) -> list[bytes]:
        """The values that are added to one row, in the order of the steps."""
        try:
            cells = [
                cell(stub, first + at)
                if cell is not None
                else encoded_value(self._rows.content_id(lines.all[at], first + at))
                for cell in self._added
            ]
        except (InvalidDocument, OverflowError, UnicodeEncodeError):
            self._rows.document(lines.all[at], first + at)  # raises BadValue, naming the column
            raise
        if sum(map(len, cells)) > DOCUMENT_BYTES:
            self._rows.document(lines.all[at], first + at)  # raises BadValue
        return cells


def _together(documents: list[bytes], identities: list[int], known: bytes) -> BlockDocuments:
    """The documents of the rows that have one; not every identity is known."""
    kept = [at for at, document in enumerate(documents) if document]
    hashes = [identities[at] if known[at] else identity_hash(documents[at]) for at in kept]
    return BlockDocuments(b"".join(documents), hashes)


def _columns(shape: DocumentShape) -> Iterator[PlannedColumn]:
    """All columns of the table, in the order of its rows."""
    used = {part.column.name: part for part in shape.columns}
    for column in shape.table.columns:
        part = used.get(column.name)
        kind = kind_of(column, part.type) if part is not None else Kind.JSON
        key = msgspec.json.encode(column.name) + b":"
        is_array = column.element is not None and part is not None
        yield PlannedColumn(key, kind, is_array, part is not None)


def _steps(plan: Plan, shape: DocumentShape) -> Iterator[tuple[DocumentStep, str]]:
    """The steps of a document, and the key of the value that one adds."""
    columns = {column.name: at for at, column in enumerate(shape.table.columns)}
    count = 0

    def walk(parts: Plan) -> Iterator[tuple[DocumentStep, str]]:
        nonlocal count
        for field, column, _, group in parts:
            if group is not None:
                yield DocumentStep(StepKind.BEGIN, field), ""
                yield from walk(group)
                yield DocumentStep(StepKind.END), ""
            elif column in columns:
                yield DocumentStep(StepKind.COLUMN, field, columns[column]), column
            else:
                yield DocumentStep(StepKind.ADDED, field, count), column
                count += 1

    return walk(plan)
