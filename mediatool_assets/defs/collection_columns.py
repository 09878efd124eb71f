"""Columns of collections for Dagster: their BSON types and where their values come from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from bson import json_util

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.defs.layers import Layer, key
from mediatool_assets.domain.manifest import Member
from mediatool_assets.domain.member_names import metadata_member
from mediatool_assets.domain.model import Model
from mediatool_assets.domain.resolution import resolve
from mediatool_assets.domain.shapes import DocumentCollection


def resolved(model: Model, raw: ArchiveReader) -> dict[str, DocumentCollection]:
    """The collections that the model defines for a raw archive's schema; raises BadModel."""
    excluded = {exclusion.table for exclusion in raw.manifest.exclusions}
    return {c.name: c for c in resolve(model, raw.schema(), excluded).collections}


def lineage(collection: DocumentCollection) -> dg.TableColumnLineage:
    """For each field, the columns of the raw tables that it is derived from."""
    return dg.TableColumnLineage(
        {
            field: [dg.TableColumnDep(key("raw", table), column) for table, column in sources]
            for field, sources in collection.lineage().items()
        }
    )


def unchanged(columns: dg.TableSchema, layer: Layer, collection: str) -> dg.TableColumnLineage:
    """The lineage of a copy: each field comes from the field of the same name in ``layer``."""
    upstream = key(layer, collection)
    return dg.TableColumnLineage(
        {c.name: [dg.TableColumnDep(upstream, c.name)] for c in columns.columns}
    )


def columns(
    archive: ArchiveReader, member: Member, collection: DocumentCollection | None
) -> dg.TableSchema:
    """The fields with their BSON types, as the collection's validator says; dots for nesting.

    Of a collection that the model makes, each says of which columns it is made.
    """
    metadata = archive.member(metadata_member(member.name))
    options: Mapping[str, Any] = json_util.loads(archive.read_file(metadata.name))["options"]
    rules = options.get("validator", {}).get("$jsonSchema", {})
    types = dict(_types(rules, ""))
    sources = collection.lineage() if collection else {}
    fields = types or dict.fromkeys(sources, "")
    return dg.TableSchema(
        [
            dg.TableColumn(name, kind or "any", _origin(sources.get(name, ())))
            for name, kind in fields.items()
        ]
    )


def _origin(sources: Sequence[tuple[str, str]]) -> str | None:
    """The lineage of a field for its description: Dagster's own UI draws none of columns."""
    return "from " + ", ".join(".".join(source) for source in sources) if sources else None


def _types(rules: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, rule in rules.get("properties", {}).items():
        kinds = rule.get("bsonType", "")
        yield prefix + name, kinds if isinstance(kinds, str) else " | ".join(kinds)
        yield from _types(rule, f"{prefix}{name}.")
        items = rule.get("items")
        if isinstance(items, Mapping):
            yield from _types(items, f"{prefix}{name}.")
