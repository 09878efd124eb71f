"""Converts JSON text into BSON exactly, or gives the reason why it cannot."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson

from mediatool_assets.flows.formats.deep_json import deep_recursion
from mediatool_assets.flows.transform.losses import Tally
from mediatool_assets.flows.transform.numbers import decimal128

DEPTH = 95
"""Levels of arrays and objects in one value. MongoDB documents 100 for a whole document (mongod 6
refuses above 180); the rest is left for the sub-documents that a model puts around it."""

_INEXACT = re.compile(r"[\d.]{17}|\d[eE]|-0(?![\d.])")
"""Numbers of at most 15 digits are exact as doubles or as 64-bit integers, except ``-0``."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class _Unfit(Exception):  # a signal between functions of this module
    """BSON cannot represent the document; ``args[0]`` is the kind of loss to count."""


class DocumentReader:
    """Reads the documents of one column, and counts their losses.

    ``clean`` means that PostgreSQL has removed duplicate keys, as in jsonb.
    """

    def __init__(self, tally: Tally, *, clean: bool = False) -> None:
        self._tally = tally
        hook = None if clean else _object
        self._plain = json.JSONDecoder(object_pairs_hook=hook, parse_constant=_no_constant)
        self._exact = json.JSONDecoder(
            object_pairs_hook=hook,
            parse_constant=_no_constant,
            parse_int=lambda digits: _integer(digits, tally),
            parse_float=lambda number: _float(number, tally),
        )

    def __call__(self, text: str) -> Any:
        """The document: objects in order, integers as int, other numbers as double if exact.

        Larger or longer numbers are Decimal128 or, with more than 34 digits, strings (counted as
        ``digits``). A document with a duplicate key, a NUL in a key, a lone surrogate, or more than
        DEPTH levels is stored as its text, and counted under that name. Raises ValueError if the
        text is not JSON.
        """
        try:
            value = self._parsed(text)
            if _SURROGATE.search(text):
                text_of(value, default=str).encode()
        except _Unfit as unfit:
            self._tally(unfit.args[0])
            return text
        except UnicodeEncodeError:
            self._tally("lone_surrogate")
            return text
        if too_deep(value):
            self._tally("depth")
            return text
        return value

    def _parsed(self, text: str) -> Any:
        decoder = self._exact if _INEXACT.search(text) else self._plain
        try:
            return decoder.decode(text)
        except RecursionError:
            with deep_recursion():
                return decoder.decode(text)


def text_of(value: Any, default: Callable[[Any], Any] | None = None) -> str:
    """A JSON value as text; ``default`` converts other objects."""
    try:
        return orjson.dumps(value, default).decode()
    except orjson.JSONEncodeError:  # it goes 254 levels deep, and refuses lone surrogates
        with deep_recursion():
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=default)


def too_deep(value: Any) -> bool:
    """Whether a JSON value has more than DEPTH levels of arrays and objects."""
    level = [value] if type(value) in (dict, list) else []
    depth = 0
    while level:
        depth += 1
        if depth > DEPTH:
            return True
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
    return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Unfit("duplicate_key")
    if any("\0" in key for key in value):
        raise _Unfit("nul_in_key")
    return value


def _integer(digits: str, tally: Tally) -> Any:
    if digits == "-0":
        return -0.0
    if len(digits) < 19 or (len(digits) < 40 and -(1 << 63) <= int(digits) < 1 << 63):
        return int(digits)
    return _decimal(digits, tally)


def _float(number: str, tally: Tally) -> Any:
    near = float(number)
    return near if Decimal(repr(near)) == Decimal(number) else _decimal(number, tally)


def _decimal(number: str, tally: Tally) -> Any:
    exact = decimal128(number)
    if exact is None:
        tally("digits")
        return number
    return exact


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
