"""The metadata file of a collection, and the indexes that it lists."""

from bson import json_util

from mediatool_assets.domain.collection import CollectionInfo
from mediatool_assets.domain.shapes import DocumentCollection


def index_documents(collection: DocumentCollection) -> tuple[dict[str, object], ...]:
    """The index of ``_id`` that every collection has, then the model's, named as mongod would."""
    found: list[dict[str, object]] = [{"v": 2, "key": {"_id": 1}, "name": "_id_"}]
    for index in collection.indexes:
        options = dict(index.options)
        name = options.pop("name", "_".join(f"{key}_{kind}" for key, kind in index.keys))
        found.append({"v": 2, "key": dict(index.keys), "name": name, **options})
    return tuple(found)


def metadata_json(info: CollectionInfo) -> bytes:
    """A collection's ``.metadata.json``: canonical Extended JSON, as mongorestore reads it.

    mongodump's ``uuid`` is left out: it identifies the server's collection; no restore needs it.
    """
    content = {
        "options": info.options,
        "indexes": list(info.indexes),
        "collectionName": info.name,
        "type": "collection",
    }
    return json_util.dumps(content, json_options=json_util.CANONICAL_JSON_OPTIONS).encode()
