"""Rows as text: as JSON, as lines of COPY and as INSERT statements, with PostgreSQL's own texts.

Writes rows as a live export does, from PostgreSQL's text of each value.

In a live export the server writes the rows (``row_to_json``). Rows from Parquet files are written
here, with the same bytes. docs/reference/archive-format.md describes the JSON of each type.

PostgreSQL's text of floats and arrays, written and read as its output functions do.

Finds numbers in a JSON text that a reader of doubles would change.

Converts a row of the raw archive into a line of COPY's text format.

Converts a row of the raw archive into an INSERT statement for any PostgreSQL client.
"""

import math
import re
import struct
from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction

import msgspec

from mediatool_assets.core.schema import Column, Table

Elements = Sequence["Elements | str | None"]

_TOKEN = re.compile(r'[{},]|"(?:[^"\\]|\\.)*"|[^{},"]+', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def double_text(value: float) -> str:
    """PostgreSQL's text of a double precision: the shortest text that is read back unchanged."""
    if not math.isfinite(value) or value == 0:
        return _special(value)
    neighbours = [math.nextafter(abs(value), to) for to in (0.0, math.inf)]
    least = len(repr(value).lstrip("-").split("e")[0].replace(".", "").strip("0"))
    return _decimal(value, _shortest(abs(value), neighbours, least), 15)


def real_text(value: float) -> str:
    """The same for a real, given as the double with the same value."""
    if not math.isfinite(value) or value == 0:
        return _special(value)
    (bits,) = struct.unpack("I", struct.pack("f", abs(value)))
    neighbours = [struct.unpack("f", struct.pack("I", bits + step))[0] for step in (-1, 1)]
    return _decimal(value, _shortest(abs(value), neighbours, 1), 6)


def _special(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    return "Infinity" if value > 0 else "-Infinity"


def _shortest(value: float, neighbours: Sequence[float], least: int) -> Decimal:
    """The decimal with the fewest digits that is closer to ``value`` than to the floats beside it.

    Of two equally close ones, the one that ends in an even digit, as in PostgreSQL's Ryu.
    """
    middle = Fraction(value)
    below = (middle + Fraction(neighbours[0])) / 2
    above = (
        (middle + Fraction(neighbours[1])) / 2 if neighbours[1] < math.inf else 2 * middle - below
    )
    exact = Decimal(value)
    for digits in range(least, 18):
        unit = Decimal((0, (1,), exact.adjusted() - digits + 1))
        near = [exact.quantize(unit, rounding) for rounding in (ROUND_FLOOR, ROUND_CEILING)]
        found = [d for d in near if below < Fraction(d) < above]
        if found:
            return min(
                found, key=lambda d: (abs(Fraction(d) - middle), d.as_tuple().digits[-1] % 2)
            )
    return exact


def _decimal(value: float, shortest: Decimal, digits: int) -> str:
    """``150``, ``0.015`` or ``1.5e+20``: an exponent unless it is from -4 to below ``digits``."""
    sign = "-" if value < 0 else ""
    figures = "".join(map(str, shortest.as_tuple().digits)).rstrip("0")
    exponent = shortest.adjusted()
    if not -4 <= exponent < digits:
        fraction = f".{figures[1:]}" if len(figures) > 1 else ""
        return f"{sign}{figures[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{figures}"
    whole = figures[: exponent + 1].ljust(exponent + 1, "0")
    fraction = figures[exponent + 1 :]
    return f"{sign}{whole}.{fraction}" if fraction else sign + whole


def array_elements(text: str) -> Elements:
    """The elements of an array's text, nested by dimension; raises ValueError on other text.

    Lower bounds in front (``[0:1]={a,b}``) are ignored.
    """
    stack: list[list[Elements | str | None]] = [[]]
    for match in _TOKEN.finditer(text):
        word = match[0]
        if word == "{":
            stack.append([])
        elif word == "}" and len(stack) > 1:
            done = stack.pop()
            stack[-1].append(done)
        elif word.startswith('"'):
            stack[-1].append(_ESCAPE.sub(r"\1", word[1:-1]))
        elif word != ",":
            stack[-1].append(None if word == "NULL" else _ESCAPE.sub(r"\1", word))
    if len(stack) != 1 or len(stack[0]) != 1 or not isinstance(stack[0][0], list):
        raise ValueError(f"{text[:80]!r} is not an array")
    return stack[0][0]


_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[0-9]+(?:\.[0-9]+)?')

DOUBLE_DIGITS = 15
"""Digits that every double holds exactly."""


def only_doubles(document: bytes) -> bool:
    """Whether a double holds every number of a jsonb text exactly; jsonb writes no exponents."""
    tokens = (match[0] for match in _TOKENS.finditer(document))
    return all(
        is_double(token)
        for token in tokens
        if len(token) > DOUBLE_DIGITS and not token.startswith(b'"')
    )


def is_double(number: bytes) -> bool:
    """Whether the decimal text of the nearest double equals this unsigned decimal number."""
    text = number.decode()
    if text.count(".") > 1 or text.startswith(".") or text.endswith("."):
        return False  # text that looks like a number; the full check decides
    return Decimal(repr(float(text))) == Decimal(text)


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


_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_NULL = b"\\N"

# COPY's text format escapes these characters, the backslash first; no others. Four searches for one
# byte are faster than one search for any of four.
_ESCAPES = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\r", b"\\r"), (b"\t", b"\\t"))


def copied_columns(table: Table) -> tuple[Column, ...]:
    """The columns that a COPY names: all except those that PostgreSQL computes itself."""
    return tuple(column for column in table.columns if not column.generated)


def line_writer(table: Table) -> Callable[[bytes], bytes]:
    """A function from one NDJSON row of the table to its line of COPY text, without newline.

    It raises msgspec.DecodeError if the row is not JSON, KeyError if it lacks a column.
    """
    columns = copied_columns(table)
    writers = [(column.name, _writer(column)) for column in columns]
    bare = [(column.name, _array if column.element else _bare) for column in columns]

    def line(row: bytes) -> bytes:
        values = _ROW.decode(row)
        chosen = bare if row.isascii() and b"\\" not in row else writers
        return b"\t".join([write(bytes(values[name])) for name, write in chosen])

    return line


def _writer(column: Column) -> Callable[[bytes], bytes]:
    if column.element is not None:
        return _array
    if column.base == "jsonb":
        return _jsonb_text
    return _scalar


def _bare(value: bytes) -> bytes:
    """A value of an ASCII row without any backslash: it has no character that COPY escapes."""
    if value.startswith(b'"'):
        return value[1:-1]
    return _NULL if value == b"null" else value


def _scalar(value: bytes) -> bytes:
    """A number or boolean is its own text; a string contains it."""
    if value == b"null":
        return _NULL
    return _escape(_TEXT.decode(value).encode()) if value.startswith(b'"') else value


def _jsonb_text(value: bytes) -> bytes:
    """A string contains the document's text; any other value is the document."""
    if value == b"null":
        return _NULL
    return _escape(_TEXT.decode(value).encode() if value.startswith(b'"') else value)


def _array(value: bytes) -> bytes:
    """A string contains the array's text; a JSON array contains its elements."""
    if value.startswith(b"["):
        return _escape(_literal(value).encode())
    return _scalar(value)


def _literal(value: bytes) -> str:
    """A JSON array as PostgreSQL's array text, with any number of dimensions."""
    elements: Sequence[msgspec.Raw] = msgspec.json.decode(value, type=list[msgspec.Raw])
    return "{" + ",".join([_element(bytes(element)) for element in elements]) + "}"


def _element(value: bytes) -> str:
    if value.startswith(b"["):
        return _literal(value)
    if value.startswith(b'"'):
        text = _TEXT.decode(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{text}"'
    return "NULL" if value == b"null" else value.decode()


def _escape(text: bytes) -> bytes:
    for character, escape in _ESCAPES:
        text = text.replace(character, escape)
    return text


SESSION = (
    ("client_encoding", "UTF8"),
    ("standard_conforming_strings", "on"),
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("xmloption", "content"),
)
"""The settings under which PostgreSQL reads the values as they were written."""


def insert_writer(table: Table, schema: str) -> Callable[[bytes], str]:
    """A function from one NDJSON row of the table to its INSERT, without the final semicolon.

    ``schema`` is used for tables without a namespace. Columns that PostgreSQL computes are left
    out. It raises the errors of ``copy_text.line_writer``.
    """
    line = line_writer(table)
    columns = copied_columns(table)
    into = f"INSERT INTO {_name(table.namespace or schema)}.{_name(table.relation)}"
    if not columns:
        return lambda _: f"{into} DEFAULT VALUES"
    names = ", ".join(_name(column.name) for column in columns)
    overriding = " OVERRIDING SYSTEM VALUE" if any(c.identity for c in columns) else ""

    def insert(row: bytes) -> str:
        values = ", ".join(map(_sql_literal, line(row).decode().split("\t")))
        return f"{into} ({names}){overriding} VALUES ({values})"

    return insert


def _sql_literal(field: str) -> str:
    """A field of COPY's text format: its escapes are those of an ``E''`` string."""
    if field == "\\N":
        return "NULL"
    quoted = field.replace("'", "''")
    return f"E'{quoted}'" if "\\" in quoted else f"'{quoted}'"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
