"""Splits documents into rows by the compiled codec, or by Python for odd documents.

``DocumentDisassembler`` defines the rows; the digests are the same.
"""

import ctypes
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from mediatool_assets.archive.reader import split_documents
from mediatool_assets.domain.model import AdditionVerb
from mediatool_assets.domain.sampling import DailySample
from mediatool_assets.domain.shapes import (
    AddedField,
    ColumnField,
    DocumentCollection,
    DocumentShape,
)
from mediatool_assets.flows.integrity.compiled_rows import integers, strings
from mediatool_assets.flows.integrity.disassembly import Tree
from mediatool_assets.flows.integrity.expected_values import is_double
from mediatool_assets.flows.integrity.row_layout import RowLayout
from mediatool_assets.native.digests import (
    NONE,
    AdditionKind,
    BlockDigester,
    DigestedAddition,
    DigestedShape,
    DocumentDigests,
    FieldNode,
)
from mediatool_assets.native.library import library
from mediatool_assets.native.rows import ODD

_LARGEST = 1 << 28  # bytes of a batch: its texts stay below Arrow's 2 GiB


def compiled_documents(
    collection: DocumentCollection | None, layouts: Mapping[str, RowLayout]
) -> "CompiledDisassembly | None":
    """The codec's reader; None without a codec, or if the codec does not support the shape."""
    codec = library()
    if codec is None or collection is None:
        return None
    try:
        return CompiledDisassembly(codec, collection, layouts)
    except ValueError:
        return None  # too many fields, or a field within another one


class CompiledDisassembly:
    """Splits the documents of one collection; raises ValueError if the codec does not support it.

    ``rows`` and ``copies`` are of the batch that was read last.
    """

    def __init__(
        self,
        codec: ctypes.CDLL,
        collection: DocumentCollection,
        layouts: Mapping[str, RowLayout],
    ) -> None:
        plan = _ShapePlan(layouts)
        plan.add(collection.name, collection.shape)
        self._tables, self._slots = list(plan.tables), list(plan.copies)
        shapes = [shape for shape in plan.shapes if shape is not None]
        self._digester = BlockDigester(
            codec, DocumentDigests(len(self._tables), len(self._slots), shapes)
        )

    def takes(self, content: bytes) -> bool:
        """Whether the codec can read the documents together."""
        return len(content) <= _LARGEST

    def read(self, content: bytes, documents: int, sample: DailySample) -> Sequence[bytes]:
        """Split documents, given one after the other; returns those left to Python."""
        status = self._digester.read(content, documents, sample.days, sample.offset)
        if ODD not in status:
            return ()
        each = split_documents(content)
        return [document for document, found in zip(each, status, strict=True) if found == ODD]

    def rows(self) -> Iterator[tuple[str, int, int, list[pa.Array]]]:
        """Each table with rows, their number, that of the flagged ones, and the columns of ROWS."""
        flagged = self._digester.counts()
        for number, table in enumerate(self._tables):
            columns = [integers(self._digester.part(3 * number + at)) for at in range(3)]
            if len(columns[0]):
                yield table, len(columns[0]), flagged[number], columns

    def copies(self) -> Iterator[tuple[str, list[pa.Array]]]:
        """Each slot with copied fields, and the columns of COPIES."""
        for number, slot in enumerate(self._slots):
            at = 3 * len(self._tables) + 5 * number
            keys = [integers(self._digester.part(at + half)) for half in range(2)]
            if rows := len(keys[0]):
                yield slot, [*keys, strings(self._digester.strings(at + 2), rows)]


class _ShapePlan:
    """The shapes of one collection, as they are found."""

    def __init__(self, layouts: Mapping[str, RowLayout]) -> None:
        self._layouts = layouts
        self.tables: dict[str, int] = {}
        self.copies: dict[str, int] = {}
        self.shapes: list[DigestedShape | None] = []
        self._columns: dict[int, Mapping[str, int]] = {}

    def add(self, place: str, shape: DocumentShape) -> int:
        """Add a shape and, behind it, those in it; returns its number."""
        number, layout = len(self.shapes), self._layouts[shape.table.name]
        self.shapes.append(None)
        table = self.tables.setdefault(shape.table.name, len(self.tables))
        names = [c.field for c in shape.columns] + [a.field for a in shape.additions]
        nodes, slots = fields(names if shape.key else ["_id", *names])
        columns = {part.column.name: part for part in shape.columns}
        taken = [columns[name] for name, _ in layout.columns]
        of = self._columns[number] = {name: slots[p.field] for name, p in columns.items()}
        additions = [
            self._held(f"{place}.{added.field}", added, slots, of)
            if added.shape is None
            else self._embedded(self.add(f"{place}.{added.field}", added.shape), added, slots, of)
            for added in shape.additions
        ]
        self.shapes[number] = DigestedShape(
            nodes,
            table,
            NONE if layout.deleted is None else layout.deleted,
            _pairs(taken, slots),
            [of[name] for name in layout.links],
            [layout.names.index(name) for name in layout.key],
            [] if shape.key else [slots["_id"]],
            additions,
        )
        return number

    def _embedded(
        self, inner: int, added: AddedField, slots: Mapping[str, int], of: Mapping[str, int]
    ) -> DigestedAddition:
        """A field that holds documents of rows of another table, each of the shape ``inner``."""
        arrow, own = added.path[0], self._columns[inner]
        keys = [
            number
            for column, key in zip(arrow.columns, arrow.keys, strict=True)
            for number in (of[column], own[key], int(key in arrow.caseless))
        ]
        is_one = added.verb is AdditionVerb.EMBED_ONE
        kind = AdditionKind.ONE if is_one else AdditionKind.MANY
        return DigestedAddition(kind, slots[added.field], 0, inner, NONE, False, [], [], keys)

    def _held(
        self, place: str, added: AddedField, slots: Mapping[str, int], of: Mapping[str, int]
    ) -> DigestedAddition:
        """A field with folded rows, or with copies from other rows."""
        kind, links, deleted = _kind(added), list[int](), NONE
        if kind is AdditionKind.FOLDED:
            layout, arrow = self._layouts[added.path[-1].table.name], added.path[0]
            output = self.tables.setdefault(layout.table.name, len(self.tables))
            owner = dict(zip(arrow.keys, arrow.columns, strict=True))
            links = [of[owner[name]] for name in layout.links]
            if layout.deleted is not None and layout.deleted < len(added.take):
                deleted = layout.deleted
        else:
            output = self.copies.setdefault(place, len(self.copies))
        bare = added.bare or kind is AdditionKind.COUNT
        names = [part.field for part in added.take]
        inner, found = (NONE, dict.fromkeys(names, 0)) if bare else self._item(names)
        return DigestedAddition(
            kind,
            slots[added.field],
            output,
            inner,
            deleted,
            bare,
            _pairs(added.take, found),
            links,
            [],
        )

    def _item(self, names: Sequence[str]) -> tuple[int, Mapping[str, int]]:
        """Add the shape of an item that is not a row."""
        nodes, slots = fields(names)
        self.shapes.append(DigestedShape(nodes, 0, NONE, [], [], [], [], []))
        return len(self.shapes) - 1, slots


def fields(names: Sequence[str]) -> tuple[list[FieldNode], dict[str, int]]:
    """The nodes of dotted fields, and the slot of each; raises ValueError if one is in another."""
    tree: Tree = {}
    for name in names:
        level = tree
        for part in name.split("."):
            level = level.setdefault(part, {})
    nodes: list[FieldNode] = []
    slots: dict[str, int] = {}

    def walk(level: Tree, parent: int, prefix: str) -> None:
        for name, below in level.items():
            slot = NONE if below else len(slots)
            if not below:
                slots[prefix + name] = slot
            nodes.append(FieldNode(name.encode(), parent, slot))
            walk(below, len(nodes) - 1, f"{prefix}{name}.")

    walk(tree, NONE, "")
    if len(slots) != len(names):
        raise ValueError("a field is in another one, or twice")
    return nodes, slots


def _pairs(parts: Sequence[ColumnField], slots: Mapping[str, int]) -> list[int]:
    """The slot of each, and 1 if it is of doubles."""
    return [n for p in parts for n in (slots[p.field], int(is_double(p.column, p.type)))]


def _kind(added: AddedField) -> AdditionKind:
    match added.verb:
        case AdditionVerb.FOLD:
            return AdditionKind.FOLDED
        case AdditionVerb.COUNT:
            return AdditionKind.COUNT
        case AdditionVerb.UNION:
            return AdditionKind.UNION
        case _:
            return AdditionKind.LOOK_UP_EACH if added.path[0].each else AdditionKind.LOOK_UP
