"""Tables of versions as Parquet files on local disk: made once, used by every later query."""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import duckdb

from mediatool_assets.flows.query.reading import BytesRead, StoredRows, nothing

_LAYOUT = "1"  # raised when the files of the same rows change
_ROW_GROUP = 20_000  # rows: of 4 KB each, 80 MB are in memory before a group is written


@dataclass(frozen=True, slots=True)
class ParquetCache:
    """Files in ``folder``, named by a digest of the rows and of the columns' types.

    Tables that did not change from one version to the next share a file. After ``trim`` they have
    at most ``limit`` bytes; those that were used last stay. The folder holds original values: it is
    readable by its owner alone.
    """

    folder: Path
    limit: int

    def file(
        self,
        connection: duckdb.DuckDBPyConnection,
        rows: StoredRows,
        progress: BytesRead = nothing,
    ) -> Path:
        """The Parquet file of these rows, written first where it is missing."""
        path = self.path(rows)
        if not path.exists():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished = self.folder / f"{uuid4().hex}.unfinished"
            try:
                rows.read(connection, _writer(unfinished), progress=progress)
                unfinished.chmod(0o600)
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)
        os.utime(path)
        return path

    def has(self, rows: StoredRows) -> bool:
        """Whether there is a file of these rows."""
        return self.path(rows).exists()

    def path(self, rows: StoredRows) -> Path:
        """Where their file is, or will be."""
        return self.folder / f"{_digest(rows)}.parquet"

    def trim(self) -> None:
        """Delete the files that were not used for longest until the rest is within the limit."""
        files = []
        for path in self.folder.glob("*.parquet"):
            with suppress(FileNotFoundError):  # another command has deleted it
                stat = path.stat()
                files.append((stat.st_mtime_ns, stat.st_size, path))
        excess = sum(size for _, size, _ in files) - self.limit
        for _, size, path in sorted(files):
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size


def _writer(path: Path) -> Callable[[duckdb.DuckDBPyRelation], None]:
    def write(relation: duckdb.DuckDBPyRelation) -> None:
        relation.write_parquet(str(path), compression="zstd", row_group_size=_ROW_GROUP)

    return write


def _digest(rows: StoredRows) -> str:
    described = repr((_LAYOUT, rows.member.content, rows.member.rows, rows.columns))
    return hashlib.sha256(described.encode()).hexdigest()
