"""DuckDB with a memory limit, and the quoting of names and texts in its SQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

MEMORY = "256MB"
"""DuckDB's memory limit in the coordinator; data beyond it is spilled into scratch."""

DUCKDB_ERRORS = (duckdb.Error, UnicodeDecodeError)
"""Errors of a rejected query. DuckDB may truncate a message within a UTF-8 character."""


@contextmanager
def duckdb_session(
    scratch: Path, memory: str = MEMORY, threads: int = 2
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a separate database that spills into ``scratch``, until the context ends."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "threads": threads,
        "temp_directory": str(scratch / "spill"),
        "preserve_insertion_order": False,
    }
    with interruptible(), duckdb.connect(config=config) as connection:
        connection.execute("SET enable_progress_bar = false")
        yield connection


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt if Ctrl-C ended a query: DuckDB raises RuntimeError then."""
    try:
        yield
    except RuntimeError as error:
        if str(error) != "Query interrupted":
            raise
        raise KeyboardInterrupt from error


def identifier(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def cased(name: str) -> str:
    """A unique name for names that differ only by case, which DuckDB does not distinguish."""
    return "".join(f"^{c}" if c == "^" or c.lower() != c else c for c in name)


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
