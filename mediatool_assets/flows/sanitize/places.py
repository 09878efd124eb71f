"""Where a sanitized archive and its reports go: a bucket, or a folder that is written like one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from mediatool_assets.archive.writer import Sink
from mediatool_assets.domain.errors import AlreadyExists


class Place(Protocol):
    """What is needed of an ObjectStore: names are written once, and appear whole or not at all."""

    def uri(self, key: str) -> str:
        """Where the key lies, for people."""

    def head(self, key: str) -> object | None:
        """None where the key is free."""

    def put(self, key: str, data: bytes) -> object:
        """Write a small object; raises AlreadyExists."""

    def create(self, key: str) -> AbstractContextManager[Sink]:
        """Stream a large one; raises AlreadyExists. On any error nothing is left."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A local directory, made when something is written into it."""

    path: Path

    def uri(self, key: str) -> str:
        """The path of the file."""
        return str(self.path / key)

    def head(self, key: str) -> object | None:
        """None where there is no such file."""
        return key if (self.path / key).exists() else None

    def put(self, key: str, data: bytes) -> object:
        """Write a small file; raises AlreadyExists."""
        with self.create(key) as file:
            return file.write(data)

    @contextmanager
    def create(self, key: str) -> Iterator[BinaryIO]:
        """Write a file that has its name only when it is whole; raises AlreadyExists."""
        self.path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.path, prefix=".mediatool-") as scratch:
            unfinished = Path(scratch) / "file"
            with unfinished.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(unfinished, self.path / key)
            except FileExistsError as error:
                raise AlreadyExists(self.uri(key), "move it, or name another output") from error
