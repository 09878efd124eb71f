"""What a value tells in words: the texts in its JSON, those of an array or object one by one."""

import json
import re
from collections.abc import Iterator

import msgspec

_JSON = msgspec.json.Decoder()
_EXACT = msgspec.json.Decoder(float_hook=str)
_ITEM = re.compile(r'"((?:[^"\\]|\\.)*)"|[^{},"]+', re.DOTALL)


def parsed(text: str | bytes, decoder: "msgspec.json.Decoder[object]" = _JSON) -> object:
    """The value of a JSON text; raises ValueError, RecursionError.

    One with half surrogates, or numbers that no double holds, is read too: its numbers are texts.
    """
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(text, parse_int=str, parse_float=str)


def texts(value: bytes) -> Iterator[str]:
    """The texts of a JSON value, and its numbers as texts.

    Names of objects are among them where they are no plain words, as an address or an id is; words
    are the names of a program's own fields, and stand anywhere.
    """
    try:
        yield from list(_texts(parsed(value, _EXACT)))
    except (ValueError, RecursionError):  # not to be read, or too deep: one text
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
    """The elements of an array that is written as its text, ``{a,"b c"}``."""
    for found in _ITEM.finditer(array):
        yield found[0] if found[1] is None else re.sub(r"\\(.)", r"\1", found[1])
