"""Converts a row of the raw archive into a line of COPY's text format."""

from collections.abc import Callable, Sequence

import msgspec

from mediatool_assets.domain.schema import Column, Table

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
        return _jsonb
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


def _jsonb(value: bytes) -> bytes:
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
