"""Transformed archives of documents that a test makes up, in an object store of its own."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import bson
from bson import json_util

from mediatool_assets.archive.writer import ArchiveWriter, spool_documents
from mediatool_assets.core.manifest import Manifest
from mediatool_assets.core.version import Version, bson_member, metadata_member
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.versions.catalog import StoredArchive, publish
from mediatool_assets_tests.database_names import mongodb_database

ID_INDEX = {"v": 2, "key": {"_id": 1}, "name": "_id_"}


def made_up_people(rows: int, size: int = 10) -> list[bytes]:
    """So many documents, each with a text of ``size`` characters."""
    return [bson.encode({"_id": n, "n": n, "text": "x" * size}) for n in range(rows)]


def transformed(
    objects: ObjectStore,
    version: Version,
    collections: Mapping[str, Iterable[bytes]],
    *,
    options: Mapping[str, Mapping[str, object]] | None = None,
    indexes: Mapping[str, Sequence[Mapping[str, object]]] | None = None,
    facts: Mapping[str, object] | None = None,
    warnings: Sequence[str] = (),
) -> StoredArchive:
    """Publish the documents of every collection, with its options and further indexes.

    ``facts`` and ``warnings`` go into the manifest.
    """
    database = mongodb_database(version)

    def write(writer: ArchiveWriter) -> Manifest:
        with tempfile.TemporaryDirectory() as scratch:
            for name, documents in sorted(collections.items()):
                spool = spool_documents(Path(scratch, "spool"), documents)
                writer.add_rows(bson_member(database, name), [spool], collection=name)
                metadata = {
                    "options": (options or {}).get(name, {}),
                    "indexes": [ID_INDEX, *(indexes or {}).get(name, ())],
                    "collectionName": name,
                    "type": "collection",
                }
                text = json_util.dumps(metadata, json_options=json_util.CANONICAL_JSON_OPTIONS)
                writer.add_file(metadata_member(bson_member(database, name)), text.encode())
        return writer.finish(
            Manifest("", "transformed", "", (), warnings=tuple(warnings), facts=dict(facts or {}))
        )

    return publish(objects, "transformed", version, write)
