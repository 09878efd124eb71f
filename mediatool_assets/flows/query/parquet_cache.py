"""Tables of versions as Parquet files on local disk: made once, used by every later query."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import duckdb
from xxhash import xxh3_128

from mediatool_assets.flows.query.reading import BytesRead, StoredRows, nothing

_LAYOUT = "2"  # increment when the files of the same rows change
_ROW_GROUP = 20_000  # rows; with 4 KB each, 80 MB are in memory before a group is written
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ParquetCache:
    """Files in ``folder``, each named by its input and by its own content.

    The first part of a name is ``key(rows)``: a table that did not change between versions is
    stored once. The second part is a hash of the file, which is checked when a command first uses
    it: a damaged file is deleted and made again. When the last command that uses the cache ends,
    the least recently used files are deleted until the rest has at most ``limit`` bytes. The folder
    holds original values and is readable only by its owner.
    """

    folder: Path
    limit: int

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Prevent the deletion of files by any command; afterwards apply the size limit."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(self.folder, fcntl.LOCK_SH):
            yield
        with suppress(BlockingIOError), _locked(self.folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            self._trim()

    def file(
        self,
        connection: duckdb.DuckDBPyConnection,
        rows: StoredRows,
        progress: BytesRead = nothing,
    ) -> Path:
        """The Parquet file of these rows, written first if there is none."""
        return self.find(rows) or self._written(connection, rows, progress)

    def find(self, rows: StoredRows) -> Path | None:
        """The Parquet file of these rows, if there is one; damaged ones are deleted."""
        start = f"{self.key(rows)}-"
        for path in [path for path in self.folder.iterdir() if path.name.startswith(start)]:
            with suppress(FileNotFoundError):  # another command has deleted it
                if path.name == self._name(rows, path):
                    os.utime(path)
                    return path
                path.unlink()
        return None

    def key(self, rows: StoredRows) -> str:
        """A key that is equal for equal rows with equal types."""
        described = repr((_LAYOUT, rows.member.content, rows.member.rows, rows.columns))
        return hashlib.sha256(described.encode()).hexdigest()

    def _name(self, rows: StoredRows, path: Path) -> str:
        digest = xxh3_128()
        with path.open("rb") as file:
            while data := file.read(_READ_BYTES):
                digest.update(data)
        return f"{self.key(rows)}-{digest.hexdigest()}.parquet"

    def _written(
        self, connection: duckdb.DuckDBPyConnection, rows: StoredRows, progress: BytesRead
    ) -> Path:
        unfinished = self.folder / f"{uuid4().hex}.unfinished"

        def write(relation: duckdb.DuckDBPyRelation) -> None:
            relation.write_parquet(str(unfinished), compression="zstd", row_group_size=_ROW_GROUP)

        try:
            rows.read(connection, write, progress=progress)
            unfinished.chmod(0o600)
            return unfinished.replace(self.folder / self._name(rows, unfinished))
        finally:
            unfinished.unlink(missing_ok=True)

    def _trim(self) -> None:
        """Delete remains of killed commands, and the least recently used files above the limit."""
        for path in self.folder.glob("*.unfinished"):
            path.unlink(missing_ok=True)
        files = [(path.stat(), path) for path in self.folder.glob("*.parquet")]
        excess = sum(stat.st_size for stat, _ in files) - self.limit
        for stat, path in sorted(files, key=lambda each: each[0].st_mtime_ns):
            if excess <= 0:
                return
            path.unlink()
            excess -= stat.st_size


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Hold a lock on the folder; a non-blocking request raises BlockingIOError."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, how)
        yield
    finally:
        os.close(opened)
