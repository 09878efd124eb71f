"""The destinations of a sanitized archive and its reports: a bucket, or a local folder."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from mediatool_assets.archive.writer import Sink
from mediatool_assets.domain.errors import AlreadyExists
from mediatool_assets.domain.keys import beside, signature_key
from mediatool_assets.flows.sanitize.report import Report


class CopyStore(Protocol):
    """The part of ObjectStore's interface needed: names are written once, and appear as a whole."""

    def uri(self, key: str) -> str:
        """The location of the key, for display."""

    def head(self, key: str) -> object | None:
        """None if the key is free."""

    def get(self, key: str) -> tuple[bytes, str]:
        """A small object, whole, and its entity tag."""

    def put(self, key: str, data: bytes, *, replacing: str | None = None) -> object:
        """Write a small object under a free name, or replace the object with that entity tag.

        Otherwise raises AlreadyExists, and nothing is written.
        """

    def create(self, key: str) -> AbstractContextManager[Sink]:
        """Stream a large object; raises AlreadyExists. After an error nothing is left."""


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A local directory, created when something is written to it."""

    path: Path

    def uri(self, key: str) -> str:
        """The path of the file."""
        return str(self.path / key)

    def head(self, key: str) -> object | None:
        """None if there is no such file."""
        return key if (self.path / key).exists() else None

    def get(self, key: str) -> tuple[bytes, str]:
        """A small file, whole, and its SHA-256."""
        data = (self.path / key).read_bytes()
        return data, hashlib.sha256(data).hexdigest()

    def put(self, key: str, data: bytes, *, replacing: str | None = None) -> object:
        """Write a small file, or replace the one with that SHA-256; raises AlreadyExists."""
        if replacing is None:
            with self.create(key) as file:
                return file.write(data)
        if self.head(key) is None or self.get(key)[1] != replacing:
            raise self._taken(key)
        with self._unfinished() as path:
            path.write_bytes(data)
            return path.replace(self.path / key)

    @contextmanager
    def create(self, key: str) -> Iterator[BinaryIO]:
        """Write a file that gets its name only when it is complete; raises AlreadyExists."""
        with self._unfinished() as path:
            with path.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(path, self.path / key)
            except FileExistsError as error:
                raise self._taken(key) from error

    @contextmanager
    def _unfinished(self) -> Iterator[Path]:
        """A path on the folder's own disk, removed at the end of the context."""
        self.path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.path, prefix=".mediatool-") as scratch:
            yield Path(scratch) / "file"

    def _taken(self, key: str) -> AlreadyExists:
        return AlreadyExists(self.uri(key), "move it, or name another output")


def report_keys(key: str) -> tuple[str, str]:
    """The names of the reports beside an archive."""
    return beside(key, "report", "json"), beside(key, "report", "html")


def free_names(place: CopyStore, key: str, version: str) -> dict[str, str | None]:
    """The names of an archive's reports and signature, with the entity tag to replace, if any.

    The tag is None if the name is free. Otherwise it is the tag of a file that an interrupted run
    of that version left. Raises AlreadyExists if the archive, or a report of another version,
    exists.
    """
    names = (*report_keys(key), signature_key(key))
    there = [name for name in (key, *names) if place.head(name) is not None]
    if there and (key in there or not _is_left(place, key, version)):
        raise AlreadyExists(place.uri(there[0]), "move it, or name another output")
    return {name: place.get(name)[1] if name in there else None for name in names}


def _is_left(place: CopyStore, key: str, version: str) -> bool:
    """True if the existing report is about this version and this archive."""
    name, _ = report_keys(key)
    if place.head(name) is None:
        return False
    try:
        report = Report.from_json(place.get(name)[0])
    except msgspec.MsgspecError:
        return False  # a file of somebody else
    same_name = report.archive.rpartition("/")[2] == key.rpartition("/")[2]
    return same_name and report.version == version
