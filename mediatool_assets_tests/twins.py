"""Twins of the stores that need no server; each passes the contract suite of the real one."""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from mediatool_assets.archive.writer import BlockRun
from mediatool_assets.core.authenticity import ACCEPT_ALL, SignaturePolicy
from mediatool_assets.core.errors import AlreadyExists, BadArchive, NotFound, Refused
from mediatool_assets.core.version import AS_DESCRIBED, STAGING_PREFIX, DatabaseNames, ObjectInfo


@dataclass(frozen=True)
class DirectoryObjects:
    """An ObjectStore in a local directory: finished objects below ``objects/``, others beside."""

    root: Path
    signature_policy: SignaturePolicy = field(default=ACCEPT_ALL, kw_only=True)
    database_names: DatabaseNames = field(default=AS_DESCRIBED, kw_only=True)

    def uri(self, key: str) -> str:
        """``s3://twin/key``."""
        return f"s3://twin/{key}"

    def head(self, key: str) -> ObjectInfo | None:
        """What is known of the object; None where there is none."""
        path = self._path(key)
        if not path.is_file():
            return None
        modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return ObjectInfo(key, path.stat().st_size, _etag(path), modified)

    def get(self, key: str) -> tuple[bytes, str]:
        """The object and its entity tag."""
        data = self.open(key)
        return data.read(0, data.size), data.etag

    def open(self, key: str) -> "DirectoryBytes":
        """The object as it is now."""
        info = self.head(key)
        if info is None:
            raise NotFound(f"{self.uri(key)} is not there")
        return DirectoryBytes(self.uri(key), self._path(key), info.size, info.etag)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """The objects under a prefix, in order of key."""
        for key in self._keys():
            info = self.head(key)
            if key.startswith(prefix) and info is not None:
                yield info

    def folders(self, prefix: str) -> Iterator[str]:
        """The prefixes one level below, in order."""
        below = (key[len(prefix) :] for key in self._keys() if key.startswith(prefix))
        names = {rest.split("/")[0] for rest in below if "/" in rest}
        yield from (f"{prefix}{name}/" for name in sorted(names))

    def put(self, key: str, data: bytes, *, replacing: str | None = None) -> str:
        """Write a small object, on its condition."""
        with self._locked():
            info = self.head(key)
            if (info.etag if info else None) != replacing:
                raise AlreadyExists(self.uri(key))
            with self._temporary() as file:
                file.write(data)
                file.flush()
                path = self._path(key)
                path.parent.mkdir(parents=True, exist_ok=True)
                os.link(file.name, file.name + ".whole")
                Path(file.name + ".whole").replace(path)
            return _etag(path)

    def tag(self, key: str, tags: Mapping[str, str]) -> None:
        """Keep the tags beside the object."""
        if self.head(key) is None:
            raise NotFound(f"{self.uri(key)} is not there")
        path = self.root / "tags" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict(tags)))

    def tags(self, key: str) -> dict[str, str]:
        """The tags of an object; for tests to look at."""
        path = self.root / "tags" / key
        found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        return found

    @contextmanager
    def create(self, key: str) -> Iterator[BinaryIO]:
        """Stream an object that appears whole at the end."""
        if self.head(key) is not None:
            raise AlreadyExists(self.uri(key))
        with self._temporary() as file:
            yield file
            file.flush()
            path = self._path(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file.name, path)
            except FileExistsError as error:
                raise AlreadyExists(self.uri(key)) from error

    @contextmanager
    def assemble(self, key: str, executor: Executor) -> Iterator["Joining"]:
        """Stream an object made of others; read by workers, and written here."""
        with self.create(key) as file:
            yield Joining(file, executor)

    def unstage(self, prefix: str) -> None:
        """Delete what was staged."""
        if not prefix.startswith(STAGING_PREFIX):
            raise Refused(f"{self.uri(prefix)} is not below {STAGING_PREFIX}")
        for info in list(self.list(prefix)):
            self._path(info.key).unlink()

    def _path(self, key: str) -> Path:
        return self.root / "objects" / key

    def _keys(self) -> Sequence[str]:
        top = self.root / "objects"
        return sorted(str(p.relative_to(top)) for p in top.rglob("*") if p.is_file())

    @contextmanager
    def _temporary(self) -> Iterator[BinaryIO]:
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.root) as file:
            yield file  # type: ignore[misc]  # its wrapper is a BinaryIO in all but name

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class Joining(NamedTuple):
    """The sink of ``assemble``."""

    file: BinaryIO
    executor: Executor

    def write(self, data: bytes, /) -> None:
        """Append."""
        self.file.write(data)

    def copy(self, run: BlockRun, /) -> None:
        """Append what a worker reads and proves."""
        self.file.write(self.executor.submit(run.proven).result())


@dataclass(frozen=True)
class DirectoryBytes:
    """One object of a DirectoryObjects as it was when it was opened."""

    name: str
    path: Path
    size: int
    etag: str

    def read(self, start: int, length: int) -> bytes:
        """Read a range; raises BadArchive where it is too short or was replaced."""
        if start + length > self.size:
            raise BadArchive(self.name, f"ends before byte {start + length}")
        if _etag(self.path) != self.etag:
            raise BadArchive(self.name, "was replaced while it was read")
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(length)


def _etag(path: Path) -> str:
    at = path.stat()
    return f'"{at.st_ino:x}-{at.st_mtime_ns:x}-{at.st_size:x}"'
