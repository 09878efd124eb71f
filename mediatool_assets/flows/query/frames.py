"""Whole tables in memory: as Arrow tables, pandas and polars frames, and DuckDB relations."""

from typing import TYPE_CHECKING
from uuid import uuid4

import duckdb
import pandas as pd
import pyarrow as pa

from mediatool_assets.domain.errors import Misuse
from mediatool_assets.flows.query.reading import StoredRows
from mediatool_assets.flows.workers.duckdb_session import identifier

if TYPE_CHECKING:
    import polars


def arrow_table(rows: StoredRows) -> pa.Table:
    """All rows; each field has its PostgreSQL type in its metadata, as ``postgres``."""
    read: list[pa.Table] = []
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows.read(connection, lambda found: read.append(found.to_arrow_table()), finite=True)
    fields = [
        pa.field(field.name, field.type, column.nullable, {"postgres": column.type})
        for field, column in zip(read[0].schema, rows.table.columns, strict=True)
    ]
    return read[0].cast(pa.schema(fields))


def temporary_table(
    rows: StoredRows, connection: duckdb.DuckDBPyConnection | None
) -> duckdb.DuckDBPyRelation:
    """Store all rows in a temporary table of the connection, or of a new one."""
    connection = connection or _connection()
    name = _name(rows.table.name)
    try:
        rows.read(connection, lambda found: _store(connection, name, found))
    except BaseException:
        connection.execute(f"DROP TABLE IF EXISTS {identifier(name)}")
        raise
    return connection.table(identifier(name))


def table_of_arrow(
    table: pa.Table, connection: duckdb.DuckDBPyConnection | None
) -> duckdb.DuckDBPyRelation:
    """Store an Arrow table in a temporary table of the connection, or of a new one."""
    connection = connection or _connection()
    name = _name("documents")
    _store(connection, name, connection.from_arrow(table))
    return connection.table(identifier(name))


def pandas_frame(table: pa.Table) -> pd.DataFrame:
    """The table as a pandas DataFrame with Arrow-backed columns."""
    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def polars_frame(table: pa.Table) -> "polars.DataFrame":
    """The table as a polars DataFrame; raises Misuse if polars is not installed."""
    try:
        import polars  # noqa: PLC0415  # an optional extra
    except ModuleNotFoundError as error:
        raise Misuse(
            "polars is not installed; `pip install 'mediatool_assets[polars]'`, or ask for another "
            "type"
        ) from error
    frame = polars.from_arrow(table)
    assert isinstance(frame, polars.DataFrame)  # noqa: S101  # a table has columns
    return frame


def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _name(table: str) -> str:
    return f"{table}_{uuid4().hex[:8]}"


def _store(connection: duckdb.DuckDBPyConnection, name: str, rows: duckdb.DuckDBPyRelation) -> None:
    view = f"{name}_rows"
    rows.create_view(view)
    connection.execute(f"CREATE TEMP TABLE {identifier(name)} AS FROM {identifier(view)}")
    connection.execute(f"DROP VIEW {identifier(view)}")
