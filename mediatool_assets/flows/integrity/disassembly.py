"""Splits documents into the rows that they were made from: the reverse of the transform.

Each document yields one row of its root table, one for every element embedded or folded in it, and
and the value of every field that is copied from elsewhere. It uses none of the transform's code.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from mediatool_assets.domain.model import AdditionVerb
from mediatool_assets.domain.shapes import AddedField, ColumnField, DocumentShape
from mediatool_assets.flows.integrity.canonical import MISSING, double, key_text, plain
from mediatool_assets.flows.integrity.expected_values import is_double
from mediatool_assets.flows.integrity.row_layout import Digest, RowLayout, digest, taken_text

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
