"""A collection's ``.metadata.json`` in an archive: its options and indexes."""

from bson import json_util

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain.collection import CollectionInfo
from mediatool_assets.domain.errors import BadArchive
from mediatool_assets.domain.manifest import Member
from mediatool_assets.domain.member_names import metadata_member


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


def metadata_of(archive: ArchiveReader, collection: str, member: Member) -> CollectionInfo:
    """Read the options and indexes in the collection's ``.metadata.json``."""
    name = metadata_member(member.name)
    try:
        content = json_util.loads(archive.read_file(name))
        return CollectionInfo(collection, content["options"], tuple(content["indexes"]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadArchive(archive.source.name, f"{name} cannot be read ({error})") from error
