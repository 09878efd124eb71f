"""Rows as digests on disk: small Parquet files that workers write and DuckDB reads."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

_ROWS = 1 << 16  # rows of a file held in memory: some 10 MB of Python objects
_PLAIN: Final[Mapping[str, Any]] = {
    "compression": "lz4",
    "use_dictionary": False,  # digests do not repeat
    "write_statistics": False,
}
KEY = (("k0", pa.uint64()), ("k1", pa.uint64()))
ROWS = pa.schema([*KEY, ("h", pa.uint64())])
"""A row found in a document: the digests of its key and of its content."""
COPIES = pa.schema([*KEY, ("v", pa.string())])
"""A field that is copied from other rows: the row's key, and a text of the field's value."""


class DigestFile:
    """One file, written in groups of rows; close it with ``contextlib.closing``."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self._schema = path, schema
        self._columns: list[list[Any]] = [[] for _ in schema]
        self._writer = pq.ParquetWriter(path, schema, **_PLAIN)

    def add(self, row: Sequence[Any]) -> None:
        """Add a row, in the order of the schema."""
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)
        if len(self._columns[0]) >= _ROWS:
            self._flush()

    def add_all(self, columns: Sequence[pa.Array]) -> None:
        """Add rows as columns, in the order of the schema."""
        self._writer.write_batch(pa.record_batch(columns, schema=self._schema))

    def close(self) -> None:
        """Write the remaining rows."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        arrays = [pa.array(v, f.type) for v, f in zip(self._columns, self._schema, strict=True)]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        for column in self._columns:
            column.clear()


class DigestFiles:
    """Files by name, each created with its first row; ``path`` is the prefix of their paths."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._files: dict[str, DigestFile] = {}

    def add(self, name: str, row: Sequence[Any]) -> None:
        """Add a row to the file of this name."""
        self._file(name).add(row)

    def add_all(self, name: str, columns: Sequence[pa.Array]) -> None:
        """Add rows as columns to the file of this name."""
        self._file(name).add_all(columns)

    def _file(self, name: str) -> DigestFile:
        file = self._files.get(name)
        if file is None:
            path = self._path.with_name(f"{self._path.name}-{len(self._files)}.parquet")
            file = self._files[name] = DigestFile(path, self._schema)
        return file

    def close(self) -> None:
        """Close all of them."""
        for file in self._files.values():
            file.close()

    @property
    def paths(self) -> Mapping[str, Path]:
        """The files, by name."""
        return {name: file.path for name, file in self._files.items()}
