"""Translates MongoDB's errors into messages without values of documents, except ``_id``."""

from collections.abc import Iterator, Sequence
from typing import Any

import bson
from bson import CodecOptions
from bson.binary import UuidRepresentation
from bson.codec_options import DatetimeConversion
from pymongo.errors import OperationFailure

PLAIN: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True,
    uuid_representation=UuidRepresentation.UNSPECIFIED,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
"""Decodes options, indexes and ``_id`` so that they encode to the same bytes again."""


def identity(document: bytes) -> str:
    """The ``_id`` of a document for a message, cut to 80 characters."""
    return repr(bson.decode(document, PLAIN).get("_id"))[:80]


def refusal(errors: Sequence[dict[str, Any]], documents: Sequence[bytes]) -> str:
    """The number of refused documents of a message, the first one's ``_id``, and the reason.

    ``errors`` are those of single documents, as mongod returned them.
    """
    if not errors:
        return "the server did not confirm the write on enough members"
    return (
        f"{len(errors)} of {len(documents)} documents were refused, first _id "
        f"{identity(documents[errors[0]['index']])}: {_reason(errors[0])}"
    )


def _reason(write_error: dict[str, Any]) -> str:
    """Why mongod refused a document, without the document's values."""
    if write_error["code"] == 11000:
        return f"another document has the same {', '.join(write_error.get('keyPattern', ['key']))}"
    rules = write_error.get("errInfo", {}).get("details", {}).get("schemaRulesNotSatisfied", [])
    if rules:
        return f"the validator's {', '.join(sorted(_broken(rules)))}"
    if write_error["code"] == 121:
        return "the validator refuses it"
    return f"mongod's error {write_error['code']}"


def _broken(rules: list[dict[str, Any]]) -> Iterator[str]:
    """The rules of a ``$jsonSchema`` that a document violates, each with its field."""
    for rule in rules:
        for part in rule.get("propertiesNotSatisfied", []):
            for detail in part["details"]:
                yield f"{detail.get('operatorName', 'rule')} of {part['propertyName']}"
        if "missingProperties" in rule:
            yield f"required of {', '.join(rule['missingProperties'])}"
        elif "propertiesNotSatisfied" not in rule:
            yield str(rule.get("operatorName", "rule"))


_FULL = 14031  # OutOfDiskSpace
_NO_ROOM = ("no space left", "out of disk", "disk space", "space quota", "storage quota")


def is_full(code: object, words: object) -> bool:
    """Whether a server refused because it is full: mongod by its code, others by their message."""
    return code == _FULL or any(each in str(words).lower() for each in _NO_ROOM)


def server_words(error: OperationFailure) -> str:
    """The server's message for an error; without values for a duplicate key."""
    details = error.details or {}
    name = str(details.get("codeName", f"error {error.code}"))
    return name if error.code == 11000 else f"{name}: {details.get('errmsg', error)}"
