"""Collections of a transformed archive as tables: one column for each field of the validator."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

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
from mediatool_assets.flows.query.reading import BlockReader, StoredRows

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
    frozenset({"objectId"}): "text",
}
"""The PostgreSQL type to read a field as, by its BSON types; all others are read as JSON."""


class _Options(msgspec.Struct):
    validator: dict[str, Any] = {}


class _CollectionFile(msgspec.Struct):
    options: _Options = msgspec.field(default_factory=_Options)


def collection_rows(
    archive: ArchiveReader, member: Member, as_text: frozenset[str] = frozenset()
) -> StoredRows:
    """A collection with the fields of its validator as columns.

    Sub-documents and arrays are JSON; decimals and binary values are text. Raises BadArchive if the
    collection's metadata cannot be read.
    """
    name = metadata_member(member.name)
    try:
        validator = decoded(archive.read_file(name), _CollectionFile).options.validator
        return document_rows(archive, member, validator, as_text)
    except (msgspec.MsgspecError, AttributeError) as error:
        raise BadArchive(archive.source.name, f"{name} cannot be read ({error})") from error


def document_rows(
    archive: BlockReader, member: Member, validator: Mapping[str, Any], as_text: frozenset[str]
) -> StoredRows:
    """The documents of a collection with that validator, from an archive or a server.

    If the validator does not require all its fields, documents are read to find the names of
    further fields; fields that it does not describe are JSON.
    """
    assert member.collection is not None  # noqa: S101  # it is a member with documents
    schema = validator.get("$jsonSchema", {})
    fields = {name: _type(kind) for name, kind in schema.get("properties", {}).items()}
    if not fields or set(schema.get("required", ())) != fields.keys():  # a custom one, or none
        for content in archive.blocks(member.blocks):
            for document in split_documents(content):
                fields |= {name: "jsonb" for name in decode(document, CODEC) if name not in fields}
    table = Table(member.collection, tuple(Column(n, kind, kind) for n, kind in fields.items()))

    def lines(items: list[bytes], _: bytes) -> bytes:
        try:
            return b"".join(_line(item, fields) for item in items)
        except KeyError as error:
            problem = f"a document has the field {error}, which its validator lacks"
            raise BadArchive(f"{archive.source.name}: {member.name}", problem) from error

    return StoredRows(
        archive, member, table, as_text, split=lambda content: [*split_documents(content)],
        lines=lines,
    )  # fmt: skip


def _type(field: dict[str, Any]) -> str:
    kinds = field.get("bsonType", [])
    names = frozenset([kinds] if isinstance(kinds, str) else kinds) - {"null"}
    return _POSTGRES.get(names, "jsonb")


def _line(document: bytes, fields: Mapping[str, str]) -> bytes:
    """The document as a line of JSON with exactly these fields; a string in JSON is its text."""
    found: dict[str, Any] = dict.fromkeys(fields)
    for name, value in decode(document, CODEC).items():
        plain = _json(value)
        is_json = fields[name] == "jsonb"
        found[name] = orjson.dumps(plain).decode() if is_json and isinstance(plain, str) else plain
    return orjson.dumps(found) + b"\n"


def _json(value: Any) -> Any:
    """A BSON value as JSON; values of types that JSON lacks are text."""
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
    return str(value.to_decimal() if isinstance(value, Decimal128) else value)
