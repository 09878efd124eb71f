"""The expected MongoDB value for a value of the raw archive: one rule for each type.

Implements docs/reference/archive-format.md and docs/reference/models.md independently of the
transform's code, so that a mistake in either one is detected.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any, Final

import orjson

from mediatool_assets.domain.model import FieldType
from mediatool_assets.domain.schema import Column
from mediatool_assets.flows.formats.deep_json import deep_recursion
from mediatool_assets.flows.integrity import canonical as c
from mediatool_assets.flows.integrity.canonical import Canonical

Rule = Callable[[Any], Canonical]
"""Converts a JSON value that is not null; raises ValueError or similar for an invalid one."""

_TYPES: Final = {
    "boolean": FieldType.BOOL,
    "smallint": FieldType.INT,
    "integer": FieldType.INT,
    "bigint": FieldType.LONG,
    "real": FieldType.DOUBLE,
    "double precision": FieldType.DOUBLE,
    "numeric": FieldType.DECIMAL,
    "money": FieldType.DECIMAL,
    "date": FieldType.DATE,
    "timestamp without time zone": FieldType.DATE,
    "timestamp with time zone": FieldType.DATE,
    "uuid": FieldType.UUID,
    "json": FieldType.DOCUMENT,
    "jsonb": FieldType.DOCUMENT,
}
_EPOCH, _MILLISECOND = datetime(1970, 1, 1), timedelta(milliseconds=1)  # as UTC
_DIGITS, _SMALLEST, _LARGEST = 34, -6176, 6111  # of Decimal128: coefficient and exponents
DEPTH: Final = 95
"""Maximum depth of a JSON document in MongoDB; a deeper one is stored as its text."""

_NO_CALENDAR = re.compile(r"-?infinity|\d{5,}-.*|.* BC")
AS_THEY_ARE: Final = (FieldType.STRING, FieldType.INT, FieldType.BOOL)
"""Types of which the values are unchanged, unless the model asks for them."""
_BOOLEANS = {True: True, False: False, "true": True, "false": False, "t": True, "f": False}

Lost = Counter[str]
"""Numbers of values of one column that BSON cannot represent exactly, by kind of loss."""


def is_double(column: Column, wanted: FieldType | None) -> bool:
    """True if the column's values, or elements, become doubles."""
    return bson_type(column, wanted) is FieldType.DOUBLE


def rule(column: Column, wanted: FieldType | None, lost: Lost, *, deep: bool = True) -> Rule | None:
    """The conversion of a column's values, which counts declared losses; None if they are
    unchanged.

    ``deep`` is False for rows with fewer brackets than the levels that a document may have.
    """
    kind = bson_type(column, wanted)
    if kind is None:
        single: Rule | None = _bytes
    elif kind is FieldType.DOCUMENT and not deep:
        single = partial(_shallow_document, lost)
    elif wanted is None and kind in AS_THEY_ARE:
        single = None
    else:
        single = _RULES[kind](lost)
    return single if column.element is None else partial(_array, single, lost)


def bson_type(column: Column, wanted: FieldType | None) -> FieldType | None:
    """The type that the model requests, else PostgreSQL's; None is bytea, all others are text."""
    base = column.element or column.base
    if wanted is None and base == "bytea":
        return None
    return wanted or _TYPES.get(base, FieldType.STRING)


def _array(single: Rule | None, lost: Lost, value: Any) -> Canonical:
    if type(value) is str:
        lost["array_as_text"] += 1
        return value
    return [
        _array(single, lost, element)
        if type(element) is list
        else (element if element is None or single is None else single(element))
        for element in value
    ]


def _text(value: Any) -> Canonical:
    return value if type(value) is str else _json(value)


def _int(value: Any) -> Canonical:
    return int(value)


def _long(value: Any) -> Canonical:
    return c.long(int(value))


def _double(value: Any) -> Canonical:
    return c.double(float(value))


def _boolean(value: Any) -> Canonical:
    return _BOOLEANS[value]


def _uuid(value: str) -> Canonical:
    return c.binary(4, value.replace("-", ""))


def _bytes(value: str) -> Canonical:
    return c.binary(0, value.removeprefix("\\x"))


def _decimal(lost: Lost, value: Any) -> Canonical:
    text = value if type(value) is str else repr(value)
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text[:40]!r} is not a number") from error
    if not _fits(number):
        lost["digits"] += 1
        return text
    return c.decimal(number)


def _fits(number: Decimal) -> bool:
    """True if Decimal128 can represent it, including the scale."""
    if not number.is_finite():
        return True
    parts = number.as_tuple()
    exponent = int(parts.exponent)
    return len(parts.digits) <= _DIGITS and _SMALLEST <= exponent <= _LARGEST


def _date(lost: Lost, text: str) -> Canonical:
    try:
        moment = datetime.fromisoformat(text.removesuffix("+00:00"))
    except ValueError:
        if not _NO_CALENDAR.fullmatch(text):
            raise
        lost["out_of_range"] += 1
        return text
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    if moment.microsecond % 1000:
        lost["microseconds"] += 1
    return c.date((moment - _EPOCH) // _MILLISECOND)


def _shallow_document(lost: Lost, value: Any) -> Canonical:
    return _document(lost, value) if type(value) is str else value


def _document(lost: Lost, value: Any) -> Canonical:
    """A JSON document; a document that was stored as a string is parsed."""
    if type(value) is not str:
        if _levels(value) > DEPTH:
            lost["depth"] += 1
            return _json(value)
        return value
    problems: list[str] = []
    digits: Lost = Counter()
    decode = json.JSONDecoder(
        object_pairs_hook=partial(_object, problems),
        parse_int=partial(_whole, digits),
        parse_float=partial(_fraction, digits),
    ).decode
    with deep_recursion():
        found = decode(value)
    if _levels(found) > DEPTH:
        problems.append("depth")
    if re.search(r"\\u[dD][89a-fA-F]", value) and not _is_unicode(found):
        problems.append("lone_surrogate")
    if problems:
        lost[problems[0]] += 1
        return value
    lost.update(digits)
    return found


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # it encodes up to 254 levels
        with deep_recursion():
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _levels(value: Any) -> int:
    """The number of nested levels of a value, counted up to one above the limit."""
    level, depth = [value], 0
    while (level := [v for v in level if type(v) is dict or type(v) is list]) and depth <= DEPTH:
        depth += 1
        level = [child for v in level for child in (v.values() if type(v) is dict else v)]
    return depth


def _object(problems: list[str], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        problems.append("duplicate_key")
    if any("\0" in key for key in made):
        problems.append("nul_in_key")
    return made


def _whole(lost: Lost, text: str) -> Canonical:
    if text == "-0":
        return c.double(-0.0)
    number = int(text) if len(text) < 40 else None  # longer texts exceed 64 bits
    if number is not None and -(1 << 63) <= number < 1 << 63:
        return number
    return _decimal(lost, text)


def _fraction(lost: Lost, text: str) -> Canonical:
    near = float(text)
    return near if Decimal(repr(near)) == Decimal(text) else _decimal(lost, text)


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


_RULES: Final[dict[FieldType, Callable[[Lost], Rule | None]]] = {
    FieldType.STRING: lambda _: _text,
    FieldType.INT: lambda _: _int,
    FieldType.LONG: lambda _: _long,
    FieldType.DOUBLE: lambda _: _double,
    FieldType.DECIMAL: lambda lost: partial(_decimal, lost),
    FieldType.BOOL: lambda _: _boolean,
    FieldType.DATE: lambda lost: partial(_date, lost),
    FieldType.UUID: lambda _: _uuid,
    FieldType.DOCUMENT: lambda lost: partial(_document, lost),
}
