"""JSON documents from outside, read into their type, however they are made."""

from typing import Any, TypeVar

import msgspec

Document = TypeVar("Document")


def json_values(value: object) -> Any:
    """A value as it is read back from JSON: tuples are lists, and structs are objects."""
    return msgspec.json.decode(msgspec.json.encode(value))


def decoded(data: bytes, kind: type[Document]) -> Document:
    """Read a document; raises msgspec.MsgspecError on anything else, one too deep included."""
    try:
        return msgspec.json.decode(data, type=kind)
    except RecursionError:
        raise msgspec.ValidationError("nested too deeply") from None
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"not UTF-8: {error.reason}") from None
