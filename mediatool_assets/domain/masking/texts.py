"""The texts in a value's JSON; an array or object has those of its items."""

import json
import re
from collections.abc import Iterator

import msgspec

_JSON = msgspec.json.Decoder()
_EXACT = msgspec.json.Decoder(float_hook=str)
_ITEM = re.compile(r'"((?:[^"\\]|\\.)*)"|[^{},"]+', re.DOTALL)


def parsed(text: str | bytes, decoder: "msgspec.json.Decoder[object]" = _JSON) -> object:
    """The value of a JSON text; raises ValueError, RecursionError.

    Lone surrogates are accepted, and numbers that no double holds are read as texts.
    """
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(text, parse_int=str, parse_float=str)


def texts(value: bytes) -> Iterator[str]:
    """The texts of a JSON value, and its numbers as texts.

    Names of objects are included unless they are plain words: an address or an id is included.
    Plain words are an application's own field names, which occur anywhere.
    """
    try:
        yield from list(_texts(parsed(value, _EXACT)))
    except (ValueError, RecursionError):  # invalid or too deep: treated as one text
        yield value.decode(errors="replace")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (name for name in value if not name.isidentifier())
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def items(array: str) -> Iterator[str]:
    """The elements of an array in PostgreSQL's text form, ``{a,"b c"}``."""
    for found in _ITEM.finditer(array):
        yield found[0] if found[1] is None else re.sub(r"\\(.)", r"\1", found[1])
