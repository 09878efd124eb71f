"""Converts rows into documents: a plan is made once for each shape, then used for every row."""

from collections.abc import Iterable, Mapping
from typing import Any

import bson
from bson.errors import InvalidDocument

from mediatool_assets.domain.errors import BadValue
from mediatool_assets.domain.shapes import DocumentShape
from mediatool_assets.flows.transform.documents_of_json import DEPTH
from mediatool_assets.flows.transform.losses import Losses
from mediatool_assets.flows.transform.values import Convert, converter, shallow_converter
from mediatool_assets.flows.versions.raw_rows import Row

DOCUMENT_BYTES = 16 * 1024 * 1024
"""The largest document that MongoDB stores."""


_Leaf = tuple[str, str, Convert | None]
"""Dotted field, column and converter. Values that are not columns are under ``added_key``."""

FieldPlan = tuple[str, str, Convert | None, "Plan | None"]
"""Field, column and converter of a value, or a field and the plan of its group."""

Plan = tuple[FieldPlan, ...]


def added_key(field: str) -> str:
    """The key of an added field's value in a row; no column has such a name."""
    return f"\0{field}"


def encoded_value(value: object) -> bytes:
    """A value as it is in a document: its BSON type and payload, without the field's name."""
    document = bson.encode({"": value})
    return document[4:5] + document[6:-1]


class DocumentBuilder:
    """Makes the documents, or sub-documents, of one shape."""

    def __init__(self, shape: DocumentShape, losses: Losses, *, root: bool) -> None:
        self._table, self._key = shape.table.name, shape.key
        self._converters: dict[str, Convert | None] = {}
        quick: dict[str, Convert | None] = {}
        for part in shape.columns:
            tally = losses.tally(self._table, part.column.name)
            self._converters[part.column.name] = converter(part.column, part.type, tally)
            quick[part.column.name] = shallow_converter(part.column, part.type, tally)
        self.plan = _grouped(_leaves(shape, self._converters, root=root))
        self._shallow_plan = _grouped(_leaves(shape, quick, root=root))

    def document(self, row: Row, line: bytes) -> dict[str, Any]:
        """The document of a row and its line; raises BadValue naming the problem."""
        deep = line.count(b"{") + line.count(b"[") > DEPTH
        try:
            return _fill(self.plan if deep else self._shallow_plan, row)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise self._culprit(row, error) from error

    def encode(self, document: dict[str, Any], row: Row) -> bytes:
        """The document as BSON; raises BadValue if MongoDB cannot store it."""
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
                f"makes a document of {len(data)} bytes, more than MongoDB's {DOCUMENT_BYTES}",
            )
        return data

    def key(self, row: Row) -> object:
        """The row's key as the source has it, for messages."""
        if len(self._key) == 1:
            return row.get(self._key[0])
        return {column: row.get(column) for column in self._key} or "without a key"

    def _culprit(self, row: Row, error: Exception) -> BadValue:
        """Find the column that cannot be converted."""
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


def _leaves(
    shape: DocumentShape, converters: Mapping[str, Convert | None], *, root: bool
) -> list[_Leaf]:
    """Every field of a document in order: ``_id`` first, then in the order of table and model."""
    leaves: list[_Leaf] = [
        (part.field, part.column.name, converters[part.column.name]) for part in shape.columns
    ]
    leaves += [(added.field, added_key(added.field), None) for added in shape.additions]
    if root:
        if not shape.key:
            leaves.append(("_id", added_key("_id"), None))
        order = {column: at for at, column in enumerate(shape.key)}
        leaves.sort(key=lambda leaf: order.get(leaf[1], -1) if _in_id(leaf[0]) else len(order))
    return leaves


def _in_id(field: str) -> bool:
    return field == "_id" or field.startswith("_id.")


def _grouped(leaves: Iterable[_Leaf]) -> Plan:
    """Leaves with dotted fields as a tree; a group has the position of its first leaf."""
    groups: dict[str, list[_Leaf]] = {}
    for field, column, convert in leaves:
        head, _, rest = field.partition(".")
        groups.setdefault(head, []).append((rest, column, convert))
    return tuple(
        (head, inner[0][1], inner[0][2], None)
        if inner[0][0] == ""
        else (head, "", None, _grouped(inner))
        for head, inner in groups.items()
    )


def _fill(plan: Plan, row: Row) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for field, column, convert, group in plan:
        if group is not None:
            document[field] = _fill(group, row)
            continue
        value = row[column]
        document[field] = value if value is None or convert is None else convert(value)
    return document
