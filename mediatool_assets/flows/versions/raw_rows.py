"""Lines of the raw archive as rows."""

import json
from collections.abc import Callable
from functools import cached_property
from typing import Any

import orjson

from mediatool_assets.archive.reader import split_lines
from mediatool_assets.domain.schema import Table
from mediatool_assets.flows.formats.deep_json import deep_recursion

Row = dict[str, Any]
"""One row of the raw archive: JSON values by column."""


class Lines:
    """The rows of a block; it is split at the first access."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @cached_property
    def all(self) -> list[bytes]:
        """Every row."""
        return split_lines(self._content)


def row_parser(table: Table) -> Callable[[bytes], Row]:
    """A function from a line to its row; it raises ValueError unless it has the table's columns.

    PostgreSQL writes the negative zero of a float as ``-0``, which is an integer to JSON's parsers.
    """
    floats = [column.name for column in table.columns if column.is_float]
    arrays = any(column.is_float and column.element for column in table.columns)

    def parse(line: bytes) -> Row:
        try:
            row: Row = orjson.loads(line)
        except orjson.JSONDecodeError:
            row = _slowly(line)  # orjson goes 1024 levels deep
        if len(row) != len(table.columns):
            odd = row.keys() ^ {column.name for column in table.columns}
            raise ValueError(
                f"columns {', '.join(sorted(odd))} are only in the row or only in the schema"
            )
        zero = floats and (arrays or 0 in map(row.get, floats))
        if zero and may_have_negative_zero(line):
            exact = _slowly(line)
            row.update((name, exact[name]) for name in floats if name in exact)
        return row

    return parse


def may_have_negative_zero(line: bytes) -> bool:
    """Whether ``-0`` is at the end of a value in the line, or within a text."""
    return b"-0," in line or b"-0}" in line or b"-0]" in line


def _slowly(line: bytes) -> Row:
    """The row by the standard library's parser, which keeps the sign of zeros."""
    try:
        with deep_recursion():
            row: Row = json.loads(line, parse_int=_signed)
    except RecursionError:
        raise ValueError("nested deeper than PostgreSQL lets a document be") from None
    return row


def _signed(digits: str) -> int | float:
    return -0.0 if digits == "-0" else int(digits)
