"""Staged objects as files that DuckDB reads by range, so that a query reads only what it needs."""

from datetime import UTC, datetime
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.spec import AbstractBufferedFile

from mediatool_assets.stores.ports import ArchiveStore

SCHEME = "staged"
_FETCHED = 1 << 18  # minimum bytes, so that consecutive small reads are one request


class StagedFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """``staged://key`` for each object of a store; read-only, without listing."""

    protocol = SCHEME
    cachable = False  # otherwise fsspec keeps an instance, and its store, until the process ends

    def __init__(self, objects: ArchiveStore) -> None:
        super().__init__()
        self._objects = objects

    def info(self, path: str, **_: object) -> dict[str, Any]:
        """The file's information for fsspec; raises NotFound."""
        key = self._strip_protocol(path)
        return {"name": key, "size": self._objects.open(key).size, "type": "file"}

    def exists(self, path: str, **_: object) -> bool:
        """True if the object exists."""
        return self._objects.head(self._strip_protocol(path)) is not None

    def glob(self, path: str, **_: object) -> list[str]:
        """The single object of that name: staged names have no wildcards."""
        return [self._strip_protocol(path)]

    def modified(self, path: str) -> datetime:  # noqa: ARG002  # fsspec's signature
        """A constant time: staged objects do not change."""
        return datetime.fromtimestamp(0, UTC)

    def _open(self, path: str, mode: str = "rb", **_: object) -> "_File":
        return _File(self, self._objects, self._strip_protocol(path), mode)


class _File(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    def __init__(self, files: StagedFiles, objects: ArchiveStore, key: str, mode: str) -> None:
        self._source = objects.open(key)
        super().__init__(
            files, key, mode, block_size=_FETCHED, cache_type="readahead", size=self._source.size
        )

    def _fetch_range(self, start: int, end: int) -> bytes:
        return self._source.read(start, min(end, self._source.size) - start)
