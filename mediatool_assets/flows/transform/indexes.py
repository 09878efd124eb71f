"""Indexes as a collection's metadata lists them."""

from mediatool_assets.domain.shapes import DocumentCollection


def index_documents(collection: DocumentCollection) -> tuple[dict[str, object], ...]:
    """The index of ``_id`` that every collection has, then the model's, named as mongod would."""
    found: list[dict[str, object]] = [{"v": 2, "key": {"_id": 1}, "name": "_id_"}]
    for index in collection.indexes:
        options = dict(index.options)
        name = options.pop("name", "_".join(f"{key}_{kind}" for key, kind in index.keys))
        found.append({"v": 2, "key": dict(index.keys), "name": name, **options})
    return tuple(found)
