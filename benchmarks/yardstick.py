"""What a comparison is measured against: both versions as CSV by COPY, joined by key in DuckDB.

It counts added, removed and changed rows, and changed values by column, of tables with a primary
key. It makes no archive, verifies nothing, and needs both states of the source.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import psycopg
from psycopg import sql

_TABLES = """
    SELECT c.relname::text, array_agg(a.attname::text ORDER BY a.attnum),
           array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attnum = ANY (i.indkey))
    FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    GROUP BY c.relname
"""

Tables = dict[str, tuple[list[str], list[str]]]


def tables_of(url: str, schema: str) -> Tables:
    """Columns and key of each table that has a key."""
    with psycopg.connect(url) as connection:
        found = connection.execute(_TABLES, (schema,)).fetchall()
    return {name: (columns, key) for name, columns, key in found}


def copied(url: str, schema: str, tables: Iterable[str], folder: Path, workers: int) -> int:
    """Each table as a CSV file; returns bytes."""
    folder.mkdir()

    def copy(table: str) -> int:
        query = sql.SQL("COPY (SELECT * FROM {}) TO STDOUT (FORMAT csv)").format(
            sql.Identifier(schema, table)
        )
        path = folder / f"{table}.csv"
        with (
            psycopg.connect(url) as connection,
            path.open("wb") as file,
            connection.cursor().copy(query) as rows,
        ):
            for data in rows:
                file.write(data)
        return path.stat().st_size

    with ThreadPoolExecutor(workers) as executor:
        return sum(executor.map(copy, tables))


def joined(tables: Tables, one: Path, two: Path, workers: int) -> int:
    """Rows that differ in any way: a full join of each table by its key."""
    with duckdb.connect(config={"threads": workers, "temp_directory": str(one)}) as database:
        database.execute("SET enable_progress_bar = false")
        return sum(
            _differing(database, columns, key, one / f"{name}.csv", two / f"{name}.csv")
            for name, (columns, key) in tables.items()
        )


def _differing(
    database: duckdb.DuckDBPyConnection, columns: list[str], key: list[str], one: Path, two: Path
) -> int:
    changes = ", ".join(
        f"count(*) FILTER (a.{c} IS DISTINCT FROM b.{c} AND a.{key[0]} = b.{key[0]})"
        for c in columns
    )
    changed = " OR ".join(f"a.{c} IS DISTINCT FROM b.{c}" for c in columns)
    equal = " AND ".join(f"a.{c} = b.{c}" for c in key)
    sides = f"{_csv(one, columns)} a FULL JOIN {_csv(two, columns)} b ON {equal}"
    query = f"SELECT count(*) FILTER ({changed}), {changes} FROM {sides}"  # noqa: S608 # seed's names
    found = database.execute(query).fetchone()
    assert found is not None
    return int(found[0])


def _csv(path: Path, columns: list[str]) -> str:
    if not path.stat().st_size:
        nothing = ", ".join(f"NULL::VARCHAR AS {c}" for c in columns)
        return f"(SELECT {nothing} WHERE false)"  # the seed's own names
    types = ", ".join(f"'{c}': 'VARCHAR'" for c in columns)
    return (
        f"read_csv('{path}', columns = {{{types}}}, header = false, delim = ',', quote = '\"', "
        "escape = '\"', nullstr = '', allow_quoted_nulls = false, auto_detect = false)"
    )
