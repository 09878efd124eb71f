"""One DuckDB for all transforms of a process: to start one takes longer than the rest of a day."""

from functools import cache
from typing import Any, Self

import duckdb

_connect = duckdb.connect  # the simulation replaces it


@cache
def _instance() -> duckdb.DuckDBPyConnection:
    connection = _connect(config={"threads": 1})
    connection.execute("SET enable_progress_bar = false")
    return connection


class Session:
    """What ``duckdb.connect`` returns: a cursor, whose views are its own."""

    def __init__(self) -> None:
        self._cursor = _instance().cursor()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cursor.close()

    def cursor(self) -> "Session":
        """Another session of the same instance."""
        return Session()

    def execute(self, statement: str, parameters: object = None) -> Any:
        """Run it; settings are those of the instance."""
        if statement.startswith("SET "):
            return None
        own = statement.replace("CREATE VIEW", "CREATE TEMP VIEW", 1)
        return self._cursor.execute(own, parameters)
