"""Where workers store their results until they become part of an archive."""

import logging
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mediatool_assets.archive.reader import Bytes, LocalFile
from mediatool_assets.archive.spool import Spooled, spool_rows
from mediatool_assets.domain.errors import MediatoolError
from mediatool_assets.domain.keys import STAGING_PREFIX
from mediatool_assets.flows.ports import ArchiveStore, Staging
from mediatool_assets.flows.workers.cluster import RemoteExecutor
from mediatool_assets.flows.workers.scratch import scratch_folder
from mediatool_assets.flows.workers.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_AHEAD = 16
"""Shares that local workers may be ahead of the one that is written next: enough to keep any number
of workers of one machine busy, few enough that what waits on its disk is one table and these."""

_PIECE = 1 << 20


class Spooling(Protocol):
    """Travels to the workers in their shares; a share that is done again leaves no half a thing."""

    @property
    def elsewhere(self) -> bool:
        """Whether workers share no disk with the coordinator."""

    @property
    def ahead(self) -> int | None:
        """How many shares workers may be ahead of the writer; None where that has no bound."""

    def rows(self, name: str, batches: Iterable[Sequence[bytes]], end: bytes) -> Spooled:
        """In a worker: spool rows, as ``spool_rows`` does. Names of one spooling are different."""

    def keep(self, name: str, data: bytes) -> Bytes:
        """In a worker: keep what the coordinator or another worker will read."""

    def file(self, name: str, write: Callable[[Path], object]) -> str:
        """Keep the file that ``write`` makes; returns what DuckDB calls it."""

    def reach(self, connection: "DuckDBPyConnection") -> None:
        """Have a DuckDB read the files that are kept."""


@dataclass(frozen=True, slots=True)
class LocalSpooling:
    """A folder that coordinator and workers have in common."""

    folder: Path

    @property
    def elsewhere(self) -> bool:
        """They share this one."""
        return False

    @property
    def ahead(self) -> int | None:
        """Limited, since the disk is."""
        return _AHEAD

    def rows(self, name: str, batches: Iterable[Sequence[bytes]], end: bytes) -> Spooled:
        """Into a file of the name."""
        return spool_rows(self.folder / name, batches, end)

    def keep(self, name: str, data: bytes) -> Bytes:
        """As a file of the name."""
        path = self.folder / name
        path.write_bytes(data)
        return LocalFile(path)

    def file(self, name: str, write: Callable[[Path], object]) -> str:
        """A file of the name."""
        path = self.folder / name
        write(path)
        return str(path)

    def reach(self, connection: "DuckDBPyConnection") -> None:
        """Nothing is needed for a disk."""


@dataclass(frozen=True, slots=True)
class StagedSpooling:
    """Staging under a prefix of the bucket, for workers that do not share a disk.

    Objects have names that nobody had before: of a worker that was lost there may be one left, and
    the share that was done again does not meet it.
    """

    objects: Staging
    prefix: str

    @property
    def elsewhere(self) -> bool:
        """They share the bucket only."""
        return True

    @property
    def ahead(self) -> int | None:
        """A bucket has none."""
        return None

    def rows(self, name: str, batches: Iterable[Sequence[bytes]], end: bytes) -> Spooled:
        """Into a file of this machine, which is sent to the bucket."""
        with scratch_folder() as folder:
            path = Path(folder, "spool")
            spooled = spool_rows(path, batches, end)
            return replace(spooled, source=self.objects.open(self._send(name, path)))

    def keep(self, name: str, data: bytes) -> Bytes:
        """As an object."""
        key = self._key(name)
        with self.objects.create(key) as sink:
            sink.write(data)
        return self.objects.open(key)

    def file(self, name: str, write: Callable[[Path], object]) -> str:
        """Written on this machine, and sent to the bucket."""
        with scratch_folder() as folder:
            path = Path(folder, "file")
            write(path)
            return f"staged://{self._send(name, path)}"

    def reach(self, connection: "DuckDBPyConnection") -> None:
        """Objects are read by range."""
        from mediatool_assets.flows.workers.staged_files import (  # noqa: PLC0415  # Dask brings fsspec
            StagedFiles,
        )

        connection.register_filesystem(StagedFiles(self.objects))

    def _send(self, name: str, path: Path) -> str:
        key = self._key(name)
        with path.open("rb") as file, self.objects.create(key) as sink:
            while data := file.read(_PIECE):
                sink.write(data)
        return key

    def _key(self, name: str) -> str:
        return f"{self.prefix}{name}-{uuid.uuid4().hex}"


def staging(objects: ArchiveStore, executor: Executor) -> Staging | None:
    """The store, where workers cannot reach the coordinator's disk and it can take its place."""
    if isinstance(executor, RemoteExecutor) and isinstance(objects, Staging):
        return objects
    return None


@contextmanager
def spooling(objects: ArchiveStore, workspace: Workspace, what: str) -> Iterator[Spooling]:
    """Where the workers spool ``what``; nothing is left of it.

    A coordinator that is killed leaves staged objects; the bucket's lifecycle rule ends them.
    """
    bucket = staging(objects, workspace.executor)
    if bucket is None:
        with tempfile.TemporaryDirectory(prefix=f"{what}-", dir=workspace.scratch) as folder:
            yield LocalSpooling(Path(folder))
        return
    staged = StagedSpooling(bucket, f"{STAGING_PREFIX}{what}-{uuid.uuid4().hex}/")
    try:
        yield staged
    finally:
        try:
            bucket.unstage(staged.prefix)
        except MediatoolError as error:  # the archive is there, or its own error is on its way
            logging.getLogger(__name__).warning(
                "%s is left until the bucket's lifecycle rule ends it: %s", staged.prefix, error
            )
