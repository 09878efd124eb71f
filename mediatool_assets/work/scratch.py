"""The temporary files of a command: folders, spools, and the memory that DuckDB spills to them.

Stores the results of workers until they become part of an archive.

A temporary folder that is removed however the process ends.

The context of a flow besides its stores: workers, a temporary folder, progress, clock.

DuckDB with a memory limit, and the quoting of names and texts in its SQL.
"""

import logging
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mediatool_assets.archive.reader import Bytes, LocalFile
from mediatool_assets.archive.writer import Spooled, spool_documents, spool_rows
from mediatool_assets.core.errors import MediatoolError
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import STAGING_PREFIX
from mediatool_assets.stores.ports import ArchiveStore, Progress, Staging, silent
from mediatool_assets.work import RemoteExecutor, worker_pool

if TYPE_CHECKING:
    import duckdb
    from duckdb import DuckDBPyConnection

_GUARD = 'trap "" HUP INT TERM; read -r _; rm -rf -- "$1"'
"""A shell that removes the folder when the last process with its pipe open has ended."""


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder in ``parent``, by default in ``TMPDIR``.

    A guard process removes it, also after SIGKILL.
    """
    with tempfile.TemporaryDirectory(prefix="mediatool-", dir=parent) as name:
        folder = Path(name).absolute()
        guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "sh", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield folder
        finally:
            guard.communicate()


def now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Workspace:
    """Worker processes, and a folder on local disk; a flow removes its files from it.

    Flows report to ``progress``, and get the time from ``clock``.
    """

    executor: Executor
    scratch: Path
    progress: Progress = silent
    clock: Callable[[], datetime] = now


@contextmanager
def workspace(settings: Settings, progress: Progress = silent) -> Iterator[Workspace]:
    """The workers and a scratch folder from the settings; both are released with the context."""
    with (
        worker_pool(settings.workers, settings.cluster) as executor,
        scratch_folder(settings.scratch) as scratch,
    ):
        yield Workspace(executor, scratch, progress)


_AHEAD = 16
"""How many shares local workers may be ahead of the writer: enough to keep any number of workers of
one machine busy, few enough that at most one table and these shares are waiting on its disk."""

_PIECE = 1 << 20


class Spooling(Protocol):
    """Sent to the workers in their shares; a repeated share leaves no partial results."""

    @property
    def elsewhere(self) -> bool:
        """True if workers share no disk with the coordinator."""

    @property
    def ahead(self) -> int | None:
        """How many shares workers may be ahead of the writer; None for no limit."""

    def rows(
        self, name: str, batches: Iterable[Sequence[bytes]], *, unpacked: bool = False
    ) -> Spooled:
        """In a worker: spool rows like ``spool_rows``. Names must be unique within one spooling."""

    def documents(self, name: str, batches: Iterable[bytes], *, unpacked: bool = False) -> Spooled:
        """In a worker: spool documents like ``spool_documents``."""

    def keep(self, name: str, data: bytes) -> Bytes:
        """In a worker: store data that the coordinator or another worker will read."""

    def file(self, name: str, write: Callable[[Path], object]) -> str:
        """Store the file that ``write`` creates; returns its name for DuckDB."""

    def reach(self, connection: "DuckDBPyConnection") -> None:
        """Let a DuckDB connection read the stored files."""


@dataclass(frozen=True, slots=True)
class LocalSpooling:
    """A folder shared by coordinator and workers."""

    folder: Path

    @property
    def elsewhere(self) -> bool:
        """False: they share this disk."""
        return False

    @property
    def ahead(self) -> int | None:
        """Limited, since disk space is."""
        return _AHEAD

    def rows(
        self, name: str, batches: Iterable[Sequence[bytes]], *, unpacked: bool = False
    ) -> Spooled:
        """Spool to a file of that name."""
        return spool_rows(self.folder / name, batches, unpacked=unpacked)

    def documents(self, name: str, batches: Iterable[bytes], *, unpacked: bool = False) -> Spooled:
        """Spool to a file of that name."""
        return spool_documents(self.folder / name, batches, unpacked=unpacked)

    def keep(self, name: str, data: bytes) -> Bytes:
        """Store as a file of that name."""
        path = self.folder / name
        path.write_bytes(data)
        return LocalFile(path)

    def file(self, name: str, write: Callable[[Path], object]) -> str:
        """Store as a file of that name."""
        path = self.folder / name
        write(path)
        return str(path)

    def reach(self, connection: "DuckDBPyConnection") -> None:
        """Do nothing: DuckDB reads local files itself."""


@dataclass(frozen=True, slots=True)
class StagedSpooling:
    """Staging under a prefix of the bucket, for workers that do not share a disk.

    Object names are unique: a lost worker may leave an object, and the repeated share must not
    conflict with it.
    """

    objects: Staging
    prefix: str

    @property
    def elsewhere(self) -> bool:
        """True: they share only the bucket."""
        return True

    @property
    def ahead(self) -> int | None:
        """None: a bucket has no size limit."""
        return None

    def rows(
        self, name: str, batches: Iterable[Sequence[bytes]], *, unpacked: bool = False
    ) -> Spooled:
        """Spool to a local file, which is uploaded to the bucket."""
        return self._staged(name, lambda path: spool_rows(path, batches, unpacked=unpacked))

    def documents(self, name: str, batches: Iterable[bytes], *, unpacked: bool = False) -> Spooled:
        """Spool to a local file, which is uploaded to the bucket."""
        return self._staged(name, lambda path: spool_documents(path, batches, unpacked=unpacked))

    def _staged(self, name: str, write: Callable[[Path], Spooled]) -> Spooled:
        with scratch_folder() as folder:
            path = Path(folder, "spool")
            return replace(write(path), source=self.objects.open(self._send(name, path)))

    def keep(self, name: str, data: bytes) -> Bytes:
        """Store as an object."""
        key = self._key(name)
        with self.objects.create(key) as sink:
            sink.write(data)
        return self.objects.open(key)

    def file(self, name: str, write: Callable[[Path], object]) -> str:
        """Write a local file, and upload it to the bucket."""
        with scratch_folder() as folder:
            path = Path(folder, "file")
            write(path)
            return f"staged://{self._send(name, path)}"

    def reach(self, connection: "DuckDBPyConnection") -> None:
        """Register the file system that reads objects by range."""
        from mediatool_assets.work.staged_files import StagedFiles  # noqa: PLC0415  # Dask brings fsspec

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
    """The store, if workers cannot reach the coordinator's disk and the store supports staging."""
    if isinstance(executor, RemoteExecutor) and isinstance(objects, Staging):
        return objects
    return None


@contextmanager
def spooling(objects: ArchiveStore, workspace: Workspace, what: str) -> Iterator[Spooling]:
    """Provide the place where workers spool ``what``; it is removed at the end.

    If a coordinator is killed, staged objects remain until the bucket's lifecycle rule deletes
    them.
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
        except MediatoolError as error:  # the archive exists, or its own error is being raised
            logging.getLogger(__name__).warning(
                "%s remains until the bucket's lifecycle rule deletes it: %s", staged.prefix, error
            )


MEMORY = "256MB"
"""DuckDB's memory limit in the coordinator; data beyond it is spilled into scratch."""


def duckdb_errors() -> tuple[type[Exception], ...]:
    """Errors of a rejected query. DuckDB may truncate a message within a UTF-8 character."""
    import duckdb  # noqa: PLC0415  # slow

    return (duckdb.Error, UnicodeDecodeError)


@contextmanager
def duckdb_session(
    scratch: Path, memory: str = MEMORY, threads: int = 2
) -> "Iterator[duckdb.DuckDBPyConnection]":
    """Open a separate database that spills into ``scratch``, until the context ends."""
    import duckdb  # noqa: PLC0415  # slow

    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "threads": threads,
        "temp_directory": str(scratch / "spill"),
        "preserve_insertion_order": False,
    }
    with interruptible(), duckdb.connect(config=config) as connection:
        connection.execute("SET enable_progress_bar = false")
        yield connection


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt if Ctrl-C ended a query: DuckDB raises RuntimeError then."""
    try:
        yield
    except RuntimeError as error:
        if str(error) != "Query interrupted":
            raise
        raise KeyboardInterrupt from error


def identifier(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def cased(name: str) -> str:
    """A unique name for names that differ only by case, which DuckDB does not distinguish."""
    return "".join(f"^{c}" if c == "^" or c.lower() != c else c for c in name)


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
