"""The files inside archives: tables as NDJSON, collections in mongodump's own layout."""

from base64 import urlsafe_b64encode
from hashlib import sha1
from urllib.parse import quote

_LONGEST = 238  # mongodump's bound: with ".metadata.json.gz" it is a file name of 255 bytes
_KEPT = 208  # and what it keeps of a longer one, before "%24" and 27 characters of hash


def table_member(table: str) -> str:
    """The file of a table's rows: ``{table}.ndjson``, whatever the table is called.

    What would be a folder or a control character is percent-encoded.
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
    """Go's ``url.PathEscape``; a name too long for a file is cut, and told apart by its hash."""
    escaped = quote(collection, safe="$&+=:@")
    if len(escaped) <= _LONGEST:
        return escaped
    digest = sha1(collection.encode(), usedforsecurity=False).digest()
    return f"{escaped[:_KEPT]}%24{urlsafe_b64encode(digest).decode().rstrip('=')}"
