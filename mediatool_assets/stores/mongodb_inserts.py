"""Inserts whole BSON documents as they are, in as few messages as mongod allows."""

from collections.abc import Iterator
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from mediatool_assets.archive.reader import cut_documents, split_documents
from mediatool_assets.stores.mongodb_errors import PLAIN

LARGEST = 16 << 20
"""Bytes of a document: mongod's maxBsonObjectSize in every version.

The driver refuses to send a command with more bytes of documents than that.
"""

_MOST = 100_000  # documents in a message: mongod's maxWriteBatchSize
_NO_FIELDS = bson.encode({})


class _DocumentRun(RawBSONDocument):
    """Documents one after the other, in place of one: the driver copies ``raw`` into the message.

    ``insert_many`` makes several objects for each document, which takes five times as long.
    """

    def __init__(self, documents: bytes) -> None:
        super().__init__(_NO_FIELDS)
        self._documents = documents

    @property
    def raw(self) -> bytes:
        """All of them."""
        return self._documents


def insert(
    db: Database[Any], collection: str, documents: bytes
) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Insert unordered; yields the documents of each message, and mongod's answer to it.

    The answer has ``writeErrors`` and ``writeConcernError`` if something was refused. None of the
    documents is larger than LARGEST.
    """
    concern = db.write_concern
    stated = {} if concern.is_server_default else {"writeConcern": concern.document}
    for message in _messages(documents):
        command = {"insert": collection, "ordered": False, **stated}
        command["documents"] = [_DocumentRun(message)]
        yield message, db.command(command, codec_options=PLAIN)


def _messages(documents: bytes) -> Iterator[bytes]:
    """The documents in parts, each for one message."""
    size = len(documents)
    if 0 < size <= LARGEST and cut_documents(documents, 0, size, _MOST) == size:
        yield documents
        return
    first = end = count = 0
    for document in split_documents(documents):
        if count == _MOST or (count and end + len(document) - first > LARGEST):
            yield documents[first:end]
            first, count = end, 0
        end, count = end + len(document), count + 1
    if end > first:
        yield documents[first:end]
