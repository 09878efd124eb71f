"""Whole documents in batches, to and from MongoDB, without an object of the driver's for each.

The insides of pymongo that this needs are used here alone; a test holds the results against the
driver's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import bson
from bson.raw_bson import _RAW_ARRAY_BSON_OPTIONS, RawBSONDocument
from pymongo.cursor import RawBatchCursor
from pymongo.database import Database

_MESSAGE_BYTES = 32 << 20  # mongod takes 48 MB in a message, of which a document may have 16
_MESSAGE_DOCUMENTS = 100_000  # mongod's maxWriteBatchSize


class RawBatches(RawBatchCursor[Any]):
    """A cursor of raw batches: ``bytes``, each of whole documents one after the other.

    The driver's own makes an object for each document of a batch, and then joins them again.
    """

    def _unpack_response(self, response: Any, *_: Any, **__: Any) -> list[Any]:
        found = bson.decode(response.payload_document, _RAW_ARRAY_BSON_OPTIONS)
        reply: dict[str, Any] = dict(found)
        if "cursor" in reply:
            reply["cursor"] = dict(reply["cursor"])
        bson._convert_raw_document_lists_to_streams(reply)  # see the module
        return [reply]


def insert(
    db: Database[Any], collection: str, documents: Sequence[bytes]
) -> Iterator[tuple[Sequence[bytes], Mapping[str, Any]]]:
    """Insert whole documents unchanged, unordered, in as few messages as mongod allows.

    Gives the documents of each message with mongod's answer, which has ``writeErrors`` and
    ``writeConcernError`` if something was refused. ``insert_many`` takes twice the time: it looks
    for an ``_id`` in each document.
    """
    concern = db.write_concern
    stated = {} if concern.is_server_default else {"writeConcern": concern.document}
    for batch in _messages(documents):
        raw = list(map(RawBSONDocument, batch))
        yield (
            batch,
            db.command({"insert": collection, "ordered": False, "documents": raw, **stated}),
        )


def _messages(documents: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Consecutive documents, as many as a message may have."""
    first = size = 0
    for at, length in enumerate(map(len, documents)):
        if at > first and (size + length > _MESSAGE_BYTES or at - first == _MESSAGE_DOCUMENTS):
            yield documents[first:at]
            first, size = at, 0
        size += length
    if documents:
        yield documents[first:]
