"""Raw archives made of a few rows, as the export would have written them."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bson

from mediatool_assets.archive.writer import ArchiveWriter, spool_rows
from mediatool_assets.core.manifest import Exclusion, Manifest
from mediatool_assets.core.schema import Column, Schema, Table
from mediatool_assets.core.version import Version
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.versions import catalog
from mediatool_assets.versions.catalog import StoredArchive

VERSION = Version.parse("20250621-143000")

_CATEGORIES = {
    "N": ("smallint", "integer", "bigint", "real", "double precision", "numeric", "money"),
    "D": ("date", "timestamp with time zone", "timestamp without time zone"),
    "B": ("boolean",),
    "S": ("text", "character varying", "character"),
}


def column(name: str, type_: str = "text", *, nullable: bool = True) -> Column:
    """A column; ``uuid[]`` is an array of uuid."""
    element = type_.removesuffix("[]") if type_.endswith("[]") else None
    category = next((c for c, bases in _CATEGORIES.items() if type_ in bases), "U")
    return Column(
        name,
        type_,
        type_,
        category="A" if element else category,
        nullable=nullable,
        element=element,
        element_kind="b" if element else None,
    )


def table(name: str, key: Sequence[str] = ("id",), /, **types: str) -> Table:
    """A table of columns with their types, and its primary key."""
    columns = tuple(column(n, type_, nullable=n not in key) for n, type_ in types.items())
    return Table(name, columns, primary_key=tuple(key))


def raw_archive(
    objects: ObjectStore,
    tables: Mapping[Table, Sequence[Mapping[str, Any] | bytes]],
    *,
    version: Version = VERSION,
    excluded: Sequence[Exclusion] = (),
    counted: Mapping[str, int] | None = None,
    schema_sql: str = "",
) -> StoredArchive:
    """Publish a raw archive of these tables; rows are JSON values by column, or NDJSON lines.

    ``counted`` is what PostgreSQL had counted; by default the rows that there are.
    """
    counted = {t.name: len(rows) for t, rows in tables.items()} if counted is None else counted
    schema = Schema("media_tool", tuple(sorted(tables, key=lambda t: t.name)))

    def write(writer: ArchiveWriter) -> Manifest:
        with tempfile.TemporaryDirectory() as scratch:
            for member in schema.tables:
                lines = [_line(row) for row in tables[member]]
                spool = spool_rows(Path(scratch, "rows"), [lines])
                writer.add_rows(f"{member.name}.ndjson", [spool], table=member.name)
        writer.add_file("schema.sql", schema_sql.encode())
        writer.add_file("schema.json", schema.to_json())
        return writer.finish(
            Manifest(
                "", "raw", "", (), exclusions=tuple(excluded), facts={"counted": dict(counted)}
            )
        )

    return catalog.publish(objects, "raw", version, write)


def _line(row: Mapping[str, Any] | bytes) -> bytes:
    if isinstance(row, bytes):
        return row
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()


def documents(
    objects: ObjectStore, collection: str, version: Version = VERSION
) -> list[dict[str, Any]]:
    """The documents of a transformed collection, in their order."""
    reader = catalog.reader(objects, "transformed", version)
    member = reader.manifest.collections()[collection]
    return [
        document
        for content in reader.blocks(member.blocks)
        for document in bson.decode_all(content)
    ]
