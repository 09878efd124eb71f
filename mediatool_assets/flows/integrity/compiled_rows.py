"""Digests of blocks of raw rows by the compiled codec, or by Python for odd rows.

The digests are those of ``RowParser``, and the columns those of ``TableNeeds``.
"""

import ctypes
from collections.abc import Mapping
from typing import Final

import msgspec
import pyarrow as pa

from mediatool_assets.archive.reader import split_lines
from mediatool_assets.domain.model import FieldType
from mediatool_assets.domain.sampling import DailySample
from mediatool_assets.domain.schema import Column
from mediatool_assets.flows.integrity.digest_files import DigestFile
from mediatool_assets.flows.integrity.expected_values import AS_THEY_ARE, Lost, bson_type
from mediatool_assets.flows.integrity.row_layout import DELETED, LITERAL_KEYS, PADDED_KEY, RowLayout
from mediatool_assets.flows.integrity.table_needs import TableNeeds
from mediatool_assets.native.digests import (
    NONE,
    BlockDigester,
    DigestedColumn,
    Form,
    KeyForm,
    RowDigests,
    Strings,
    TakenColumns,
)
from mediatool_assets.native.library import library
from mediatool_assets.native.rows import ODD

_LARGEST = 1 << 28  # bytes of a block: its texts stay below Arrow's 2 GiB

_FORMS: Final = {
    FieldType.STRING: Form.TEXT,
    FieldType.INT: Form.INTEGER,
    FieldType.LONG: Form.LONG,
    FieldType.DOUBLE: Form.DOUBLE,
    FieldType.DECIMAL: Form.DECIMAL,
    FieldType.BOOL: Form.BOOLEAN,
    FieldType.DATE: Form.DATE,
    FieldType.UUID: Form.UUID,
    FieldType.DOCUMENT: Form.DOCUMENT,
}


def compiled_rows(
    layout: RowLayout, need: TableNeeds, sample: DailySample
) -> "CompiledRows | None":
    """The codec's reader; None without a codec, or if it cannot make the text of a key."""
    codec = library()
    if codec is None or not _is_known(layout, need):
        return None
    return CompiledRows(codec, layout, need, sample)


class CompiledRows:
    """Makes the digests of one table, block by block."""

    def __init__(
        self, codec: ctypes.CDLL, layout: RowLayout, need: TableNeeds, sample: DailySample
    ) -> None:
        table, self._sample = layout.table, sample
        self._names, self._need = [column.name for column in table.columns], need
        self._order = {name: at for at, name in enumerate(layout.names)}
        self._digester = BlockDigester(
            codec,
            RowDigests(
                [_column(column, layout, need) for column in table.columns],
                [self._names.index(name) for name in layout.names],
                [self._order[name] for name in layout.key],
                self._names.index(DELETED) if DELETED in self._names else NONE,
                [TakenColumns(bare, list(map(self._names.index, t))) for t, bare in need.takes],
            ),
        )

    def takes(self, content: bytes) -> bool:
        """Whether the codec can read the block."""
        return content.endswith(b"\n") and len(content) <= _LARGEST

    def read(
        self, content: bytes, rows: int, lost: Mapping[str, Lost], out: DigestFile
    ) -> tuple[list[bytes], int]:
        """Write the digests of a block; returns the lines left to Python, and the flagged rows.

        The losses of the others are added to ``lost``.
        """
        status = self._digester.read(content, rows, self._sample.days, self._sample.offset)
        left = status.count(ODD)
        if left < len(status):
            out.add_all(self._columns(len(status) - left))
        deleted, *cuts = self._digester.counts()
        for name, count in zip(self._names, cuts, strict=True):
            if count:
                lost[name]["microseconds"] += count
        if not left:
            return [], deleted
        lines = split_lines(content)
        return [lines[at] for at, found in enumerate(status) if found == ODD], deleted

    def _columns(self, rows: int) -> list[pa.Array]:
        """The columns of the file's schema; the codec makes keys in the order of the table."""
        need, digester = self._need, self._digester
        made, at = [integers(digester.part(number)) for number in range(3)], 3
        keys: dict[str, pa.Array] = {}
        for name in filter(need.keys.__contains__, self._names):
            keys[name], at = strings(digester.strings(at), rows), at + 3
        arrays: dict[str, pa.Array] = {}
        for name in filter(need.arrays.__contains__, self._names):
            offsets = bytes(4) + digester.part(at)
            items = strings(digester.strings(at + 2), int.from_bytes(offsets[-4:], "little"))
            buffers = [pa.py_buffer(digester.part(at + 1)), pa.py_buffer(offsets)]
            kind = pa.list_(pa.string())
            arrays[name] = pa.Array.from_buffers(kind, rows, buffers, children=[items])
            at += 5
        made += [*map(keys.__getitem__, need.keys), *map(arrays.__getitem__, need.arrays)]
        return made + [strings(digester.strings(at + 3 * n), rows) for n in range(len(need.takes))]


def integers(content: bytes) -> pa.Array:
    """Numbers of 64 bits as a column."""
    return pa.Array.from_buffers(pa.uint64(), len(content) // 8, [None, pa.py_buffer(content)])


def strings(made: Strings, rows: int) -> pa.Array:
    """Texts as a column."""
    buffers = [pa.py_buffer(part) for part in (made.valid, made.offsets, made.texts)]
    return pa.Array.from_buffers(pa.string(), rows, buffers)


def _is_known(layout: RowLayout, need: TableNeeds) -> bool:
    """Whether the codec can make the texts of all keys, and of what a folded row is linked by."""
    table = layout.table
    keys = [table.column(name) for name in (*need.keys, *layout.links)]
    arrays = [table.column(name) for name in need.arrays]
    links = [table.column(name) for name in layout.links]
    return (
        all(column.element is None for column in keys)
        and all(column.element is not None for column in arrays)
        and all(_form(column, None) is not Form.DOCUMENT for column in keys + arrays)
        and all(_key_form(column) is KeyForm.KEY for column in links)
    )


def _column(column: Column, layout: RowLayout, need: TableNeeds) -> DigestedColumn:
    used = column.name in layout.names
    elements = column.name in need.arrays
    is_key = elements or column.name in need.keys
    return DigestedColumn(
        msgspec.json.encode(column.name) + b":",
        _form(column, dict(layout.columns).get(column.name)),
        _form(column, None),
        _key_form(column) if is_key else KeyForm.NONE,
        column.element is not None,
        used,
        column.name in layout.links,
        elements,
    )


def _form(column: Column, wanted: FieldType | None) -> Form:
    """The codec's form of ``expected_values.rule``, for a column or an array's elements."""
    kind = bson_type(column, wanted)
    if kind is None:
        return Form.BYTES
    return Form.PLAIN if wanted is None and kind in AS_THEY_ARE else _FORMS[kind]


def _key_form(column: Column) -> KeyForm:
    """The codec's form of ``row_layout.texts``."""
    base = column.element or column.base
    if base == PADDED_KEY:
        return KeyForm.PADDED
    return KeyForm.LITERAL if base in LITERAL_KEYS else KeyForm.KEY
