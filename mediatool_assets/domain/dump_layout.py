"""Where a collection lies inside a transformed archive or a dump: mongodump's own layout."""

from base64 import urlsafe_b64encode
from hashlib import sha1
from urllib.parse import quote

_LONGEST = 238  # mongodump's bound: with ".metadata.json.gz" it is a file name of 255 bytes
_KEPT = 208  # and what it keeps of a longer one, before "%24" and 27 characters of hash


def bson_member(database: str, collection: str) -> str:
    """The file of the collection's documents, without the version's folder."""
    return f"{database}/{_escaped(collection)}.bson"


def metadata_member(database: str, collection: str) -> str:
    """The file of the collection's options and indexes."""
    return f"{database}/{_escaped(collection)}.metadata.json"


def _escaped(collection: str) -> str:
    """Go's ``url.PathEscape``; a name too long for a file is cut, and told apart by its hash."""
    escaped = quote(collection, safe="$&+=:@")
    if len(escaped) <= _LONGEST:
        return escaped
    digest = sha1(collection.encode(), usedforsecurity=False).digest()
    return f"{escaped[:_KEPT]}%24{urlsafe_b64encode(digest).decode().rstrip('=')}"
