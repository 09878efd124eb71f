"""The few jsonb documents that a reader of doubles would misread, written as strings instead.

A document is written as it is, nested in its row, unless it is a string or null by itself, or holds
a number that no double equals: then its text is written, as a JSON string. So a JSON string in the
column is always a document's text.
"""

import re
from collections.abc import Sequence
from decimal import Decimal

import msgspec

# jsonb prints numbers without exponent, after ": ", ", " or "[", perhaps a minus. Up to 15 digits
# every number is a double's own decimal text, so that only longer runs need a look.
_CLASSES = bytes(
    ord("0") if chr(c) in "0123456789." else ord(" ") if chr(c) in " [:-" else ord("x")
    for c in range(256)
)
_LONG_CLASSES = b" " + b"0" * 16
_LONG = re.compile(rb"(?<=[ \[:-])[0-9][0-9.]{15,}")
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[0-9]+(?:\.[0-9]+)?')
_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])


class JsonbColumns:
    """The jsonb columns of a table, whose rows are looked through batch by batch."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        # row_to_json puts no space behind a column's colon, and jsonb puts one behind a key's
        self._marks = tuple(msgspec.json.encode(name) + b':"' for name in names)

    def rewrite(self, rows: list[bytes]) -> list[bytes]:
        """The same rows, with those documents as strings; cheap where there is none."""
        together = b"\n".join(rows)
        if _LONG_CLASSES in together.translate(_CLASSES) or self._marked(together):
            return [self._row(row) if self._suspect(row) else row for row in rows]
        return rows

    def with_nulls(self, row: bytes, positions: Sequence[int]) -> bytes:
        """The row with the text of the document ``null`` in these of the columns."""
        values = _ROW.decode(row)
        for position in positions:
            values[self._names[position]] = msgspec.Raw(b'"null"')
        return msgspec.json.encode(values)

    def _marked(self, text: bytes) -> bool:
        return any(mark in text for mark in self._marks)

    def _suspect(self, row: bytes) -> bool:
        return self._marked(row) or not all(map(is_double, _LONG.findall(row)))

    def _row(self, row: bytes) -> bytes:
        values = _ROW.decode(row)
        for name in self._names:
            document = bytes(values[name])
            if document.startswith(b'"') or not _only_doubles(document):
                values[name] = msgspec.Raw(msgspec.json.encode(document.decode()))
        return msgspec.json.encode(values)


def _only_doubles(document: bytes) -> bool:
    tokens = (match[0] for match in _TOKENS.finditer(document))
    return all(is_double(token) for token in tokens if not token.startswith(b'"'))


def is_double(number: bytes) -> bool:
    """Whether a double's own decimal text equals this unsigned decimal number."""
    text = number.decode()
    if text.count(".") > 1:  # no number, but text that looks like one; the closer look will tell
        return False
    return Decimal(repr(float(text))) == Decimal(text)
