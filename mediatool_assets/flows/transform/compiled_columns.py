"""The columns that joins need, made from blocks by the compiled codec, or by Python for odd rows.

``gathering`` defines the columns.
"""

import ctypes

import msgspec
import pyarrow as pa

from mediatool_assets.archive.reader import row_count
from mediatool_assets.domain.schema import Column
from mediatool_assets.flows.transform.gathering import (
    ORDINAL,
    GatherRequest,
    column_arrays,
    key_of,
    value_of,
)
from mediatool_assets.flows.versions.raw_rows import Lines
from mediatool_assets.native.rows import ODD, Kind, PlannedColumn, RowPlan, TextForm

_LARGEST = 1 << 28  # bytes of a block: its texts, escaped, stay below Arrow's 2 GiB


class CompiledColumns:
    """Makes the columns of one request, block by block."""

    def __init__(self, codec: ctypes.CDLL, need: GatherRequest) -> None:
        self._need, table = need, need.table
        self._names = [column.name for column in table.columns]
        numbers = {name for name in need.keys if _is_number(table.column(name))}
        self._rest = GatherRequest(
            table, numbers, need.arrays, whole=need.whole, hashed=need.hashed
        )
        self._keys, self._values = need.keys - numbers, need.values
        used = self._keys | self._values
        columns = [
            PlannedColumn(
                msgspec.json.encode(name) + b":",
                Kind.JSON if name in used else Kind.PASSED,
                is_array=False,
                is_used=name in used,
            )
            for name in self._names
        ]
        self._plan = RowPlan(codec, columns, ())

    def takes(self, content: bytes) -> bool:
        """Whether the codec can read the block, and makes any of the columns."""
        some = bool(self._keys or self._values)
        return some and content.endswith(b"\n") and len(content) <= _LARGEST

    def arrays(self, content: bytes, first: int) -> list[pa.Array]:
        """The columns of the request's schema, in its order; raises the errors of the parsers."""
        rows = row_count(content)
        status = bytearray(rows)
        self._plan.read(content, status)
        lines = Lines(content)
        made = {ORDINAL: pa.array(range(first, first + rows), pa.int64())}
        rest = self._rest.schema().names
        if len(rest) > 1:
            made |= zip(rest, column_arrays(self._rest, lines.all, first), strict=True)
        unknown = {at for at, outcome in enumerate(status) if outcome == ODD}
        for name in self._keys:
            form = _form(self._need.table.column(name))
            made[key_of(name)] = self._texts(name, form, unknown)
        for name in self._values:
            made[value_of(name)] = self._texts(name, TextForm.VALUE, unknown)
        if unknown:
            self._replace(made, sorted(unknown), lines)
        return [made[name] for name in self._need.schema().names]

    def _texts(self, name: str, form: TextForm, unknown: set[int]) -> pa.Array:
        """One column; rows that the codec cannot convert are added to ``unknown``."""
        found = self._plan.texts(self._names.index(name), form)
        if 0 in found.known:
            unknown.update(at for at, known in enumerate(found.known) if not known)
        buffers = [pa.py_buffer(data) for data in (found.valid, found.offsets, found.texts)]
        return pa.Array.from_buffers(pa.string(), len(found.known), buffers)

    def _replace(self, made: dict[str, pa.Array], rows: list[int], lines: Lines) -> None:
        """Add the values that Python makes from these rows to every column."""
        arrays = column_arrays(self._need, [lines.all[at] for at in rows], 0)
        for field, array in zip(self._need.schema(), arrays, strict=True):
            if field.name != ORDINAL:
                values = made[field.name].to_pylist()
                for at, value in zip(rows, array.to_pylist(), strict=True):
                    values[at] = value
                made[field.name] = pa.array(values, field.type)


def _is_number(column: Column) -> bool:
    """Whether its texts are numbers: equal numbers may have different texts."""
    return (column.element or column.base) in ("numeric", "money")


def _form(column: Column) -> TextForm:
    is_padded = (column.element or column.base) == "character"
    return TextForm.PADDED_KEY if is_padded else TextForm.KEY
