"""The expected MongoDB value for a value of the raw archive: one rule for each type.

Implements docs/reference/archive-format.md and docs/reference/models.md independently of the
transform's code, so that a mistake in either one is detected.

The columns of each table that documents contain, and rows in that order.

A canonical JSON form for the values of both sides, which includes their type.

Values that JSON has are unchanged: null, booleans, texts, doubles, 32-bit integers (and 64-bit
integers that do not fit into 32), lists and documents. Every other BSON type is a list of its name
and its text.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property, partial
from typing import Any, Final

import orjson
from bson.binary import Binary
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from xxhash import xxh3_64_hexdigest, xxh3_64_intdigest, xxh3_128_intdigest

from mediatool_assets.core.model import AdditionVerb, FieldType
from mediatool_assets.core.schema import Column, Table
from mediatool_assets.core.shapes import AddedField, DocumentCollection, DocumentShape
from mediatool_assets.core.texts import decimal_text, deep_recursion

Canonical = Any
"""A value of this form; ``orjson`` can write it."""

CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS  # as in BSON: no calendar, no zone
)
LONG, DOUBLE, DECIMAL, DATE, BINARY, ABSENT = (
    f"\0{name}" for name in ("int64", "double", "decimal", "date", "binary", "absent")
)

INT32: Final = range(-(1 << 31), 1 << 31)


class Absent:
    """Stands for a field that a document does not have."""


MISSING = Absent()


def long(number: int) -> Canonical:
    """A 64-bit integer; marked as such only if it would fit into 32 bits."""
    return [LONG, number] if number in INT32 else number


def double(number: float) -> Canonical:
    """A double; infinity and NaN, which JSON lacks, are marked."""
    return number if number - number == 0 else [DOUBLE, repr(number)]


def decimal(number: Decimal) -> Canonical:
    """A Decimal128 with its scale."""
    return [DECIMAL, str(number)]


def date(milliseconds: int) -> Canonical:
    """A date in milliseconds since 1970."""
    return [DATE, milliseconds]


def binary(subtype: int, digits: str) -> Canonical:
    """Binary data in hex, and its subtype."""
    return [f"{BINARY}{subtype}", digits]


_FORMS: Final[dict[type, Callable[[Any], Canonical]]] = {
    DatetimeMS: lambda value: date(int(value)),
    Decimal128: lambda value: decimal(value.to_decimal()),
    Int64: lambda value: long(int(value)),
    Binary: lambda value: binary(value.subtype, value.hex()),
    bytes: lambda value: binary(0, value.hex()),
    Absent: lambda _: [ABSENT],
}


def of_bson(value: Any) -> Canonical:
    """A BSON value of a type that JSON lacks, as ``CODEC`` decodes it."""
    form = _FORMS.get(type(value))
    return form(value) if form is not None else [f"\0{type(value).__name__}", str(value)]


def dumps(value: Any) -> bytes:
    """The JSON bytes of a value, or of a list of values, of either side."""
    return orjson.dumps(value, of_bson, orjson.OPT_PASSTHROUGH_SUBCLASS)


def plain(value: Any) -> Canonical:
    """Convert a value of either side to this form, recursively."""
    return orjson.loads(dumps(value))


def key_text(value: Canonical) -> str | None:  # noqa: PLR0911  # one for each type
    """One text for all values that PostgreSQL treats as equal; numbers across their types."""
    match value:
        case None | str():
            return value
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return decimal_text(Decimal(repr(value)))
        case [str(kind), int(number)] if kind == LONG:
            return str(number)
        case [str(kind), str(text)] if kind in (DECIMAL, DOUBLE):
            return decimal_text(Decimal(text))
        case [str(kind), content] if kind.startswith("\0"):
            return str(content)
        case _:
            return dumps(value).decode()


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
    return long(int(value))


def _double(value: Any) -> Canonical:
    return double(float(value))


def _boolean(value: Any) -> Canonical:
    return _BOOLEANS[value]


def _uuid(value: str) -> Canonical:
    return binary(4, value.replace("-", ""))


def _bytes(value: str) -> Canonical:
    return binary(0, value.removeprefix("\\x"))


def _decimal(lost: Lost, value: Any) -> Canonical:
    text = value if type(value) is str else repr(value)
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text[:40]!r} is not a number") from error
    if not _fits(number):
        lost["digits"] += 1
        return text
    return decimal(number)


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
    return date((moment - _EPOCH) // _MILLISECOND)


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
        return double(-0.0)
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


_LOW = (1 << 64) - 1
_NEGATIVE_ZERO = re.compile(rb"[:,\[]-0[,\]}]")
DELETED = "is_deleted"
"""The column that flags rows as deleted (soft delete)."""
PADDED_KEY = "character"
"""The type whose trailing blanks are insignificant in a key."""
LITERAL_KEYS = ("date", "timestamp without time zone", "timestamp with time zone")
"""The types of keys that are compared to the microsecond, which BSON does not keep."""

Digest = tuple[int, int]
"""XXH3-128 of a row's key, by which it is found on the other side."""


@dataclass(frozen=True)  # no slots: cached_property needs a __dict__
class RowLayout:
    """The columns of a table that its documents contain, with the types that the model gives them.

    ``links`` are columns that a folded row takes from its owner, compared as the text of the key.
    With an empty ``key``, rows are identified by all columns.
    """

    table: Table
    columns: tuple[tuple[str, FieldType | None], ...]
    key: tuple[str, ...]
    links: tuple[str, ...] = ()
    folded: bool = False

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns, in the order of their values in a row."""
        return (*(name for name, _ in self.columns), *self.links)

    def finds(self, row: list[Any]) -> list[Any]:
        """The values that identify a row: its key's, or all of them."""
        return [row[at] for at in self._key] or row

    @cached_property
    def deleted(self) -> int | None:
        """The index of the soft-delete flag in a row; None if there is none."""
        return self.names.index(DELETED) if DELETED in self.names else None

    @cached_property
    def _key(self) -> list[int]:
        return [self.names.index(name) for name in self.key]


def digest(values: list[Any]) -> Digest:
    """XXH3-128 of values of either side."""
    number = xxh3_128_intdigest(dumps(values))
    return number >> 64, number & _LOW


def content(values: list[Any]) -> int:
    """XXH3-64 of values of either side."""
    return xxh3_64_intdigest(dumps(values))


def taken_text(values: list[Any]) -> str:
    """XXH3-64 of the values copied from one row, as text."""
    return xxh3_64_hexdigest(dumps(values))


def layouts(collections: Iterable[DocumentCollection]) -> dict[str, RowLayout]:
    """The layout of every table in documents; folded ones have only the columns of the model."""
    found: dict[str, RowLayout] = {}
    for collection in sorted(collections, key=lambda c: c.orphans_of is not None):
        for layout in _layouts(collection.shape):
            found.setdefault(layout.table.name, layout)
    return found


def _layouts(shape: DocumentShape) -> Iterator[RowLayout]:
    for added in shape.additions:
        if added.shape is not None:
            yield from _layouts(added.shape)
        elif added.verb is AdditionVerb.FOLD:
            yield _folded(added)
    columns = tuple((part.column.name, part.type) for part in shape.columns)
    yield RowLayout(shape.table, columns, shape.key)


def _folded(added: AddedField) -> RowLayout:
    columns = tuple((part.column.name, part.type) for part in added.take)
    taken = {name for name, _ in columns}
    links = tuple(name for name in added.path[0].keys if name not in taken)
    return RowLayout(added.path[-1].table, columns, (), links, folded=True)


class RowParser:
    """Reads lines of a raw archive as rows of a layout."""

    def __init__(self, layout: RowLayout) -> None:
        self._layout, table = layout, layout.table
        self.lost: dict[str, Lost] = {name: Counter() for name in layout.names}
        types = dict(layout.columns)
        columns = [(table.column(name), types.get(name)) for name in layout.names]
        self._deep = self._rules(columns, deep=True)
        self._shallow = self._rules(columns, deep=False)
        self._links = len(layout.columns)
        self._floats = [column.name for column in table.columns if column.is_float]

    def _rules(
        self, columns: Sequence[tuple[Column, FieldType | None]], *, deep: bool
    ) -> list[tuple[str, Rule | None]]:
        return [
            (column.name, rule(column, wanted, self.lost[column.name], deep=deep))
            for column, wanted in columns
        ]

    def parse(self, line: bytes) -> dict[str, Any]:
        """Parse a line of a raw archive, keeping the sign of -0.0; raises ValueError, KeyError."""
        raw = _parsed(line)
        zero = any(raw[name] == 0 or type(raw[name]) is list for name in self._floats)
        if zero and _NEGATIVE_ZERO.search(line):
            with deep_recursion():
                signed = json.loads(line, parse_int=_whole_row)
            raw |= {name: signed[name] for name in self._floats}
        return raw

    def read(self, line: bytes) -> tuple[Digest, list[Canonical], dict[str, Any]]:
        """The digest of a row's key, its values, and its columns as they are in the line."""
        raw = self.parse(line)
        row = self.values(raw, deep=line.count(b"{") + line.count(b"[") > DEPTH)
        return digest(self._layout.finds(row)), row, raw

    def values(self, raw: dict[str, Any], *, deep: bool) -> list[Canonical]:
        """The row's expected values; raises ValueError, KeyError, TypeError.

        ``deep`` False is faster, for a line with no more levels than a document can have.
        """
        row: list[Canonical] = []
        for name, rule in self._deep if deep else self._shallow:
            value = raw[name]
            row.append(value if value is None or rule is None else rule(value))
        if self._layout.links:
            row[self._links :] = [key_text(value) for value in row[self._links :]]
        return row


def _whole_row(text: str) -> int | float:
    return float(text) if text == "-0" else int(text)


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        with deep_recursion():
            found = json.loads(line)  # orjson parses up to 1024 levels
    if type(found) is not dict:
        raise ValueError("a row is not a JSON object")
    return found


def texts(column: Column) -> Callable[[Any], str | None]:
    """A function from a raw value of the column, or an array element, to its text as a key."""
    single = Column(column.name, column.type, column.element or column.base)
    made: Rule | None = None
    if single.base == PADDED_KEY:
        made = str.rstrip
    elif single.base not in LITERAL_KEYS:
        made = rule(single, None, Counter())

    def text(value: Any) -> str | None:
        return key_text(value if value is None or made is None else made(value))

    return text
