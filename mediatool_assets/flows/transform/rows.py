"""Lines of the raw archive as rows."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from mediatool_assets.domain.schema import Table

Row = dict[str, Any]
"""One row of the raw archive: JSON values by column."""

_DEEPEST = 60_000  # levels; PostgreSQL's default stack lets jsonb have less than 20,000


def parse(line: bytes, table: Table) -> Row:
    """The row of a line; raises ValueError unless it has exactly the table's columns."""
    try:
        row: Row = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            with deep_recursion():
                row = json.loads(line)  # orjson goes 1024 levels deep
        except RecursionError:
            raise ValueError("nested deeper than PostgreSQL lets a document be") from None
    if len(row) != len(table.columns):
        odd = row.keys() ^ {column.name for column in table.columns}
        raise ValueError(f"columns {', '.join(sorted(odd))} are in one of row and schema only")
    return row


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Let the JSON parser of the standard library go as deep as PostgreSQL does."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _DEEPEST))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
