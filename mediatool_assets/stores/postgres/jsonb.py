"""Writes jsonb documents as strings if a reader of doubles would misread their numbers.

A document is nested in its row unchanged, unless it is a string or null, or contains a number that
no double equals: then its text is written, as a JSON string. So a JSON string in the column is
always a document's text.
"""

import re
from collections.abc import Iterator, Sequence
from ctypes import c_ubyte, c_uint64

import msgspec

from mediatool_assets.domain.json_numbers import is_double, only_doubles
from mediatool_assets.native.library import library

# jsonb prints numbers without exponent, after ": ", ", " or "[", perhaps a minus. A number of up to
# 15 digits is always the decimal text of a double, so only longer ones are checked.
_CLASSES = bytes(
    ord("0") if chr(c) in "0123456789." else ord(" ") if chr(c) in " [:-" else ord("x")
    for c in range(256)
)
_LONG = re.compile(b" " + b"0" * 16 + b"0*")  # written out: a literal prefix is found fastest
_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NUMBERS = msgspec.json.Decoder(list[int | float])
_ALL_INTEGERS = 1 << 53  # a double holds every integer up to this one


class JsonbColumns:
    """The jsonb columns of a table, whose rows are searched batch by batch."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        # row_to_json writes no space after a column's colon; jsonb writes one after a key's
        self._marks = tuple(msgspec.json.encode(name) + b':"' for name in names)

    def rewrite(self, rows: list[bytes]) -> list[bytes]:
        """The rows, with such documents as strings; fast if there are none."""
        for index in self._suspects(rows):
            rows[index] = self._row(rows[index])
        return rows

    def with_nulls(self, row: bytes, positions: Sequence[int]) -> bytes:
        """The row with the text of the document ``null`` in these columns."""
        values = _ROW.decode(row)
        for position in positions:
            values[self._names[position]] = msgspec.Raw(b'"null"')
        return msgspec.json.encode(values)

    def _suspects(self, rows: list[bytes]) -> list[int]:
        """The rows that may contain such a document; other text can look like one."""
        chosen = _likely(rows, self._marks)
        return self._searched(rows) if chosen is None else chosen

    def _searched(self, rows: list[bytes]) -> list[int]:
        text = b"\n".join(rows)
        found = {*_odd_numbers(text), *(at for mark in self._marks for at in _all_of(mark, text))}
        index, before, suspects = 0, 0, dict[int, None]()
        for at in sorted(found):
            index, before = index + text.count(b"\n", before, at), at
            suspects[index] = None
        return list(suspects)

    def _row(self, row: bytes) -> bytes:
        values = _ROW.decode(row)
        texts = {
            name: msgspec.Raw(msgspec.json.encode(document.decode()))
            for name in self._names
            if (document := bytes(values[name])).startswith(b'"') or not only_doubles(document)
        }
        return msgspec.json.encode(values | texts) if texts else row


def _likely(rows: list[bytes], marks: Sequence[bytes]) -> list[int] | None:
    """The rows with a mark, or with a long number that is printed otherwise, by the codec.

    None where there is no codec.
    """
    codec = library()
    if codec is None:
        return None
    text, listed = b"\n".join([*rows, b""]), b"\n".join([*marks, b""])
    most = len(rows) + len(text) // 16  # each row may have a mark, and a number has 16 characters
    found, written = (c_uint64 * most)(), c_uint64()
    numbers = (c_ubyte * len(text))()
    count = codec.mt_suspects(text, len(text), listed, len(listed), found, most, numbers, written)
    if count < 0:
        return None
    suspects = {each >> 1 for each in found[:count] if each & 1}
    numbered = [each >> 1 for each in found[:count] if not each & 1]
    texts = bytes(memoryview(numbers)[: written.value]).split(b",")[:-1]
    for row, number, again in zip(numbered, texts, _printed(texts), strict=True):
        if number != again:
            suspects.add(row)
    return sorted(suspects)


def _all_of(mark: bytes, text: bytes) -> Iterator[int]:
    """The positions of the mark."""
    at = text.find(mark)
    while at >= 0:
        yield at
        at = text.find(mark, at + len(mark))


def _odd_numbers(text: bytes) -> Iterator[int]:
    """The positions of numbers that differ from the text of every double."""
    places = [(m.start() + 1, m.end()) for m in _LONG.finditer(text.translate(_CLASSES))]
    numbers = [text[start:end] for start, end in places]
    for (start, _), number, again in zip(places, numbers, _printed(numbers), strict=True):
        if number != again and not is_double(number):
            yield start


def _printed(numbers: list[bytes]) -> list[bytes]:
    """Each number as it is printed again; empty if that cannot be decided."""
    together = b"[" + b",".join(numbers) + b"]"
    try:
        values = _NUMBERS.decode(together)
    except msgspec.DecodeError:  # text that is not a number
        return [b""] * len(numbers)
    printed = msgspec.json.encode(values)[1:-1].split(b",") if values else []
    return [
        again if value <= _ALL_INTEGERS else b""
        for value, again in zip(values, printed, strict=True)
    ]
