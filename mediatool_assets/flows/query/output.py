"""Writes the result of a query as CSV, JSON, NDJSON, Parquet or an Arrow stream, row by row."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import duckdb

from mediatool_assets.flows.workers.duckdb_session import identifier, literal

Format = Literal["csv", "json", "ndjson", "parquet", "arrow"]

_ROWS = 10_000  # rows per batch
_EXACT = 1 << 53  # a double holds every integer up to this one


def write_result(relation: duckdb.DuckDBPyRelation, format_: Format, path: Path) -> None:
    """Write all rows to ``path``, replacing an existing file.

    Times are in UTC. In JSON, a number that a double cannot represent exactly is a string.
    """
    _WRITERS[format_](relation, path)


def json_rows(relation: duckdb.DuckDBPyRelation) -> Iterator[str | None]:
    """Each row as the text of a JSON object."""
    parts = (
        f"{literal(name)}, {_json(identifier(name), kind)}"
        for name, kind in zip(relation.columns, relation.types, strict=True)
    )
    texts = relation.project(f"CAST(json_object({', '.join(parts)}) AS VARCHAR)")
    for batch in texts.to_arrow_reader(_ROWS):
        yield from batch[0].to_pylist()


def text_rows(relation: duckdb.DuckDBPyRelation, most: int) -> list[tuple[str | None, ...]]:
    """At most the first ``most`` rows, as DuckDB prints their values."""
    texts = ", ".join(f"CAST({identifier(name)} AS VARCHAR)" for name in relation.columns)
    return relation.limit(most).project(texts).fetchall()


def _json(value: str, kind: Any) -> str:
    """SQL for a value as JSON without losing a digit."""
    match kind.id:
        case "decimal":
            return f"CAST({value} AS VARCHAR)"
        case "bigint" | "ubigint" | "hugeint" | "uhugeint":
            exact = f"{value} BETWEEN -{_EXACT} AND {_EXACT}"
            number = f"to_json(TRY_CAST({value} AS BIGINT))"
            return f"CASE WHEN {exact} THEN {number} ELSE to_json(CAST({value} AS VARCHAR)) END"
        case "float" | "double":
            text = f"to_json(CAST({value} AS VARCHAR))"
            return f"CASE WHEN isfinite({value}) THEN to_json({value}) ELSE {text} END"
        case _:
            return value


def _csv(relation: duckdb.DuckDBPyRelation, path: Path) -> None:
    relation.write_csv(str(path), header=True)


def _parquet(relation: duckdb.DuckDBPyRelation, path: Path) -> None:
    relation.write_parquet(str(path), compression="zstd")


def _ndjson(relation: duckdb.DuckDBPyRelation, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{row}\n" for row in json_rows(relation))


def _json_array(relation: duckdb.DuckDBPyRelation, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        separator = "["
        for row in json_rows(relation):
            file.write(f"{separator}\n{row}")
            separator = ","
        file.write("[]\n" if separator == "[" else "\n]\n")


def _arrow(relation: duckdb.DuckDBPyRelation, path: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415  # slow

    reader = relation.to_arrow_reader(_ROWS)
    with path.open("wb") as file, pa.ipc.new_stream(file, reader.schema) as stream:
        for batch in reader:
            stream.write_batch(batch)


_WRITERS: dict[str, Callable[[duckdb.DuckDBPyRelation, Path], None]] = {
    "csv": _csv,
    "json": _json_array,
    "ndjson": _ndjson,
    "parquet": _parquet,
    "arrow": _arrow,
}
