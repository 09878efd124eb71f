"""An RDS snapshot export of a schema, as AWS lays it out: for the demo and for tests.

Only AWS makes real ones. This one has the same files with the same types: whole numbers, floats,
booleans and bytes as Parquet types, everything else as PostgreSQL's text, no ``oid`` columns.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pyarrow as pa
from psycopg.sql import SQL, Composable, Identifier
from pyarrow import parquet

from mediatool_assets.domain.rds_export import (
    ExportInfo,
    Partitioning,
    SchemaMetadata,
    TablesInfo,
    TableStatistics,
    TableStatus,
    TypeMapping,
    export_prefix,
)
from mediatool_assets.domain.urls import Url
from mediatool_assets.domain.version import Version

_NATIVE: Mapping[str, pa.DataType] = {
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "bytea": pa.binary(),
}
INSTANCE = "media-tool-production"
"""Of which the exported snapshots say that they are."""

_SESSION = """
    SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres';
    SET extra_float_digits = 3; SET bytea_output = 'hex'; SET lc_monetary = 'C'
"""
_TABLES = """
    SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind = 'r'
      AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY c.relname COLLATE "C", a.attnum
"""
_BATCH_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns of a table by their types, those left out that AWS does not export."""

    types: Mapping[str, str]

    @property
    def arrow(self) -> pa.Schema:
        return pa.schema([(name, _arrow(kind)) for name, kind in self.types.items()])

    @property
    def selected(self) -> Composable:
        return SQL(", ").join(selected(name, kind) for name, kind in self.types.items())

    @property
    def mappings(self) -> tuple[TypeMapping, ...]:
        return tuple(
            TypeMapping(name, kind, str(_arrow(kind))) for name, kind in self.types.items()
        )


def selected(name: str, kind: str) -> Composable:
    """What to select of a column of that type: its value where Parquet has the type, else text."""
    if kind in _NATIVE:
        return Identifier(name)
    # concat prints any type as its output function does; a cast takes the padding of characters
    return SQL("CASE WHEN num_nulls({0}) = 0 THEN concat({0}) END").format(Identifier(name))


def export_as_rds(  # noqa: PLR0913  # sizes are the tests' to set
    url: Url,
    put: Callable[[str, bytes], object],
    version: Version,
    *,
    schema: str = "media_tool",
    part_rows: int = 20_000,
    group_rows: int = 10_000,
) -> str:
    """Export a schema's rows of now as AWS would have at ``version``; returns the prefix.

    A table has one batch of as many parts as it has ``part_rows``, each of groups of
    ``group_rows``. ``put`` writes one file, by its key. Memory: one part.
    """
    prefix = export_prefix(version)
    name = prefix.rstrip("/").rpartition("/")[2]
    with psycopg.connect(url.reveal(), client_encoding="utf8") as connection:
        connection.execute(_SESSION)
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        database = connection.info.dbname
        statuses: list[TableStatus] = []
        for table, columns in _tables(connection, schema):
            folder = f"{prefix}{database}/{schema}.{table}/1/"
            parts = 0
            for part in _parts(connection, schema, table, columns, part_rows):
                unique = UUID(int=int(version.moment.timestamp()) << 32 | parts)
                put(f"{folder}part-{parts:05}-{unique}-c000.gz.parquet", _parquet(part, group_rows))
                parts += 1
            put(f"{folder}_SUCCESS", b"")
            statuses.append(_status(f"{database}.{schema}.{table}", columns, max(parts, 1)))
    tables = f"{prefix}export_tables_info_{name}_from_1_to_{len(statuses)}.json"
    put(tables, msgspec.json.encode(TablesInfo(tuple(statuses))))
    info = ExportInfo(
        name,
        "COMPLETE",
        version.moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        source_arn=(
            "arn:aws:rds:us-east-1:000000000000:snapshot:"
            f"rds:{INSTANCE}-{version.moment:%Y-%m-%d-%H-%M}"
        ),
        percent_progress=100,
        export_only=(f"{database}.{schema}",),
    )
    put(f"{prefix}export_info_{name}.json", msgspec.json.encode(info))
    return prefix


def _tables(connection: psycopg.Connection[Any], schema: str) -> list[tuple[str, _Columns]]:
    found: dict[str, dict[str, str]] = {}
    rows = connection.execute(_TABLES, (Identifier(schema).as_string(),)).fetchall()
    for table, column, kind in rows:
        columns = found.setdefault(table, {})
        if kind != "oid":
            columns[column] = kind
    return [(table, _Columns(columns)) for table, columns in found.items()]


def _parts(
    connection: psycopg.Connection[Any], schema: str, table: str, columns: _Columns, rows: int
) -> Iterator[pa.Table]:
    query = SQL("SELECT {} FROM ONLY {}").format(columns.selected, Identifier(schema, table))
    batches: list[pa.RecordBatch] = []
    with connection.cursor(name="rds_export", binary=True) as cursor:
        cursor.execute(query)
        while found := cursor.fetchmany(min(rows, _BATCH_ROWS)):
            values = [
                pa.array(column, field.type)
                for column, field in zip(zip(*found, strict=True), columns.arrow, strict=True)
            ]
            batches.append(pa.record_batch(values, schema=columns.arrow))
            if sum(batch.num_rows for batch in batches) >= rows:
                yield pa.Table.from_batches(batches)
                batches = []
    if batches:
        yield pa.Table.from_batches(batches)


def _parquet(part: pa.Table, group_rows: int) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(part, buffer, row_group_size=group_rows, compression="gzip")
    return buffer.getvalue()


def _arrow(kind: str) -> pa.DataType:
    return _NATIVE.get(kind, pa.string())


def _status(target: str, columns: _Columns, parts: int) -> TableStatus:
    return TableStatus(
        target,
        "COMPLETE",
        schema_metadata=SchemaMetadata(columns.mappings),
        table_statistics=TableStatistics(Partitioning(parts, parts)),
    )
