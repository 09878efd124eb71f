"""DuckDB within a fixed amount of memory, and the quoting of names and texts in its SQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

MEMORY = "256MB"
"""Of DuckDB in the coordinator; what does not fit is spilled into scratch."""

DUCKDB_ERRORS = (duckdb.Error, UnicodeDecodeError)
"""What a refused query raises: DuckDB may cut its message about a value within a character."""


@contextmanager
def duckdb_session(
    scratch: Path, memory: str = MEMORY, threads: int = 2
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database of its own that spills into ``scratch``, until the context is left."""
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
    """Raise KeyboardInterrupt where Ctrl-C has ended a query: DuckDB makes a RuntimeError of it."""
    try:
        yield
    except RuntimeError as error:
        if str(error) != "Query interrupted":
            raise
        raise KeyboardInterrupt from error


def identifier(name: str) -> str:
    """A name as SQL has it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def cased(name: str) -> str:
    """A name that differs from others by more than case, which DuckDB's names do not keep."""
    return "".join(f"^{c}" if c == "^" or c.lower() != c else c for c in name)


def literal(text: str) -> str:
    """A text as SQL has it, whatever is in it."""
    return "'" + text.replace("'", "''") + "'"
