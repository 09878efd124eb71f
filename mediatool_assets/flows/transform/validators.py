"""A ``$jsonSchema`` for each collection, from the columns' types: exactly the fields that we write.

If a column may have values that BSON cannot represent, the validator also allows text; ``losses``
lists these cases.
"""

from typing import Any

from mediatool_assets.domain.model import AdditionVerb, FieldType
from mediatool_assets.domain.shapes import (
    AddedField,
    ColumnField,
    DocumentCollection,
    DocumentShape,
)
from mediatool_assets.flows.transform.values import default_type

_BSON = {
    None: ("binData",),
    FieldType.STRING: ("string",),
    FieldType.INT: ("int",),
    FieldType.LONG: ("long",),
    FieldType.DOUBLE: ("double",),
    FieldType.DECIMAL: ("decimal", "string"),
    FieldType.BOOL: ("bool",),
    FieldType.DATE: ("date", "string"),
    FieldType.UUID: ("binData",),
}


def options(collection: DocumentCollection) -> dict[str, object]:
    """The collection's options: its validator, unless the model turned it off."""
    if collection.validator is None:
        return {"validator": {"$jsonSchema": _document(collection.shape, root=True)}}
    return {"validator": dict(collection.validator)} if collection.validator else {}


def _document(shape: DocumentShape, *, root: bool) -> dict[str, Any]:
    fields = [(part.field, _column(part)) for part in shape.columns]
    fields += [(added.field, _added(added)) for added in shape.additions]
    if root and not shape.key:
        fields.insert(0, ("_id", {"bsonType": "string"}))
    return _object(fields)


def _object(fields: list[tuple[str, dict[str, Any]]], null: bool = False) -> dict[str, Any]:
    """An object of these fields, dotted ones as nested objects; every field is required."""
    properties: dict[str, Any] = {}
    groups: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for name, schema in fields:
        head, dot, rest = name.partition(".")
        if dot:
            properties.setdefault(head, None)
            groups.setdefault(head, []).append((rest, schema))
        else:
            properties[name] = schema
    for head, parts in groups.items():
        properties[head] = _object(parts)
    return {
        "bsonType": ["object", "null"] if null else "object",
        "required": list(properties),
        "properties": properties,
    }


def _column(part: ColumnField, *, copied: bool = False) -> dict[str, Any]:
    column = part.column
    chosen = part.type or default_type(column.element or column.base)
    if column.element is not None:
        return {"bsonType": ["array", "string", "null"]}
    if chosen is FieldType.DOCUMENT:
        return {}
    types = list(_BSON[chosen])
    if column.nullable or copied:
        types.append("null")
    return {"bsonType": types[0] if len(types) == 1 else types}


def _added(added: AddedField) -> dict[str, Any]:
    if added.verb is AdditionVerb.COUNT:
        return {"bsonType": ["int", "long"]}
    if added.shape is not None:
        inner = _document(added.shape, root=False)
        if added.verb is AdditionVerb.EMBED_ONE:
            return {**inner, "bsonType": ["object", "null"]}
        return {"bsonType": "array", "items": inner}
    single = _taken(added)
    if added.verb in (AdditionVerb.UNION, AdditionVerb.FOLD):
        return {"bsonType": "array", "items": single}
    if added.path[0].each:
        return {"bsonType": ["array", "null"], "items": single}
    return single


def _taken(added: AddedField) -> dict[str, Any]:
    """The values taken from one row; null if the reference finds no row."""
    if added.bare:
        return _column(added.take[0], copied=True)
    return _object([(part.field, _column(part, copied=True)) for part in added.take], null=True)
