"""Rows into documents: for each shape a plan made once, then followed row by row."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import bson
from bson.decimal128 import Decimal128
from bson.errors import InvalidDocument
from xxhash import xxh3_64_intdigest

from mediatool_assets.domain.errors import BadValue
from mediatool_assets.domain.resolution import ColumnField, DocumentShape
from mediatool_assets.flows.transform.losses import Losses
from mediatool_assets.flows.transform.rows import Row
from mediatool_assets.flows.transform.values import Convert, converter

DOCUMENT_BYTES = 16 * 1024 * 1024
"""The largest document that MongoDB stores."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One field of a (sub-)document: a value of the row, or a group of fields.

    Values that are not columns wait in the row under ``added_key``, converted already.
    """

    field: str
    source: str
    convert: Convert | None = None
    group: "tuple[_Part, ...] | None" = None


def added_key(field: str) -> str:
    """Where in a row the value of an added field waits; no column has such a name."""
    return f"\0{field}"


class Documents:
    """Makes the documents, or sub-documents, of one shape."""

    def __init__(self, shape: DocumentShape, losses: Losses, *, root: bool) -> None:
        self._table = shape.table.name
        self._key = shape.key
        self._converters = {
            part.column.name: _converter(shape, part, losses) for part in shape.columns
        }
        leaves = [
            (part.field, part.column.name, self._converters[part.column.name])
            for part in shape.columns
        ]
        leaves += [(added.field, added_key(added.field), None) for added in shape.additions]
        if root:
            if not shape.key:
                leaves.insert(0, ("_id", added_key("_id"), None))
            order = {f"_id.{_field(shape, column)}": at for at, column in enumerate(shape.key)}
            leaves.sort(key=lambda leaf: _place(leaf[0], order))  # stable: others as they stand
        self._plan = _grouped(leaves)

    def document(self, row: Row) -> dict[str, Any]:
        """The document of a row; raises BadValue naming table, key, column and value."""
        try:
            return _fill(self._plan, row)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise self._culprit(row, error) from error

    def encode(self, document: dict[str, Any], row: Row) -> bytes:
        """The document as BSON; raises BadValue where MongoDB could not hold it."""
        try:
            data = bson.encode(document)
        except (InvalidDocument, OverflowError, UnicodeEncodeError) as error:
            raise self._culprit(row, error) from error
        if len(data) > DOCUMENT_BYTES:
            column, size = self._largest(row)
            raise BadValue(
                self._table,
                self.key(row),
                column,
                f"{size} bytes of JSON",
                f"makes a document of {len(data)} bytes, and MongoDB stores {DOCUMENT_BYTES}",
            )
        return data

    def key(self, row: Row) -> object:
        """The row's key as the source has it, for messages."""
        if len(self._key) == 1:
            return row.get(self._key[0])
        return {column: row.get(column) for column in self._key} or "without a key"

    def _culprit(self, row: Row, error: Exception) -> BadValue:
        """Find the column that cannot be taken."""
        for column, convert in self._converters.items():
            if column not in row:
                return BadValue(self._table, self.key(row), column, None, "is not in the archive")
            value = row[column]
            try:
                made = value if value is None or convert is None else convert(value)
                bson.encode({"": made})
            except (ValueError, TypeError, AttributeError, OverflowError, InvalidDocument) as found:
                problem = f"cannot become the field ({found})"
                return BadValue(self._table, self.key(row), column, value, problem)
        return BadValue(self._table, self.key(row), "(several)", None, f"do not fit ({error})")

    def _largest(self, row: Row) -> tuple[str, int]:
        sizes = {
            name.removeprefix("\0"): len(bson.encode({"": value})) for name, value in row.items()
        }
        column = max(sizes, key=lambda name: sizes[name])
        return column, sizes[column]


def identity(value: Any) -> int:
    """A 64-bit hash of an ``_id``."""
    return xxh3_64_intdigest(comparable(value))


def comparable(value: Any) -> bytes:
    """An ``_id`` as bytes that are equal where MongoDB takes the values for equal: 1.0 is 1.00."""
    return bson.encode({"": _normal(value)})


def _normal(value: Any) -> Any:
    if isinstance(value, Decimal128):
        number = value.to_decimal()
        return str(number.normalize()) if number.is_finite() else str(number)
    if type(value) is dict:
        return {key: _normal(part) for key, part in value.items()}
    return value


def _converter(shape: DocumentShape, part: ColumnField, losses: Losses) -> Convert | None:
    name = part.column.name
    return converter(part.column, part.type, losses.tally(shape.table.name, name))


def _field(shape: DocumentShape, column: str) -> str:
    return next(
        part.field.removeprefix("_id.") for part in shape.columns if part.column.name == column
    )


def _place(field: str, order: Mapping[str, int]) -> int:
    """``_id`` first, its parts in the order of the key."""
    if field == "_id" or field.startswith("_id."):
        return order.get(field, 0) - len(order) - 1
    return 0


def _grouped(leaves: Iterable[tuple[str, str, Convert | None]]) -> tuple[_Part, ...]:
    """Leaves with dotted fields as a tree; a group stands where its first leaf stood."""
    parts: list[_Part] = []
    groups: dict[str, list[tuple[str, str, Convert | None]]] = {}
    for field, source, convert in leaves:
        head, dot, rest = field.partition(".")
        if not dot:
            parts.append(_Part(field, source, convert))
            continue
        if head not in groups:
            parts.append(_Part(head, "", group=()))
        groups.setdefault(head, []).append((rest, source, convert))
    return tuple(
        part if part.group is None else _Part(part.field, "", group=_grouped(groups[part.field]))
        for part in parts
    )


def _fill(plan: tuple[_Part, ...], row: Row) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for part in plan:
        if part.group is not None:
            document[part.field] = _fill(part.group, row)
            continue
        value = row[part.source]
        convert = part.convert
        document[part.field] = value if value is None or convert is None else convert(value)
    return document
