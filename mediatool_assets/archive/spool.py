"""Rows on their way into an archive: compressed blocks in a file, made by one worker.

A tar header holds its file's size, so that a file's content must be known to its end before its
first byte can be written. What waits on disk for that is compressed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from xxhash import xxh3_128_intdigest

from mediatool_assets.archive.gzip_members import compress
from mediatool_assets.domain.fingerprint import Fingerprint

BLOCK_BYTES = 1 << 21
"""Content of a block, at least, before it is closed: large enough that an index of a terabyte stays
within megabytes, small enough that a reader holds little."""


class SpooledBlock(NamedTuple):
    """One compressed block of a spool file, in the order of the file."""

    length: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Spooled:
    """What a worker hands to the writer: a spool file and what it counted on the way in."""

    path: Path
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


def spool_rows(path: Path, batches: Iterable[Sequence[bytes]], end: bytes) -> Spooled:
    """Compress rows into ``path``; ``end`` follows each (a newline for NDJSON, nothing for BSON).

    Blocks are cut by the rows alone, so that the same rows give the same bytes. Memory: one batch
    and one block.
    """
    blocks: list[SpooledBlock] = []
    count = digest = 0
    with path.open("wb") as file:
        for rows in _blocks(batches, len(end)):
            data = end.join(rows) + end
            packed = compress(data)
            file.write(packed)
            blocks.append(SpooledBlock(len(packed), len(rows), len(data)))
            count += len(rows)
            digest += sum(map(xxh3_128_intdigest, rows))
    return Spooled(path, tuple(blocks), Fingerprint(count, digest % (1 << 128)))


def _blocks(batches: Iterable[Sequence[bytes]], overhead: int) -> Iterator[list[bytes]]:
    """Regroup batches into blocks of BLOCK_BYTES or, with the last row, a little more."""
    block: list[bytes] = []
    size = 0
    for batch in batches:
        for row in batch:
            block.append(row)
            size += len(row) + overhead
            if size >= BLOCK_BYTES:
                yield block
                block, size = [], 0
    if block:
        yield block
