"""Rows as digests on disk: small Parquet files that workers write and DuckDB reads."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

_ROWS = 1 << 16  # of a sheet in memory: some 10 MB as Python's numbers
KEY = (("k0", pa.uint64()), ("k1", pa.uint64()))
ROWS = pa.schema([*KEY, ("h", pa.uint64())])
"""A row found in a document: its key's digest, its content's."""
COPIES = pa.schema([*KEY, ("v", pa.string())])
"""A field that is copied from other rows: whose it is, and a text of what it holds."""


class Sheet:
    """One file, written a group of rows at a time."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self._schema = path, schema
        self._columns: list[list[Any]] = [[] for _ in schema]
        self._writer = pq.ParquetWriter(path, schema, compression="lz4")

    def add(self, row: Sequence[Any]) -> None:
        """One row, in the order of the schema."""
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)
        if len(self._columns[0]) >= _ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        arrays = [pa.array(v, f.type) for v, f in zip(self._columns, self._schema, strict=True)]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        for column in self._columns:
            column.clear()


@contextmanager
def sheet(path: Path, schema: pa.Schema) -> Iterator[Sheet]:
    """One sheet, closed at the end."""
    made = Sheet(path, schema)
    try:
        yield made
    finally:
        made.close()


class Sheets:
    """Sheets by name, each made when its first row comes; ``path``: how their names begin."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._sheets: dict[str, Sheet] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for made in self._sheets.values():
            made.close()

    def add(self, name: str, row: Sequence[Any]) -> None:
        """One row of the sheet of this name."""
        made = self._sheets.get(name)
        if made is None:
            path = self._path.with_name(f"{self._path.name}-{len(self._sheets)}.parquet")
            made = self._sheets[name] = Sheet(path, self._schema)
        made.add(row)

    @property
    def paths(self) -> Mapping[str, Path]:
        """The files, by name."""
        return {name: made.path for name, made in self._sheets.items()}
