"""The few jsonb documents that a reader of doubles would misread, written as strings instead.

A document is written as it is, nested in its row, unless it is a string or null by itself, or holds
a number that no double equals: then its text is written, as a JSON string. So a JSON string in the
column is always a document's text.
"""

import re
from collections.abc import Sequence

import msgspec

from mediatool_assets.domain.json_numbers import is_double, only_doubles

# jsonb prints numbers without exponent, after ": ", ", " or "[", perhaps a minus. Up to 15 digits
# every number is a double's own decimal text, so that only longer runs need a look.
_CLASSES = bytes(
    ord("0") if chr(c) in "0123456789." else ord(" ") if chr(c) in " [:-" else ord("x")
    for c in range(256)
)
_LONG = re.compile(b" " + b"0" * 16 + b"0*")  # spelt out: a literal prefix is searched fastest
_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NUMBERS = msgspec.json.Decoder(list[int | float])
_ALL_INTEGERS = 1 << 53  # a double holds every integer up to this one


class JsonbColumns:
    """The jsonb columns of a table, whose rows are looked through batch by batch."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        # row_to_json puts no space behind a column's colon, and jsonb puts one behind a key's
        self._marks = tuple(msgspec.json.encode(name) + b':"' for name in names)

    def rewrite(self, rows: list[bytes]) -> list[bytes]:
        """The same rows, with those documents as strings; cheap where there is none."""
        if self._suspect(b"\n".join(rows)):
            return [self._row(row) if self._suspect(row) else row for row in rows]
        return rows

    def with_nulls(self, row: bytes, positions: Sequence[int]) -> bytes:
        """The row with the text of the document ``null`` in these of the columns."""
        values = _ROW.decode(row)
        for position in positions:
            values[self._names[position]] = msgspec.Raw(b'"null"')
        return msgspec.json.encode(values)

    def _suspect(self, text: bytes) -> bool:
        """Whether a row, or one of many, may hold such a document; other text can look like one."""
        if any(mark in text for mark in self._marks):
            return True
        numbers = [text[m.start() + 1 : m.end()] for m in _LONG.finditer(text.translate(_CLASSES))]
        return bool(numbers) and not (_print_alike(numbers) or all(map(is_double, numbers)))

    def _row(self, row: bytes) -> bytes:
        values = _ROW.decode(row)
        texts = {
            name: msgspec.Raw(msgspec.json.encode(document.decode()))
            for name in self._names
            if (document := bytes(values[name])).startswith(b'"') or not only_doubles(document)
        }
        return msgspec.json.encode(values | texts) if texts else row


def _print_alike(numbers: list[bytes]) -> bool:
    """Whether all are printed again as they were; false also where the form alone differs."""
    together = b"[" + b",".join(numbers) + b"]"
    try:
        values = _NUMBERS.decode(together)
    except msgspec.DecodeError:  # text that is no number after all
        return False
    return max(values) <= _ALL_INTEGERS and msgspec.json.encode(values) == together
