"""The bucket's twin: S3 in memory, each request of which is a point of the simulation."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from mediatool_assets.core.authenticity import ACCEPT_ALL, SignaturePolicy
from mediatool_assets.core.errors import AlreadyExists, BadArchive, NotFound, Refused, Unreachable
from mediatool_assets.core.version import AS_DESCRIBED, STAGING_PREFIX, DatabaseNames, ObjectInfo
from mediatool_assets_tests.simulation.world import PROCESS_FAULTS, Fault, raising
from mediatool_assets_tests.twins import Joining

Result = TypeVar("Result")


class Host(Protocol):
    """Where calls are made from, and what time it is there."""

    def call(self, what: str, act: Callable[[], Result], faults: tuple[Fault, ...] = ()) -> Result:
        """One request."""

    @property
    def time(self) -> datetime:
        """The server's own clock."""


@dataclass(slots=True)
class Stored:
    """One object."""

    data: bytes
    modified: datetime
    etag: str
    tags: dict[str, str] = field(default_factory=dict)


def _away() -> Unreachable:
    return Unreachable("S3 at twin does not answer; start it")


AWAY = Fault("503, nothing done", before=raising(_away))
LOST = Fault("done, and the answer was lost", after=raising(_away))
REQUEST_FAULTS = (AWAY, LOST, *PROCESS_FAULTS)


def _broken_off() -> Unreachable:
    return Unreachable("S3 at twin breaks off what it sends; look at the network")


READ_FAULTS = (
    *REQUEST_FAULTS,
    Fault("a short read, each time that it is tried", before=raising(_broken_off)),
)


@dataclass(eq=False)
class Bucket:
    """An ObjectStore and its Deletion. An entity tag is that of the bytes, as S3's is."""

    host: Host
    content: dict[str, Stored] = field(default_factory=dict)
    on_write: list[Callable[[str, bytes], None]] = field(default_factory=list)
    on_delete: list[Callable[[str, str], None]] = field(default_factory=list)
    signature_policy: SignaturePolicy = ACCEPT_ALL
    database_names: DatabaseNames = AS_DESCRIBED

    def uri(self, key: str) -> str:
        """``s3://twin/key``."""
        return f"s3://twin/{key}"

    def head(self, key: str) -> ObjectInfo | None:
        """What is known of the object."""
        return self._call(f"head {key}", lambda: self._info(key))

    def get(self, key: str) -> tuple[bytes, str]:
        """The object, whole; S3's checksum covers it."""

        def act() -> tuple[bytes, str]:
            found = self._found(key)
            return found.data, found.etag

        return self._call(f"get {key}", act)

    def open(self, key: str) -> "OpenedObject":
        """The object as it is now."""

        def act() -> OpenedObject:
            found = self._found(key)
            return OpenedObject(self, key, len(found.data), found.etag)

        return self._call(f"open {key}", act)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """The objects under a prefix, in order of key: one page."""

        def act() -> list[ObjectInfo]:
            keys = sorted(key for key in self.content if key.startswith(prefix))
            return [info for key in keys if (info := self._info(key)) is not None]

        yield from self._call(f"list {prefix}", act)

    def folders(self, prefix: str) -> Iterator[str]:
        """The prefixes one level below, in order."""

        def act() -> list[str]:
            below = (key[len(prefix) :] for key in self.content if key.startswith(prefix))
            return sorted({rest.split("/")[0] for rest in below if "/" in rest})

        yield from (f"{prefix}{name}/" for name in self._call(f"list folders {prefix}", act))

    def put(self, key: str, data: bytes, *, replacing: str | None = None) -> str:
        """Write a small object, on its condition."""

        def act() -> str:
            there = self.content.get(key)
            if (there.etag if there else None) != replacing:
                raise AlreadyExists(self.uri(key))
            return self._write(key, data)

        return self._call(f"put {key}", act)

    def tag(self, key: str, tags: Mapping[str, str]) -> None:
        """Give the object other tags."""

        def act() -> None:
            self._found(key).tags = dict(tags)

        self._call(f"tag {key} {dict(tags)}", act)

    @contextmanager
    def create(self, key: str) -> Iterator["Upload"]:
        """Stream an object that appears whole at the end."""
        if self.head(key) is not None:
            raise AlreadyExists(self.uri(key))
        upload = Upload(self, key)
        yield upload

        def act() -> None:
            if key in self.content:
                raise AlreadyExists(self.uri(key))
            self._write(key, bytes(upload.data))

        self._call(f"complete the upload of {key}", act)

    @contextmanager
    def assemble(self, key: str, executor: Executor) -> Iterator[Joining]:
        """Stream an object made of others."""
        with self.create(key) as upload:
            yield Joining(upload, executor)  # type: ignore[arg-type]  # it only writes

    def unstage(self, prefix: str) -> None:
        """Delete what was staged."""
        if not prefix.startswith(STAGING_PREFIX):
            raise Refused(f"{self.uri(prefix)} is not below {STAGING_PREFIX}")

        def act() -> None:
            for key in [key for key in self.content if key.startswith(prefix)]:
                del self.content[key]

        self._call(f"unstage {prefix}", act)

    # --- Deletion --------------------------------------------------------------------------------

    def locked(self, key: str) -> str | None:
        """Nothing is under Object Lock here."""
        return self._call(f"locks of {key}", lambda: None)

    def tags(self, key: str) -> dict[str, str]:
        """The object's tags."""
        return self._call(f"tags of {key}", lambda: dict(self._found(key).tags))

    def remove(self, key: str) -> None:
        """Delete the object; versions are not kept here."""
        self._call(f"delete {key}", lambda: self._delete(key, "deleted"))

    hide = remove

    def left(self, key: str) -> int:
        """1 or 0."""
        return self._call(f"versions of {key}", lambda: int(key in self.content))

    def expire(self, tag: tuple[str, str], days: int) -> None:
        """The lifecycle rule of a tag, as AWS runs it once a day; it is no process of ours."""
        old = self.host.time - timedelta(days=days)
        for key, found in sorted(self.content.items()):
            if found.tags.get(tag[0]) == tag[1] and found.modified <= old:
                self._delete(key, "expired")

    # --- inside ----------------------------------------------------------------------------------

    def _call(
        self, what: str, act: Callable[[], Result], faults: tuple[Fault, ...] = REQUEST_FAULTS
    ) -> Result:
        return self.host.call(what, act, faults)

    def _found(self, key: str) -> Stored:
        if (found := self.content.get(key)) is None:
            raise NotFound(f"{self.uri(key)} is not there")
        return found

    def _info(self, key: str) -> ObjectInfo | None:
        found = self.content.get(key)
        if found is None:
            return None
        return ObjectInfo(key, len(found.data), found.etag, found.modified)

    def _write(self, key: str, data: bytes) -> str:
        etag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
        self.content[key] = Stored(data, self.host.time, etag)
        for listener in self.on_write:
            listener(key, data)
        return etag

    def _delete(self, key: str, how: str) -> None:
        if self.content.pop(key, None) is not None:
            for listener in self.on_delete:
                listener(key, how)


@dataclass(eq=False)
class Upload:
    """The sink of ``create``; every few kilobytes are a part, and a request."""

    bucket: Bucket
    key: str
    data: bytearray = field(default_factory=bytearray)
    sent: int = 0

    def write(self, data: bytes, /) -> None:
        """Append."""
        self.data += data
        if len(self.data) - self.sent > 2_000:
            self.sent = len(self.data)
            self.bucket._call(f"send a part of {self.key}", lambda: None)


@dataclass(frozen=True)
class OpenedObject:
    """One object as it was when it was opened."""

    bucket: Bucket
    key: str
    size: int
    etag: str

    @property
    def name(self) -> str:
        """The URI."""
        return self.bucket.uri(self.key)

    def read(self, start: int, length: int) -> bytes:
        """A range; no checksum of S3 covers it."""
        if start + length > self.size:
            raise BadArchive(self.name, f"ends before byte {start + length}")

        def act() -> bytes:
            found = self.bucket._found(self.key)
            if found.etag != self.etag:
                raise BadArchive(self.name, "was replaced while it was read")
            return found.data[start : start + length]

        what = f"read {self.key} from {start}"
        return self.bucket._call(what, act, READ_FAULTS)
