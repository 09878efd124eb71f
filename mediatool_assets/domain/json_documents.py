"""JSON documents from outside, read into their type, however they are made."""

from typing import TypeVar

import msgspec

Document = TypeVar("Document")


def decoded(data: bytes, kind: type[Document]) -> Document:
    """Read a document; raises msgspec.MsgspecError on anything else, one too deep included."""
    try:
        return msgspec.json.decode(data, type=kind)
    except RecursionError:
        raise msgspec.ValidationError("nested too deeply") from None
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"not UTF-8: {error.reason}") from None
