"""Writes rows as a live export does, from PostgreSQL's text of each value.

In a live export the server writes the rows (``row_to_json``). Rows from Parquet files are written
here, with the same bytes. docs/reference/archive-format.md describes the JSON of each type.
"""

import re
from collections.abc import Callable, Sequence

import msgspec

from mediatool_assets.domain.json_numbers import only_doubles
from mediatool_assets.domain.postgres_text import Elements, array_elements, double_text, real_text
from mediatool_assets.domain.schema import Column, Table

Value = bool | int | float | bytes | str
Writer = Callable[[Value], bytes]

PLAIN = frozenset(
    {
        "boolean", "smallint", "integer", "real", "double precision", "text", "character varying",
        "character", '"char"', "name", "uuid", "date", "timestamp without time zone",
        "timestamp with time zone", "time without time zone", "time with time zone", "interval",
        "bytea", "inet", "cidr", "macaddr", "macaddr8", "bit", "bit varying", "oid",
    }
)  # fmt: skip
"""Types that row_to_json writes as their own text or number, also as elements of an array."""

_EXACT = 1 << 53  # a double holds every integer up to this one
_MONEY = re.compile(r"(-?)\$?(-?)([0-9]{1,3}(?:,[0-9]{3})*|[0-9]+)(\.[0-9]+)?")
_MOMENT = re.compile(r"([0-9]+-[0-9]{2}-[0-9]{2})[ T]([0-9:]{8})(\.[0-9]+)?(.*?)( BC)?")
_UTC = ("+00", "+00:00", "+0000", "Z")
_PADDED = re.compile(r"character\(([0-9]+)\)")
_LONG_NUMBER = re.compile(rb"[0-9.]{16}")


def row_writer(table: Table) -> Callable[[Sequence[Value | None]], bytes]:
    """A function from a row's values, in the table's order, to its line without newline.

    A value is PostgreSQL's text, or a bool, int, float or bytes if its type has one; None is null.
    The function raises ValueError, with the column's name, for a text that is invalid for its type.
    """
    names = [msgspec.json.encode(column.name) + b":" for column in table.columns]
    columns = list(zip(table.columns, names, map(value_writer, table.columns), strict=True))

    def write(values: Sequence[Value | None]) -> bytes:
        fields: list[bytes] = []
        for (column, name, writer), value in zip(columns, values, strict=True):
            try:
                fields.append(name + (b"null" if value is None else writer(value)))
            except ValueError as error:
                raise ValueError(f"{column.name} ({column.type}): {error}") from error
        return b"{" + b",".join(fields) + b"}"

    return write


def value_writer(column: Column) -> Writer:
    """A function from a value of the column to its JSON."""
    if column.element is not None:
        return _array_writer(column.element, column.element_kind)
    if (padded := _PADDED.fullmatch(column.type)) is not None:
        width = int(padded[1])
        return lambda value: _text(str(value).ljust(width))
    return _WRITERS.get(column.base, _text)


def _text(value: Value) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return msgspec.json.encode(value)


def _boolean(value: Value) -> bytes:
    if value in (True, "t", "true"):
        return b"true"
    if value in (False, "f", "false"):
        return b"false"
    raise ValueError(f"{value!r} is not a boolean")


def _integer(value: Value) -> bytes:
    return b"%d" % int(value)


def _bigint(value: Value) -> bytes:
    number = int(value)
    return b"%d" % number if -_EXACT <= number <= _EXACT else b'"%d"' % number


def _float(text_of: Callable[[float], str]) -> Writer:
    def write(value: Value) -> bytes:
        text = value if isinstance(value, str) else text_of(float(value))
        float(text)
        return f'"{text}"'.encode() if text.lstrip("-")[0] in "NI" else text.encode()

    return write


def _money(value: Value) -> bytes:
    match = _MONEY.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{value!r} is not a money value in the format of the C or en_US locale")
    sign, second, whole, cents = match.groups(default="")
    return _text(sign + second + whole.replace(",", "") + cents)


def _bytes(value: Value) -> bytes:
    return b'"\\\\x%s"' % value.hex().encode() if isinstance(value, bytes) else _text(value)


def _moment(zone: str) -> Writer:
    def write(value: Value) -> bytes:
        text = str(value)
        if text.lstrip("-") == "infinity":
            return _text(text)
        match = _MOMENT.fullmatch(text)
        if match is None or (match[4] not in _UTC if zone else match[4]):
            raise ValueError(f"{text!r} is not a timestamp{' in UTC' if zone else ''}")
        fraction = (match[3] or "").rstrip("0").rstrip(".")
        return _text(f"{match[1]}T{match[2]}{fraction}{zone}{match[5] or ''}")

    return write


def _jsonb(value: Value) -> bytes:
    document = str(value).encode()
    if document.startswith(b'"') or document == b"null":
        return _text(value)
    if _LONG_NUMBER.search(document) and not only_doubles(document):
        return _text(value)
    return document


_WRITERS: dict[str, Writer] = {
    "boolean": _boolean,
    "smallint": _integer,
    "integer": _integer,
    "bigint": _bigint,
    "real": _float(real_text),
    "double precision": _float(double_text),
    "money": _money,
    "bytea": _bytes,
    "timestamp without time zone": _moment(""),
    "timestamp with time zone": _moment("+00:00"),
    "jsonb": _jsonb,
}


def _array_writer(element: str, kind: str | None) -> Writer:
    if element in ("bigint", "numeric"):
        writer: Writer = _text
    elif element == "money":
        writer = _money
    elif element in PLAIN or kind == "e":
        writer = _WRITERS.get(element, _text)
    else:
        return _text

    def nested(elements: Elements) -> bytes:
        return b"[" + b",".join(map(one, elements)) + b"]"

    def one(value: "Elements | str | None") -> bytes:
        if value is None:
            return b"null"
        return writer(value) if isinstance(value, str) else nested(value)

    def write(value: Value) -> bytes:
        text = str(value)
        return _text(text) if text.startswith("[") else nested(array_elements(text))

    return write
