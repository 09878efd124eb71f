"""Collections of a transformed archive as tables to query: a column a field, by the validator."""

import math
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import orjson
from bson import Decimal128, decode

from mediatool_assets.archive.reader import ArchiveReader, split_documents
from mediatool_assets.domain.errors import BadArchive
from mediatool_assets.domain.json_documents import decoded
from mediatool_assets.domain.manifest import Member
from mediatool_assets.domain.member_names import metadata_member
from mediatool_assets.domain.schema import Column, Table
from mediatool_assets.flows.query.bson_values import CODEC
from mediatool_assets.flows.query.reading import StoredRows

_POSTGRES = {
    frozenset({"string"}): "text",
    frozenset({"int"}): "integer",
    frozenset({"long"}): "bigint",
    frozenset({"int", "long"}): "bigint",
    frozenset({"double"}): "double precision",
    frozenset({"decimal", "string"}): "numeric",
    frozenset({"decimal"}): "numeric",
    frozenset({"bool"}): "boolean",
    frozenset({"date", "string"}): "timestamp with time zone",
    frozenset({"date"}): "timestamp with time zone",
    frozenset({"binData"}): "text",
}
"""The PostgreSQL type that a field is read as, by its BSON types; any other is JSON."""


class _Options(msgspec.Struct):
    validator: dict[str, Any] = {}


class _CollectionFile(msgspec.Struct):
    options: _Options = msgspec.field(default_factory=_Options)


def collection_rows(
    archive: ArchiveReader, member: Member, as_text: frozenset[str] = frozenset()
) -> StoredRows:
    """A collection with the fields of its validator as columns.

    Sub-documents and arrays are JSON, decimals and binary values text. Raises BadArchive where the
    collection's metadata cannot be read.
    """
    assert member.collection is not None  # noqa: S101  # it is a member with documents
    fields = _fields(archive, member)
    columns = tuple(Column(name, kind, kind) for name, kind in fields.items())
    names = tuple(fields)

    def lines(items: list[bytes], _: bytes) -> bytes:
        return b"".join(_line(item, names) for item in items)

    table = Table(member.collection, columns)
    return StoredRows(
        archive, member, table, as_text, split=lambda content: [*split_documents(content)],
        lines=lines,
    )  # fmt: skip


def _fields(archive: ArchiveReader, member: Member) -> dict[str, str]:
    name = metadata_member(member.name)
    try:
        described = decoded(archive.read_file(name), _CollectionFile)
        schema = described.options.validator.get("$jsonSchema", {})
        return {field: _type(kind) for field, kind in schema.get("properties", {}).items()}
    except (msgspec.MsgspecError, AttributeError) as error:
        raise BadArchive(archive.source.name, f"{name} cannot be read ({error})") from error


def _type(field: dict[str, Any]) -> str:
    kinds = field.get("bsonType", [])
    names = frozenset([kinds] if isinstance(kinds, str) else kinds) - {"null"}
    return _POSTGRES.get(names, "jsonb")


def _line(document: bytes, names: tuple[str, ...]) -> bytes:
    """The document as a line of JSON with exactly these fields."""
    values = decode(document, CODEC)
    return orjson.dumps({name: _json(values.get(name)) for name in names}) + b"\n"


def _json(value: Any) -> Any:
    """A BSON value as JSON has it: what JSON has no type for is text."""
    if isinstance(value, dict):
        return {key: _json(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_json(each) for each in value]
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str, datetime)):
        return value
    return str(value.to_decimal()) if isinstance(value, Decimal128) else _text(value)


def _text(value: Any) -> str:
    return str(value) if isinstance(value, UUID) else f"{value}"
