"""Reads whole BSON documents as they are, without an object for each."""

from collections.abc import Iterator
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from mediatool_assets.stores.mongodb_errors import PLAIN

RAW: CodecOptions[RawBSONDocument] = PLAIN.with_options(document_class=RawBSONDocument)
_ANSWER = 1000  # documents of an answer, if nothing else is asked for; mongod stops at 16 MiB
_ARRAY = b"\x04firstBatch\0"


def read(
    db: Database[Any], collection: str, first: bytes | None, end: bytes | None, batch: int | None
) -> Iterator[bytes]:
    """Documents from ``first`` to before ``end`` in order of ``_id``, ``batch`` at a time.

    Each answer is one of its own, which begins after the last document of the one before: a cursor
    would have to be continued by the driver, which makes several objects for each document, or on
    the same server, which only the driver's own cursor knows.
    """
    most = batch or _ANSWER
    query: dict[str, Any] = {
        "find": collection,
        "sort": {"_id": 1},
        "hint": "_id_",
        "singleBatch": True,
    }
    query |= {"limit": most, "batchSize": most}
    if end is not None:
        query["max"] = {"_id": raw_id(end)}
    if first is not None:
        query["min"] = {"_id": raw_id(first)}
    while documents := _documents(db.command(query, codec_options=RAW)):
        yield b"".join(documents)
        query |= {"min": {"_id": raw_id(documents[-1])}, "skip": 1}


def raw_id(document: bytes) -> Any:
    """The ``_id`` of a document; it encodes to the same bytes again."""
    return bson.decode(document, RAW)["_id"]


def _documents(answer: RawBSONDocument) -> list[bytes]:
    """The documents of an answer, each as it is."""
    cursor = bytes(answer["cursor"].raw)
    at = 4 + len(_ARRAY)
    if cursor[4:at] != _ARRAY:
        return [bytes(document.raw) for document in answer["cursor"]["firstBatch"]]
    at += 4
    documents = []
    while cursor[at]:  # its type, that of a document; 0 ends the array
        start = cursor.index(b"\0", at) + 1  # behind its number
        at = start + int.from_bytes(cursor[start : start + 4], "little")
        documents.append(cursor[start:at])
    return documents
