"""Writes an archive to a sink, and compares the content with what the workers counted.

Spools: the compressed rows of one worker, in a file, before they become part of an archive.

A tar header contains its file's size, so the whole file must be known before its first byte is
written. Until then, the compressed rows wait on the local disk or staged in the bucket.

Writes an archive from rows that workers read and send; the coordinator handles only counts.
"""

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
from xxhash import xxh3_64_intdigest

from mediatool_assets.archive import MANIFEST, compress, decompress, footer
from mediatool_assets.archive.reader import (
    Bytes,
    LocalFile,
    cut_documents,
    documents_fingerprint,
    rows_fingerprint,
)
from mediatool_assets.core import manifest as manifests
from mediatool_assets.core.errors import BadArchive
from mediatool_assets.core.manifest import (
    ArchiveKind,
    Block,
    Fingerprint,
    Manifest,
    Member,
    digest_of,
)
from mediatool_assets.core.version import Version

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


class Sink(Protocol):
    """Accepts bytes in order; they are only valid after its owner has closed it successfully."""

    def write(self, data: bytes, /) -> object:
        """Write all of ``data``."""


class ArchiveWriter:
    """One archive, member by member; call ``finish`` last.

    Members are written as they are added; the order of the calls is the order in the archive. The
    writer keeps only the index in memory.
    """

    def __init__(self, sink: Sink, kind: manifests.ArchiveKind, version: Version) -> None:
        self._sink, self._kind, self._version = sink, kind, version
        self._offset = 0
        self._padding = b""
        self._members: list[Member] = []

    def add_file(self, name: str, data: bytes) -> Member:
        """Add a small file that is held in memory."""
        self._header(name, len(data))
        packed = compress(data)
        block = self._next(len(packed), 0, len(data), hashlib.sha256(data).hexdigest())
        self._sink.write(packed)
        return self._close(Member(name, 0, len(data), (block,), digest_of([block])))

    def add_rows(
        self,
        name: str,
        spools: Sequence[Spooled],
        *,
        table: str | None = None,
        collection: str | None = None,
    ) -> Member:
        """Add a file of rows from its workers' spools, in order, and delete the spools.

        The compressed blocks are copied, and compared with the workers' checksums: raises
        BadArchive.
        """
        size = sum(spool.bytes for spool in spools)
        self._header(name, size)
        blocks = tuple(
            self._next(block.length, block.rows, block.bytes, block.digest)
            for spool in spools
            for block in spool.blocks
        )
        self._ship(spools)
        fingerprint = sum((spool.fingerprint for spool in spools), Fingerprint())
        return self._close(
            Member(
                name,
                fingerprint.count,
                size,
                blocks,
                digest_of(blocks),
                fingerprint=str(fingerprint),
                table=table,
                collection=collection,
            )
        )

    def _ship(self, spools: Sequence[Spooled]) -> None:
        """Write the blocks of the spools."""
        for spool in spools:
            for run in spool.runs():
                for _, packed in run.packed():
                    self._sink.write(packed)
            discard(spool.source)

    def finish(self, manifest: Manifest | None = None) -> Manifest:
        """Write the manifest, the end of the tar file and the footer; return the manifest.

        ``manifest`` provides source, exclusions, warnings and facts; the writer sets format, kind,
        version and members.
        """
        own = Manifest(manifests.FORMAT, self._kind, str(self._version), tuple(self._members))
        if manifest is not None:
            own = msgspec.structs.replace(
                manifests.shortened(manifest),
                format=own.format,
                kind=own.kind,
                version=own.version,
                members=own.members,
            )
        data = own.to_json()
        self._header(MANIFEST, len(data))
        packed = compress(data)
        start = self._offset
        self._write(packed)
        self._write(compress(bytes(-len(data) % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE)))
        self._write(footer(start, len(packed)))
        return own

    def _header(self, name: str, size: int) -> None:
        info = tarfile.TarInfo(f"{self._version}/{name}")
        info.size = size
        info.mtime = int(self._version.moment.timestamp())
        header = info.tobuf(tarfile.PAX_FORMAT)
        self._write(compress(self._padding + header))
        self._padding = bytes(-size % tarfile.BLOCKSIZE)

    def _next(self, length: int, rows: int, size: int, digest: str) -> Block:
        """The next block, with ``length`` compressed bytes."""
        block = Block(self._offset, length, rows, size, digest)
        self._offset += length
        return block

    def _close(self, member: Member) -> Member:
        self._members.append(member)
        return member

    def _write(self, data: bytes) -> None:
        self._sink.write(data)
        self._offset += len(data)


class JoiningSink(Sink, Protocol):
    """A sink that accepts references to bytes instead of the bytes."""

    def copy(self, run: BlockRun, /) -> object:
        """Append blocks by reference. Workers read and verify them; the source must not change."""


class JoiningWriter(ArchiveWriter):
    """An ArchiveWriter whose spools are in a place that workers and the sink can read.

    It writes the same bytes as an ArchiveWriter.
    """

    def __init__(self, sink: JoiningSink, kind: ArchiveKind, version: Version) -> None:
        super().__init__(sink, kind, version)
        self._joining = sink

    def _ship(self, spools: Sequence[Spooled]) -> None:
        for spool in spools:
            for run in spool.runs():
                self._joining.copy(run)
