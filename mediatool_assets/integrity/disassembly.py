"""Splits documents into the rows that they were made from: the reverse of the transform.

Each document yields one row of its root table, one for every element embedded or folded in it, and
and the value of every field that is copied from elsewhere. It uses none of the transform's code.

Splits documents into rows by the compiled codec, or by Python for odd documents.

``DocumentDisassembler`` defines the rows; the digests are the same.

Digests of blocks of raw rows by the compiled codec, or by Python for odd rows.

The digests are those of ``RowParser``, and the columns those of ``TableNeeds``.
"""

import ctypes
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
import pyarrow as pa

from mediatool_assets.archive.reader import split_documents, split_lines
from mediatool_assets.core.authenticity import DailySample
from mediatool_assets.core.model import AdditionVerb, FieldType
from mediatool_assets.core.schema import Column
from mediatool_assets.core.shapes import AddedField, ColumnField, DocumentCollection, DocumentShape
from mediatool_assets.integrity.expected_values import (
    AS_THEY_ARE,
    DELETED,
    LITERAL_KEYS,
    MISSING,
    PADDED_KEY,
    Digest,
    Lost,
    RowLayout,
    bson_type,
    digest,
    double,
    is_double,
    key_text,
    plain,
    taken_text,
)
from mediatool_assets.integrity.plan import DigestFile, TableNeeds
from mediatool_assets.native import library
from mediatool_assets.native.rows import (
    NONE,
    ODD,
    AdditionKind,
    BlockDigester,
    DigestedAddition,
    DigestedColumn,
    DigestedShape,
    DocumentDigests,
    FieldNode,
    Form,
    KeyForm,
    RowDigests,
    Strings,
    TakenColumns,
)

Get = Callable[[Any], Any]
Tree = dict[str, "Tree"]
"""Names of fields; a nested tree below a name with dots."""

NOTHING = "null"
"""The text of a copy that was not found or is null."""
IN_PLACE: list[Any] = [True, []]
"""The end of a row's values if it is with its owner and has no unexpected field."""


class RowSink(Protocol):
    """Receives the rows and copied values from documents."""

    def row(self, layout: RowLayout, key: Digest, values: list[Any]) -> None:
        """Receive a row: its values, whether it is with its owner, and unexpected field names."""

    def copied_value(self, slot: str, owner: Digest, says: str) -> None:
        """Receive a copied field's value, as a text that is equal if the values are equal."""


class DocumentDisassembler:
    """Disassembles documents, or sub-documents, of one shape."""

    def __init__(
        self, place: str, shape: DocumentShape, layouts: Mapping[str, RowLayout], out: RowSink
    ) -> None:
        self._layout, self._out = layouts[shape.table.name], out
        gets = {part.column.name: _getter(part, part.field) for part in shape.columns}
        self._columns = [gets[name] for name, _ in self._layout.columns]
        self._links = [gets[name] for name in self._layout.links]
        self._tree: Tree = {"_id": {}} if not shape.key else {}
        for name in (*(c.field for c in shape.columns), *(a.field for a in shape.additions)):
            _plant(self._tree, name.split("."))
        self._added = [
            _AdditionReader(f"{place}.{a.field}", a, gets, layouts, out) for a in shape.additions
        ]

    def take(self, document: Any, *, linked: bool = True) -> None:
        """Emit everything in a document; ``linked`` is true if it is in its owner's document."""
        values = [get(document) for get in self._columns]
        values += [key_text(plain(get(document))) for get in self._links]
        key = digest(self._layout.finds(values))
        self._out.row(self._layout, key, [*values, linked, odd_fields(document, self._tree)])
        for added in self._added:
            added.take(document, key)


class _AdditionReader:
    """Reads one field of a shape that is not a column of its row."""

    def __init__(
        self,
        slot: str,
        added: AddedField,
        gets: Mapping[str, Get],
        layouts: Mapping[str, RowLayout],
        out: RowSink,
    ) -> None:
        self._slot, self._added, self._out = slot, added, out
        self._get = _path(added.field)
        self._layout = (
            layouts[added.path[-1].table.name] if added.verb is AdditionVerb.FOLD else None
        )
        self._owner = [gets[name] for name in added.path[0].columns]
        arrow = added.path[0]
        self._caseless = [key in arrow.caseless for key in arrow.keys]
        self._parts = [_getter(part, "" if added.bare else part.field) for part in added.take]
        self._names = {name: Tree() for name in (part.field.split(".")[0] for part in added.take)}
        if added.shape is not None:
            self._inner = DocumentDisassembler(slot, added.shape, layouts, out)
            inner = {part.column.name: part for part in added.shape.columns}
            self._keys = [_getter(inner[k], inner[k].field) for k in added.path[0].keys]

    def take(self, document: Any, owner: Digest) -> None:
        """Emit the field's value in one document, or the rows that it holds."""
        value = self._get(document)
        match self._added.verb:
            case AdditionVerb.EMBED_ONE:
                self._embedded([value], document)
            case AdditionVerb.EMBED_MANY:
                self._embedded(value, document)
            case AdditionVerb.FOLD:
                self._folded(value, document)
            case _:
                self._out.copied_value(self._slot, owner, self._says(value))

    def _embedded(self, items: Any, document: Any) -> None:
        wanted = self._told(document, self._owner)
        for item in items if type(items) is list else ():
            if type(item) is dict:
                self._inner.take(item, linked=self._told(item, self._keys) == wanted)

    def _told(self, document: Any, gets: Iterable[Get]) -> list[str | None]:
        """The values of a key, in the form in which PostgreSQL compares them."""
        texts = [key_text(plain(get(document))) for get in gets]
        pairs = zip(texts, self._caseless, strict=True)
        return [text.lower() if text and caseless else text for text, caseless in pairs]

    def _folded(self, items: Any, document: Any) -> None:
        layout = self._layout
        if layout is None or type(items) is not list:
            return
        arrow = self._added.path[0]
        of_owner = dict(zip(arrow.keys, self._owner, strict=True))
        links = [key_text(plain(of_owner[name](document))) for name in layout.links]
        for item in items:
            values = [get(item) for get in self._parts] + links
            odd = [] if self._added.bare else odd_fields(item, self._names)
            self._out.row(layout, digest(values), [*values, True, odd])

    def _says(self, value: Any) -> str:
        """The text of a copy; ``?`` if it does not have the form of one."""
        if self._added.verb is AdditionVerb.COUNT:
            return str(int(value)) if isinstance(value, int) else "?"
        if self._added.verb is AdditionVerb.UNION:
            return listed(sorted(map(self._taken, value))) if type(value) is list else "?"
        if self._added.path[0].each and value is not None:
            return listed(list(map(self._taken, value))) if type(value) is list else "?"
        return self._taken(value)

    def _taken(self, value: Any) -> str:
        if value is None:
            return NOTHING
        if not self._added.bare and (type(value) is not dict or value.keys() != self._names.keys()):
            return "?"
        return taken_text([get(value) for get in self._parts])


def listed(texts: Sequence[str]) -> str:
    """The text of several copies."""
    return f"[{','.join(texts)}]"


def odd_fields(document: Any, tree: Tree) -> list[str]:
    """The names of fields that the model does not explain; those of sub-documents with dots."""
    if type(document) is not dict:
        return []
    odd = sorted(document.keys() - tree.keys())
    for name, below in tree.items():
        if below:
            odd += [f"{name}.{inner}" for inner in odd_fields(document.get(name), below)]
    return odd


def _plant(tree: Tree, names: Sequence[str]) -> None:
    for name in names:
        tree = tree.setdefault(name, {})


def _getter(part: ColumnField, field: str) -> Get:
    """A function that returns a column's value from a document; doubles in the canonical form."""
    get = _path(field)
    return (lambda document: _doubles(get(document))) if is_double(part.column, part.type) else get


def _path(field: str) -> Get:
    if not field:
        return lambda value: value
    if "." not in field:
        return lambda document: document.get(field, MISSING) if type(document) is dict else MISSING
    names = field.split(".")

    def get(document: Any) -> Any:
        for name in names:
            if type(document) is not dict:
                return MISSING
            document = document.get(name, MISSING)
        return document

    return get


def _doubles(value: Any) -> Any:
    if type(value) is list:
        return [_doubles(element) for element in value]
    return double(value) if type(value) is float else value


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
