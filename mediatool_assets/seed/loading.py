"""The schema's DDL and the COPY that fills it."""

from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from psycopg import Connection, Cursor
from psycopg.sql import SQL, Identifier

from mediatool_assets.seed import tables
from mediatool_assets.seed.lookups import Row
from mediatool_assets.seed.sizes import World

Conn = Connection[tuple[Any, ...]]
_DIVIDER = "\n-- After the data"

_COLUMNS = """
    SELECT array_agg(attname::text ORDER BY attgenerated, attnum)
    FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""


def create(connection: Conn, schema: str, world: World) -> None:
    """Make the schema, fill it and finish its keys, in the transaction that the caller holds."""
    before, after = _ddl(connection, schema)
    with connection.cursor() as cursor:
        cursor.execute(before)
        for table in world.counts:
            copy_rows(cursor, table, tables.rows(world, table))
        cursor.execute(after)
        set_sequences(cursor)


def copy_rows(cursor: Cursor[tuple[Any, ...]], table: str, rows: Iterable[Row]) -> int:
    """Stream rows into a table of the current schema; returns their number."""
    columns = _columns(cursor, table)
    statement = SQL("COPY {} ({}) FROM STDIN").format(
        Identifier(table), SQL(", ").join(map(Identifier, columns))
    )
    count = 0
    with cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
            count += 1
    return count


def set_sequences(cursor: Cursor[tuple[Any, ...]]) -> None:
    """Set the identity columns' sequences to the highest id that was loaded."""
    for table in ("teams", "reps", "rate_card", "changesets", "media_platform_entities"):
        cursor.execute(
            SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), max(id)) FROM {}").format(
                table, Identifier(table)
            )
        )
    cursor.execute("SELECT setval('campaign_number_seq', 46 + count(*)) FROM campaigns")


def _columns(cursor: Cursor[tuple[Any, ...]], table: str) -> list[str]:
    """Name the columns in the order of the rows that the seed makes.

    A history table's own columns come last; what its base table generates stands before them.
    """
    found = cursor.execute(_COLUMNS, (table,)).fetchone()
    columns: list[str] = found[0] if found else []
    if table == "line_items_history":
        columns.remove("flight_days")
        columns.insert(columns.index("version"), "flight_days")
    return columns


def _ddl(connection: Conn, schema: str) -> tuple[SQL, SQL]:
    text = files("mediatool_assets.seed").joinpath("schema.sql").read_text(encoding="utf-8")
    name = Identifier(schema).as_string(connection)
    before, _, after = (
        text.replace("media_tool;", f"{name};")
        .replace("SCHEMA media_tool IS", f"SCHEMA {name} IS")
        .partition(_DIVIDER)
    )
    # The text is the package's own file and one quoted identifier.
    return SQL(before), SQL("--" + after)
