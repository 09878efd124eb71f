"""Spools: the compressed rows of one worker, in a file, before they become part of an archive.

A tar header contains its file's size, so the whole file must be known before its first byte is
written. Until then, the compressed rows wait on the local disk or staged in the bucket.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from xxhash import xxh3_64_intdigest

from mediatool_assets.archive.gzip_members import compress, decompress
from mediatool_assets.archive.reader import (
    Bytes,
    LocalFile,
    cut_documents,
    documents_fingerprint,
    rows_fingerprint,
)
from mediatool_assets.domain.errors import BadArchive
from mediatool_assets.domain.fingerprint import Fingerprint

BLOCK_BYTES = 1 << 21
"""The least content of a block before it is closed. Large, so that the index of a terabyte stays
within megabytes; small, so that a reader needs little memory.
"""

_RUN_BYTES = 1 << 23  # adjacent blocks of a spool are read together up to this size


class SpooledBlock(NamedTuple):
    """One compressed block of a spool file, in the order of the file."""

    length: int
    rows: int
    bytes: int
    digest: str
    """SHA-256 of the content, as the worker compressed it."""
    checksum: int
    """XXH3-64 of the compressed bytes: they can be checked without being unpacked."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """What a worker passes to the writer: the position of its blocks, and its counts.

    ``source`` contains the blocks one after the other, and nothing else.
    """

    source: Bytes
    blocks: tuple[SpooledBlock, ...]
    fingerprint: Fingerprint

    @property
    def rows(self) -> int:
        """Rows in the file."""
        return self.fingerprint.count

    @property
    def bytes(self) -> int:
        """Uncompressed bytes in the file."""
        return sum(block.bytes for block in self.blocks)

    @property
    def length(self) -> int:
        """Compressed bytes in the file."""
        return sum(block.length for block in self.blocks)

    def runs(self) -> "Iterator[BlockRun]":
        """The whole file, in parts to read at once: at most 8 MiB, or one block."""
        start, run = 0, list[SpooledBlock]()
        for block in self.blocks:
            if run and sum(each.length for each in run) + block.length > _RUN_BYTES:
                yield BlockRun(self.source, start, tuple(run))
                start, run = start + sum(each.length for each in run), []
            run.append(block)
        if run:
            yield BlockRun(self.source, start, tuple(run))


class BlockRun(NamedTuple):
    """Adjacent blocks of a spool; ``start`` is their offset in it."""

    source: Bytes
    start: int
    blocks: tuple[SpooledBlock, ...]

    @property
    def length(self) -> int:
        """Compressed bytes."""
        return sum(block.length for block in self.blocks)

    def read(self) -> bytes:
        """The compressed blocks."""
        return self.source.read(self.start, self.length)

    def proven(self) -> bytes:
        """The compressed blocks, after a check of the digests of their content; raises BadArchive.

        For a spool that others can write to: there, a checksum of the compressed bytes is not
        enough.
        """
        found = list(self.packed())
        for block, packed in found:
            content = decompress(packed, self.source.name, block.bytes)
            if hashlib.sha256(content).hexdigest() != block.digest:
                problem = "a block does not have the SHA-256 that its worker gave it"
                raise BadArchive(
                    self.source.name, problem, "check who can write there; run it again"
                )
        return b"".join(packed for _, packed in found)

    def packed(self) -> Iterator[tuple[SpooledBlock, bytes]]:
        """Each block with its compressed bytes; raises BadArchive if they have changed."""
        data, start = self.read(), 0
        for block in self.blocks:
            packed = data[start : start + block.length]
            start += block.length
            if xxh3_64_intdigest(packed) != block.checksum:
                problem = "a block changed after a worker had written it"
                raise BadArchive(self.source.name, problem, "check the disk, and run it again")
            yield block, packed

    def contents(self) -> Iterator[bytes]:
        """The content of each block; raises BadArchive."""
        for block, packed in self.packed():
            yield decompress(packed, self.source.name, block.bytes)


def discard(source: Bytes) -> None:
    """Delete a spool on the local disk; spools in a bucket are deleted together at the end."""
    if isinstance(source, LocalFile):
        source.path.unlink()


def spool_rows(
    path: Path, batches: Iterable[Sequence[bytes]], *, unpacked: bool = False
) -> Spooled:
    """Compress rows into ``path`` as NDJSON: a newline follows each.

    The rows alone determine the blocks, so the same rows give the same bytes. With ``unpacked``
    each block is unpacked again and compared with its content; raises BadArchive. Memory: one batch
    and one block.
    """

    blocks = ((b"\n".join([*rows, b""]), partial(_fingerprint, rows)) for rows in _blocks(batches))
    return _spooled(path, blocks, unpacked=unpacked)


def spool_documents(path: Path, batches: Iterable[bytes], *, unpacked: bool = False) -> Spooled:
    """Compress BSON documents; a batch is whole documents, one after the other.

    Blocks and ``unpacked`` are as for ``spool_rows``. Raises ValueError if a document's length is
    impossible.
    """
    blocks = ((data, documents_fingerprint) for data in _document_blocks(batches))
    return _spooled(path, blocks, unpacked=unpacked)


def _spooled(
    path: Path, contents: Iterable[tuple[bytes, Callable[[bytes], Fingerprint]]], *, unpacked: bool
) -> Spooled:
    """Compress blocks, each with the function that makes its fingerprint."""
    blocks: list[SpooledBlock] = []
    fingerprint = Fingerprint()
    with path.open("wb") as file:
        for data, fingerprint_of in contents:
            packed = _checked(path, data) if unpacked else compress(data)
            file.write(packed)
            found = fingerprint_of(data)
            blocks.append(_described(data, packed, found.count))
            fingerprint += found
    return Spooled(LocalFile(path), tuple(blocks), fingerprint)


def _checked(path: Path, data: bytes) -> bytes:
    """Compress a block; raises BadArchive if it does not unpack to the same bytes."""
    packed = compress(data)
    if decompress(packed, str(path), len(data)) != data:
        problem = "a block does not unpack to what was packed"
        raise BadArchive(str(path), problem, "check the memory, and run it again")
    return packed


def _described(data: bytes, packed: bytes, rows: int) -> SpooledBlock:
    """A block with the digests of its content and of its compressed bytes."""
    digest, checksum = hashlib.sha256(data).hexdigest(), xxh3_64_intdigest(packed)
    return SpooledBlock(len(packed), rows, len(data), digest, checksum)


def _fingerprint(rows: Sequence[bytes], data: bytes) -> Fingerprint:
    """The fingerprint of a block; of the rows one by one if readers would cut it elsewhere."""
    found = rows_fingerprint(data)
    return found if found.count == len(rows) else Fingerprint.of(rows)


def _blocks(batches: Iterable[Sequence[bytes]]) -> Iterator[list[bytes]]:
    """Regroup batches into blocks of BLOCK_BYTES or, with the last row, a little more."""
    block: list[bytes] = []
    size = 0
    for batch in batches:
        for row in batch:
            block.append(row)
            size += len(row) + 1
            if size >= BLOCK_BYTES:
                yield block
                block, size = [], 0
    if block:
        yield block


def _document_blocks(batches: Iterable[bytes]) -> Iterator[bytes]:
    """The same for documents that are one after the other."""
    block: list[memoryview] = []
    size = 0
    for batch in batches:
        start = 0
        while start < len(batch):
            end = cut_documents(batch, start, BLOCK_BYTES - size)
            block.append(memoryview(batch)[start:end])
            size += end - start
            start = end
            if size >= BLOCK_BYTES:
                yield b"".join(block)
                block, size = [], 0
    if block:
        yield b"".join(block)
