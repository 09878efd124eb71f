"""Reads all bytes of an archive in order, ahead of their use, and computes their SHA-256."""

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from mediatool_assets.archive.reader import Bytes
from mediatool_assets.domain.errors import BadArchive, MediatoolError

_RANGE_BYTES = 8 << 20
_AHEAD = 4  # concurrent range requests: S3 takes about 50 ms to answer one


def stream(source: Bytes) -> Iterator[bytes]:
    """All of ``source`` in order, some ranges ahead; memory: five ranges of 8 MiB."""
    starts = range(0, source.size, _RANGE_BYTES)
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(_AHEAD, thread_name_prefix="stream") as pool:
        for start in starts:
            length = min(_RANGE_BYTES, source.size - start)
            waiting.append(pool.submit(source.read, start, length))
            if len(waiting) == _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class HashedStream:
    """A source whose SHA-256 is computed while its ranges are read in order, from the same bytes.

    A range that is not near the one before is read by itself. Memory: that of ``stream``, and one
    range.
    """

    def __init__(self, source: Bytes) -> None:
        self._source, self._chunks = source, stream(source)
        self._digest = hashlib.sha256()
        self._begin, self._kept = 0, b""  # what was read last, and its first byte's position
        self._failed: MediatoolError | None = None

    @property
    def name(self) -> str:
        """The source's name."""
        return self._source.name

    @property
    def size(self) -> int:
        """The source's size."""
        return self._source.size

    def read(self, start: int, length: int) -> bytes:
        """As ``Bytes.read``."""
        end = start + length
        if not self._begin <= start <= self._begin + len(self._kept) + _RANGE_BYTES:
            return self._source.read(start, length)
        while self._begin + len(self._kept) < end:
            chunk = self._next()
            kept = self._kept[max(0, start - self._begin) :]
            self._begin += len(self._kept) - len(kept)
            self._kept = kept + chunk
        return self._kept[start - self._begin : end - self._begin]

    def sha256(self) -> str:
        """The SHA-256 of the whole source, which is read to its end; raises as ``read``."""
        while self._begin + len(self._kept) < self.size:
            self._begin += len(self._kept)
            self._kept = self._next()
        return self._digest.hexdigest()

    def _next(self) -> bytes:
        """The next chunk; an error of the source is raised again by every later call."""
        if self._failed is not None:
            raise self._failed
        try:
            chunk = next(self._chunks, b"")
        except MediatoolError as error:
            self._failed = error
            raise
        if not chunk:
            raise BadArchive(self.name, f"ends before byte {self.size}")
        self._digest.update(chunk)
        return chunk


def sha256_of(source: Bytes) -> str:
    """For workers: the SHA-256 of an archive, read from the bucket to its end."""
    digest = hashlib.sha256()
    for data in stream(source):
        digest.update(data)
    return digest.hexdigest()
