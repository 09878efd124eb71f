"""Versions that count as complete: a raw archive of a few rows, and metadata that tells of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mediatool_assets.core.schema import Table
from mediatool_assets.core.version import Version, metadata_key
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.versions import catalog
from mediatool_assets_tests.metadata_examples import example
from mediatool_assets_tests.raw_archives import raw_archive, table

USERS = table("users", id="integer", name="text")

Rows = Sequence[Mapping[str, Any] | bytes]


def complete(objects: ObjectStore, version: str, tables: Mapping[Table, Rows]) -> Version:
    """A raw archive of these rows, and metadata that makes the version complete."""
    made = Version.parse(version)
    raw_archive(objects, tables, version=made)
    publish_metadata(objects, made)
    return made


def publish_metadata(objects: ObjectStore, version: Version) -> None:
    """Metadata that says what the raw archive holds."""
    manifest = catalog.reader(objects, "raw", version).manifest
    rows = {name: member.rows for name, member in manifest.tables().items()}
    found = example(str(version))
    raw = msgspec.structs.replace(found.exports.raw, rows=rows, record_count=sum(rows.values()))
    made = msgspec.structs.replace(found.exports.transformed, documents=rows)
    exports = msgspec.structs.replace(found.exports, raw=raw, transformed=made)
    data = msgspec.structs.replace(found, exports=exports).to_json()
    objects.put(metadata_key(version), data)


def users(*names: str | None) -> list[dict[str, object]]:
    """Users by their names, numbered from 1."""
    return [{"id": i, "name": name} for i, name in enumerate(names, 1)]
