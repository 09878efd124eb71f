"""Rows of an archive, put back into PostgreSQL, for tests that compare both sides."""

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql

from mediatool_assets.core.rows import copied_columns, line_writer
from mediatool_assets.core.schema import Table


def restore_rows(
    connection: psycopg.Connection[Any],
    table: Table,
    relation: tuple[str, str],
    rows: Iterable[bytes],
) -> None:
    """COPY rows of ``table`` into a table of the same columns."""
    columns = sql.SQL(", ").join(sql.Identifier(c.name) for c in copied_columns(table))
    query = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(*relation), columns)
    line = line_writer(table)
    with connection.cursor().copy(query) as copy:
        for row in rows:
            copy.write(line(row) + b"\n")
