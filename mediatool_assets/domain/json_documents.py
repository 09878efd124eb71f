"""The JSON documents of the bucket: encoded with indentation, decoded into their type."""

from threading import Lock
from typing import Any, ClassVar, Self, TypeVar, cast

import msgspec

Kind = TypeVar("Kind")

_PREPARING = Lock()
"""msgspec 0.22 prepares a type when it is first decoded: two threads at once crash the process."""
_DECODERS: dict[object, "msgspec.json.Decoder[Any]"] = {}


def pretty(value: object, indent: int = 2) -> bytes:
    """A document on several lines, for programs and people; ends with a newline."""
    return msgspec.json.format(msgspec.json.encode(value), indent=indent) + b"\n"


def json_values(value: object) -> Any:
    """A value as it is read back from JSON: tuples become lists, and structs become objects."""
    return msgspec.json.decode(msgspec.json.encode(value))


def decoded(data: bytes, kind: type[Kind]) -> Kind:
    """Read a document; raises msgspec.MsgspecError on anything else, one too deep included."""
    with _PREPARING:
        decoder = _DECODERS.get(kind)
        if decoder is None:
            decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    try:
        return cast(Kind, decoder.decode(data))
    except RecursionError:
        raise msgspec.ValidationError("nested too deeply") from None
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"not UTF-8: {error.reason}") from None


class JsonDocument:
    """Base of the stored structs and dataclasses; ``to_json`` and ``from_json`` are inverse."""

    __slots__ = ()

    INDENT: ClassVar[int] = 2
    """Spaces for each level, for people; 0 writes one line."""

    def to_json(self) -> bytes:
        """The stored bytes; they end with a newline."""
        return pretty(self, self.INDENT) if self.INDENT else msgspec.json.encode(self) + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read a document; raises msgspec.MsgspecError on anything else."""
        return decoded(data, cls).checked()

    def checked(self) -> Self:
        """The document after reading: kinds add checks, and convert what older releases wrote.

        Raises msgspec.ValidationError.
        """
        return self
