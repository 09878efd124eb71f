"""The files inside archives: tables as NDJSON, collections in mongodump's own layout."""

from base64 import urlsafe_b64encode
from hashlib import sha1
from urllib.parse import quote

_LONGEST = 238  # mongodump's limit: with ".metadata.json.gz" the file name has 255 bytes
_KEPT = 208  # what mongodump keeps of a longer name, before "%24" and 27 characters of hash


def table_member(table: str) -> str:
    """The file of a table's rows: ``{table}.ndjson``.

    Characters that would make a folder, and control characters, are percent-encoded.
    """
    safe = (c if c not in "/\\%" and c.isprintable() else f"%{ord(c):02X}" for c in table)
    return "".join(safe) + ".ndjson"


def bson_member(database: str, collection: str) -> str:
    """The file of the collection's documents, without the version's folder."""
    return f"{database}/{_escaped(collection)}.bson"


def metadata_member(bson: str) -> str:
    """The file of a collection's options and indexes, beside that of its documents."""
    return bson.removesuffix(".bson") + ".metadata.json"


def _escaped(collection: str) -> str:
    """Go's ``url.PathEscape``; a name that is too long is cut, and made unique by its hash."""
    escaped = quote(collection, safe="$&+=:@")
    if len(escaped) <= _LONGEST:
        return escaped
    digest = sha1(collection.encode(), usedforsecurity=False).digest()
    return f"{escaped[:_KEPT]}%24{urlsafe_b64encode(digest).decode().rstrip('=')}"
