"""The JSON documents of the bucket: encoded with indentation, decoded into their type."""

from typing import Any, TypeVar

import msgspec

Document = TypeVar("Document")


def pretty(value: object, indent: int = 2) -> bytes:
    """A document on several lines, for programs and people; ends with a newline."""
    return msgspec.json.format(msgspec.json.encode(value), indent=indent) + b"\n"


def json_values(value: object) -> Any:
    """A value as it is read back from JSON: tuples become lists, and structs become objects."""
    return msgspec.json.decode(msgspec.json.encode(value))


def decoded(data: bytes, kind: type[Document]) -> Document:
    """Read a document; raises msgspec.MsgspecError on anything else, one too deep included."""
    try:
        return msgspec.json.decode(data, type=kind)
    except RecursionError:
        raise msgspec.ValidationError("nested too deeply") from None
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"not UTF-8: {error.reason}") from None
