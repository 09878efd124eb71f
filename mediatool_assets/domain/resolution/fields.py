"""The fields that columns become, and conflicts between fields of a document."""

from collections.abc import Iterable, Iterator

from mediatool_assets.domain import model as m
from mediatool_assets.domain.field_names import Names, camel_case
from mediatool_assets.domain.schema import Column, Table
from mediatool_assets.domain.shapes import DocumentShape

NewFields = dict[tuple[str, str], tuple[str, str]]
"""By table and unknown column: the wanted field, and the given one."""


def fields_of(
    shape: m.RowShape,
    table: Table,
    key: tuple[str, ...],
    source: m.SourceTable | None,
    new_fields: NewFields,
) -> dict[str, str]:
    """Each column's field; new columns take free names, so that no known field is renamed.

    ``key`` is the key of a document, and empty for an embedded one. ``source`` says which columns
    the model knows. The fields of the others are added to ``new_fields``.
    """
    renamed = {rename.column: rename.field for rename in shape.renames}
    known = {c.name for c in table.columns} if source and not source.columns else set(renamed)
    known.update(source.columns if source else ())
    fields = {}
    for column in table.columns:
        field = renamed.get(column.name, camel_case(column.name))
        if column.name in key:
            field = "_id" if len(key) == 1 and _can_be_id(column) else f"_id.{field}"
        fields[column.name] = field
    said = [field for name, field in fields.items() if name in known]
    names = Names({"_id", *_prefixes([*said, *(a.field for a in shape.additions)])})
    for name, field in fields.items():
        if name not in known:
            fields[name] = field if key == (name,) else names.give(field)
            new_fields.setdefault((table.name, name), (field, fields[name]))
    return fields


def _can_be_id(column: Column) -> bool:
    """Whether a column can be ``_id``: MongoDB refuses arrays, and json may contain one."""
    return column.element is None and column.base not in ("json", "jsonb")


def _prefixes(fields: Iterable[str]) -> Iterator[str]:
    """The names, and all their parents: ``team`` of ``team.owner``."""
    for field in fields:
        parts = field.split(".")
        yield from (".".join(parts[:depth]) for depth in range(1, len(parts) + 1))


def clashes(shape: DocumentShape, *, root: bool) -> Iterator[tuple[str, str]]:
    """Pairs of fields where one is equal to, or inside, the other."""
    names = [(c.field, f"{c.field} (column {c.column.name})") for c in shape.columns]
    names += [(a.field, f"{a.field} (add:)") for a in shape.additions]
    if root and not shape.key:
        names.append(("_id", "_id (a row without a key)"))
    seen: dict[str, str] = {}
    for name, told in names:
        if name in seen:
            yield seen[name], told
        seen[name] = told
    for name, told in names:
        for above in _prefixes([name]):
            if above != name and above in seen:
                yield seen[above], told
    for addition in shape.additions:
        if addition.shape is not None:
            yield from clashes(addition.shape, root=False)
