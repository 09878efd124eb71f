"""Reads an archive by range: its manifest first, then only the requested blocks.

Reads all bytes of an archive in order, ahead of their use, and computes their SHA-256.

Groups blocks by size into the work of one worker or the range of one request.
"""

import hashlib
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from ctypes import c_uint64
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Protocol, Self, TypeVar

import msgspec

from mediatool_assets.archive import (
    FOOTER_BYTES,
    LARGEST_MANIFEST,
    LocatedManifest,
    check_gaps,
    check_index,
    decompress,
    parse_footer,
    small_ranges,
)
from mediatool_assets.core import manifest as manifests
from mediatool_assets.core.errors import BadArchive, MediatoolError, NotFound
from mediatool_assets.core.manifest import Block, Fingerprint, Manifest, Member
from mediatool_assets.core.schema import Schema
from mediatool_assets.native import library

_TAIL_BYTES = 1 << 18  # contains the manifest of about 5 GB of rows: most archives need one request
_RANGE_BYTES = 1 << 23  # adjacent blocks are fetched together, up to this size
_AHEAD_BYTES = 1 << 16  # read with a small range: its neighbours then need no request
_TOGETHER = 8  # concurrent requests for small ranges: S3 takes about 50 ms to answer one


class Bytes(Protocol):
    """An object or a local file, with its name and size, that is read by range.

    ``read`` returns exactly ``length`` bytes, or raises BadArchive or a store's own error.
    Implementations can be pickled, for workers.
    """

    @property
    def name(self) -> str:
        """A URI or path, for messages."""

    @property
    def size(self) -> int:
        """Its length in bytes."""

    def read(self, start: int, length: int) -> bytes:
        """The bytes from ``start`` on."""


@dataclass(frozen=True)
class LocalFile:
    """An archive on the local disk."""

    path: Path

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self.path.stat().st_size

    def read(self, start: int, length: int) -> bytes:
        """Read a range; raises BadArchive if the file is too short."""
        with self.path.open("rb") as file:
            file.seek(start)
            data = file.read(length)
        if len(data) != length:
            raise BadArchive(self.name, f"ends before byte {start + length}")
        return data


class _SmallRanges:
    """Reads small ranges, each with what follows it; keeps the last one, and those fetched before.

    A kept range is its first byte's position, and its bytes.
    """

    def __init__(self, source: Bytes) -> None:
        self.source = source
        self._last = (0, b"")
        self._fetched: list[tuple[int, bytes]] = []

    def __reduce__(self) -> tuple[type[Self], tuple[Bytes]]:
        return type(self), (self.source,)

    def tail(self, length: int) -> bytes:
        """Read and keep the last bytes of the source, at most ``length``."""
        start = max(0, self.source.size - length)
        data = self.source.read(start, self.source.size - start)
        self._fetched.append((start, data))
        return data

    def fetch(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Read and keep the ranges from ``start`` to ``end``, several at a time."""
        missing = [(start, end - start) for start, end in ranges if not self._kept(start, end)]
        with ThreadPoolExecutor(_TOGETHER, thread_name_prefix="small-ranges") as pool:
            read = pool.map(lambda each: self.source.read(*each), missing)
            self._fetched += zip((start for start, _ in missing), read, strict=True)

    def read(self, start: int, length: int) -> bytes:
        """As ``Bytes.read``."""
        kept = self._kept(start, start + length)
        if kept is None:
            ahead = max(length, min(_AHEAD_BYTES, self.source.size - start))
            kept = self._last = (start, self.source.read(start, ahead))
        begin, data = kept
        return data[start - begin :][:length]

    def _kept(self, start: int, end: int) -> tuple[int, bytes] | None:
        """The kept range that holds all bytes from ``start`` to ``end``, if there is one."""
        for begin, data in (self._last, *self._fetched):
            if begin <= start <= end <= begin + len(data):
                return begin, data
        return None


class ArchiveReader:
    """One archive, opened from its end. It can be pickled and passed to workers."""

    def __init__(self, source: Bytes) -> None:
        self.source = source
        self._small = _SmallRanges(source)

    @property
    def manifest(self) -> Manifest:
        """The archive's manifest; raises BadArchive if it is damaged or of another program."""
        return self._index.manifest

    @property
    def digest(self) -> str:
        """The digest of the archive, which covers all of its content; raises BadArchive."""
        return self._index.digest

    def check_tar(self) -> None:
        """Compare what tar would unpack with the manifest; raises BadArchive if they differ.

        For an archive from outside, before it is used. It reads, and keeps, all that is between
        the rows.
        """
        self._small.fetch(small_ranges(self._index, self.source.size))
        check_gaps(self._index, self.source.size, self._small.read, self.source.name)

    @cached_property
    def _index(self) -> LocatedManifest:
        name, size = self.source.name, self.source.size
        tail = self._small.tail(_TAIL_BYTES)
        tail_start = size - len(tail)
        offset, length = parse_footer(tail, name)
        if not 0 < length <= size - FOOTER_BYTES - offset:
            raise BadArchive(name, "its footer points outside of it")
        if offset >= tail_start:
            packed = tail[offset - tail_start :][:length]
        elif length > LARGEST_MANIFEST:
            raise BadArchive(name, f"its manifest cannot have {length} bytes")
        else:
            packed = self.source.read(offset, length)
        data = decompress(packed, name, LARGEST_MANIFEST)
        try:
            manifest = Manifest.from_json(data)
        except msgspec.MsgspecError as error:
            raise BadArchive(name, f"its manifest cannot be read ({error})") from error
        if manifest.format not in (manifests.FORMAT, manifests.FORMAT_1):
            raise BadArchive(name, f"format {manifest.format[:40]!r} is not {manifests.FORMAT!r}")
        digest = manifests.archive_digest(data)
        index = LocatedManifest(manifest, digest, offset, length, len(data))
        check_index(index, name)
        return index

    def member(self, name: str) -> Member:
        """The member with that file name; raises NotFound naming the archive."""
        member = self.manifest.member(name)
        if member is None:
            raise NotFound(f"{self.source.name} has no {name}; its manifest lists what it has")
        return member

    def read_file(self, name: str) -> bytes:
        """A small file, whole, checked against its digest."""
        member = self.member(name)
        data = b"".join(self._blocks(member.blocks, self._small.read))
        if member.sha256 and hashlib.sha256(data).hexdigest() != member.sha256:
            raise BadArchive(self.source.name, f"{name} does not have its SHA-256")
        return data

    def schema(self) -> Schema:
        """The tables of a raw archive; raises BadArchive if rows of other tables are in it."""
        try:
            schema = Schema.from_json(self.read_file("schema.json"))
        except msgspec.MsgspecError as error:
            raise BadArchive(self.source.name, f"schema.json cannot be read ({error})") from error
        unknown = self.manifest.tables().keys() - {table.name for table in schema.tables}
        if unknown:
            raise BadArchive(
                self.source.name,
                f"has rows of {', '.join(sorted(unknown))}, which schema.json does not list",
            )
        return schema

    def blocks(self, blocks: Sequence[Block]) -> Iterator[bytes]:
        """The content of the blocks, one by one; adjacent blocks are fetched together.

        Raises BadArchive, naming file and block, if a block's content does not have the length and
        the digest in the manifest; a block of format 1 has no digest.
        """
        return self._blocks(blocks, self.source.read)

    def _blocks(
        self, blocks: Sequence[Block], read: Callable[[int, int], bytes]
    ) -> Iterator[bytes]:
        for run in _runs(blocks):
            start = run[0].offset
            data = read(start, run[-1].offset + run[-1].length - start)
            for block in run:
                begin = block.offset - start
                try:
                    content = _content(block, data[begin : begin + block.length])
                except BadArchive as error:
                    problem = f"{self.place(block)}: {error.problem}"
                    raise BadArchive(self.source.name, problem) from error
                yield content

    def place(self, block: Block) -> str:
        """A block's file, number and byte range in the archive, for ``aws s3api --range``."""
        place = f"bytes {block.offset}-{block.offset + block.length - 1}"
        with suppress(BadArchive):  # the block's caller has read the manifest
            for member in self.manifest.members:
                for number, each in enumerate(member.blocks, 1):
                    if each.offset == block.offset:
                        return f"{member.name}, block {number} of {len(member.blocks)} ({place})"
        return place

    def verify(self, member: Member) -> None:
        """Re-read every byte of a member; raises BadArchive if it differs from the manifest."""
        for _ in self.contents(member):
            pass

    def contents(self, member: Member) -> Iterator[bytes]:
        """The whole content of a member, block by block, checked as a whole at its end.

        Raises BadArchive if it differs from the manifest: the content is verified only after the
        last block.
        """
        digest, fingerprint = hashlib.sha256(), Fingerprint()
        of_block = documents_fingerprint if member.collection is not None else rows_fingerprint
        for content in self.blocks(member.blocks):
            if member.sha256:
                digest.update(content)
            if member.fingerprint is not None:
                try:
                    fingerprint += of_block(content)
                except ValueError as error:
                    raise BadArchive(self.source.name, f"{member.name}: {error}") from error
            yield content
        if member.sha256 and digest.hexdigest() != member.sha256:
            raise BadArchive(self.source.name, f"{member.name} does not have its SHA-256")
        if member.fingerprint is not None and str(fingerprint) != member.fingerprint:
            raise BadArchive(self.source.name, f"{member.name} does not have its fingerprint")


def _content(block: Block, packed: bytes) -> bytes:
    content = decompress(packed, "", block.bytes)
    if len(content) != block.bytes:
        raise BadArchive("", f"it holds {len(content)} bytes, its manifest says {block.bytes}")
    if block.digest and hashlib.sha256(content).hexdigest() != block.digest:
        raise BadArchive("", "it does not have its SHA-256: it was changed")
    return content


def split_lines(content: bytes) -> list[bytes]:
    """The rows of a block of NDJSON, without their newlines."""
    return content[:-1].split(b"\n") if content else []


def row_count(content: bytes) -> int:
    """How many rows ``split_lines`` finds."""
    if not content:
        return 0
    codec = library()
    if codec is None:
        return content.count(b"\n", 0, -1) + 1
    return int(codec.mt_newlines(content, len(content) - 1)) + 1


def split_documents(content: bytes) -> Iterator[bytes]:
    """The documents of a block of BSON; raises ValueError if a length is impossible."""
    start, end = 0, len(content)
    while start < end:
        stop = start + int.from_bytes(content[start : start + 4], "little")
        if not start + 5 <= stop <= end:
            raise ValueError(f"a BSON document at byte {start} has an impossible length")
        yield content[start:stop]
        start = stop


def cut_documents(content: bytes, start: int, least: int, most: int = sys.maxsize) -> int:
    """The end of the first documents from ``start`` on that have ``least`` bytes together, or more.

    They are at most ``most`` documents, and end where the content ends. ``least`` is positive.
    Raises ValueError if a length is impossible.
    """
    codec = library()
    if codec and (end := codec.mt_cut_documents(content, len(content), start, least, most)):
        return int(end)
    end = start
    for document in islice(split_documents(content[start:]), most):
        end += len(document)
        if end - start >= least:
            break
    return end


def rows_fingerprint(content: bytes) -> Fingerprint:
    """The fingerprint of a block of NDJSON: of its rows, without their newlines."""
    return _compiled("mt_fingerprint_rows", content) or Fingerprint.of(split_lines(content))


def documents_fingerprint(content: bytes) -> Fingerprint:
    """The fingerprint of a block of BSON; raises ValueError where a length does not fit."""
    found = _compiled("mt_fingerprint_documents", content)
    return found or Fingerprint.of(split_documents(content))


def _compiled(function: str, content: bytes) -> Fingerprint | None:
    """None without a codec, or if the codec cannot convert the block."""
    codec = library()
    if codec is None:
        return None
    count, halves = c_uint64(), (c_uint64 * 2)()
    if getattr(codec, function)(content, len(content), count, halves):
        return None
    return Fingerprint(count.value, halves[1] << 64 | halves[0])


def _runs(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Group adjoining blocks into ranges of at most _RANGE_BYTES, or one block."""
    run: list[Block] = []
    for block in blocks:
        if run and (
            block.offset != run[-1].offset + run[-1].length
            or block.offset + block.length - run[0].offset > _RANGE_BYTES
        ):
            yield run
            run = []
        run.append(block)
    if run:
        yield run


_STREAMED_RANGE_BYTES = 8 << 20
_AHEAD = 4  # concurrent range requests: S3 takes about 50 ms to answer one


def stream(source: Bytes) -> Iterator[bytes]:
    """All of ``source`` in order, some ranges ahead; memory: five ranges of 8 MiB."""
    starts = range(0, source.size, _STREAMED_RANGE_BYTES)
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(_AHEAD, thread_name_prefix="stream") as pool:
        for start in starts:
            length = min(_STREAMED_RANGE_BYTES, source.size - start)
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
        if not self._begin <= start <= self._begin + len(self._kept) + _STREAMED_RANGE_BYTES:
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


Item = TypeVar("Item")

_SHARE_BYTES = 1 << 24  # of rows: 2 workers end together within a tenth of a second of work


def block_shares(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Group consecutive blocks into the work of one worker: 16 MiB of rows, or a little more."""
    return grouped(blocks, lambda block: block.bytes, _SHARE_BYTES)


def grouped(
    items: Iterable[Item], size_of: Callable[[Item], int], least: int
) -> Iterator[list[Item]]:
    """Consecutive items in groups of ``least`` or a little more; the last group may be smaller."""
    group: list[Item] = []
    size = 0
    for item in items:
        group.append(item)
        size += size_of(item)
        if size >= least:
            yield group
            group, size = [], 0
    if group:
        yield group
