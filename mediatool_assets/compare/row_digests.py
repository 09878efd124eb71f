"""The work on a table's blocks: skip equal ones, digest rows, digest columns."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from mediatool_assets.archive.grouping import grouped
from mediatool_assets.archive.reader import ArchiveReader, Bytes, split_lines
from mediatool_assets.domain.errors import BadArchive
from mediatool_assets.domain.fingerprint import Fingerprint
from mediatool_assets.domain.manifest import Block, Member
from mediatool_assets.flows.compare.row_digests import HASHED, RowHasher
from mediatool_assets.flows.compare.spill import Spill, SpillSlice, read
from mediatool_assets.flows.formats.deep_json import deep_recursion

SHARE_BYTES = 1 << 25
"""Bytes of content for each worker's share: 0.2 s of work, and a millisecond to hand out."""

_ROW_BYTES = 128  # minimum that a row counts for, since its record is held several times
_RANGE_BYTES = 1 << 22  # of possibly equal blocks: each worker reads both sides at once

Numbered = tuple[tuple[int, Block], ...]
"""Blocks of a member with their numbers in it."""

WANTED = np.dtype([("block", "<u4"), ("line", "<u4"), ("bucket", "<u4"), ("index", "<u4")])
"""A changed row: its place, and the number of its pair in its bucket."""


@dataclass(frozen=True, slots=True)
class Side:
    """One version's table: where its rows are, and how they are read."""

    source: Bytes
    hasher: RowHasher

    def contents(self, blocks: Numbered) -> Iterator[tuple[int, list[bytes]]]:
        """Yield the lines of each block with its number; raises BadArchive if one lacks rows."""
        reader = ArchiveReader(self.source)
        contents = reader.blocks([block for _, block in blocks])
        for (number, block), content in zip(blocks, contents, strict=True):
            lines = split_lines(content)
            if len(lines) != block.rows:
                raise BadArchive(
                    self.source.name,
                    f"{self.hasher.table.name}: the block at byte {block.offset} holds "
                    f"{len(lines)} rows, its manifest says {block.rows}",
                )
            yield number, lines

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """Report rows that do not fit the table as BadArchive; allow PostgreSQL's nesting depth."""
        try:
            with deep_recursion():
                yield
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            table = self.hasher.table.name
            raise BadArchive(
                self.source.name, f"{table}: does not match its schema ({error})"
            ) from error


def shares_of(blocks: Sequence[tuple[int, Block]]) -> list[Numbered]:
    """Split blocks into shares of about SHARE_BYTES of content, in order."""

    def size(numbered: tuple[int, Block]) -> int:
        return max(numbered[1].bytes, _ROW_BYTES * numbered[1].rows)

    return [tuple(share) for share in grouped(blocks, size, SHARE_BYTES)]


@dataclass(frozen=True, slots=True)
class EqualBlocks:
    """Pairs of blocks that may have the same bytes, with their numbers in both members."""

    one: Bytes
    two: Bytes
    pairs: tuple[tuple[int, Block, int, Block], ...]


def block_pairs(one: Sequence[Block], two: Sequence[Block]) -> list[tuple[int, Block, int, Block]]:
    """Pair blocks of equal length, rows and digest, each once, in order (finds appended tables)."""
    waiting: dict[tuple[int | str, ...], list[int]] = {}
    for number in reversed(range(len(two))):
        waiting.setdefault(two[number][1:], []).append(number)
    found = []
    for number, block in enumerate(one):
        if candidates := waiting.get(block[1:]):
            other = candidates.pop()
            found.append((number, block, other, two[other]))
    return found


def equal_blocks(twins: EqualBlocks) -> list[tuple[int, int]]:
    """Return the numbers of the pairs whose compressed bytes are equal."""
    equal = []
    for run in _runs(twins.pairs):
        first, second = run[0][1].offset, run[0][3].offset
        length = run[-1][1].offset + run[-1][1].length - first
        one, two = twins.one.read(first, length), twins.two.read(second, length)
        for number, block, other, twin in run:
            begin, start = block.offset - first, twin.offset - second
            if one[begin : begin + block.length] == two[start : start + block.length]:
                equal.append((number, other))
    return equal


def _runs(
    pairs: Sequence[tuple[int, Block, int, Block]],
) -> Iterator[list[tuple[int, Block, int, Block]]]:
    """Group pairs that are adjacent on both sides, up to _RANGE_BYTES: one request per side."""
    run: list[tuple[int, Block, int, Block]] = []
    for pair in pairs:
        if run:
            last = run[-1]
            adjoin = all(
                pair[side].offset == last[side].offset + last[side].length  # type: ignore[union-attr]  # 1 and 3 are blocks
                for side in (1, 3)
            )
            if not adjoin or pair[1].offset + pair[1].length - run[0][1].offset > _RANGE_BYTES:
                yield run
                run = []
        run.append(pair)
    if run:
        yield run


@dataclass(frozen=True, slots=True)
class HashShare:
    """Rows to digest, and the number of key buckets to distribute them to."""

    side: Side
    blocks: Numbered
    buckets: int
    path: Path


def hash_rows(share: HashShare) -> tuple[Spill, Fingerprint]:
    """Write a record for each row to a file; returns it and the fingerprint; raises BadArchive."""
    found, fingerprint = [np.empty(0, HASHED)], Fingerprint()
    with share.side.decoding():
        for number, lines in share.side.contents(share.blocks):
            records, of_block = share.side.hasher.hashed(lines, number)
            found.append(records)
            fingerprint += of_block
    records = np.concatenate(found)
    buckets = (records["k0"] % np.uint64(share.buckets)).astype(np.int64)
    return Spill.write(share.path, records, buckets, share.buckets), fingerprint


@dataclass(frozen=True, slots=True)
class ColumnShare:
    """Changed rows whose columns are digested, and the number of buckets they belong to."""

    side: Side
    blocks: Numbered
    wanted: tuple[SpillSlice, ...]
    buckets: int
    path: Path


def columns_type(columns: int) -> np.dtype[np.void]:
    """The record of a changed row: its pair in its bucket, its place, a digest of each column."""
    return np.dtype(
        [("index", "<u4"), ("block", "<u4"), ("line", "<u4"), ("values", "<u8", (columns,))]
    )


def hash_columns(share: ColumnShare) -> Spill:
    """Write a record for each wanted row to a file; raises BadArchive."""
    wanted = read(share.wanted, WANTED)
    wanted = wanted[np.lexsort((wanted["line"], wanted["block"]))]
    found = np.empty(len(wanted), columns_type(len(share.side.hasher.matching.columns)))
    for name in ("index", "block", "line"):
        found[name] = wanted[name]
    needed = set(np.unique(wanted["block"]).tolist())
    blocks = tuple(pair for pair in share.blocks if pair[0] in needed)
    with share.side.decoding():
        for number, lines in share.side.contents(blocks):
            begin, end = np.searchsorted(wanted["block"], [number, number + 1])
            chosen = [lines[line] for line in wanted["line"][begin:end].tolist()]
            found["values"][begin:end] = share.side.hasher.column_digests(chosen)
    return Spill.write(share.path, found, wanted["bucket"].astype(np.int64), share.buckets)


def verify(member: tuple[Side, Member]) -> None:
    """Read a whole table; raises BadArchive if it does not match its manifest."""
    side, stated = member
    ArchiveReader(side.source).verify(stated)


def read_lines(
    side: Side, blocks: Numbered, places: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], bytes]:
    """Return the lines at these places, as (number of the block, line in it)."""
    needed = {block for block, _ in places}
    found: dict[tuple[int, int], bytes] = {}
    for number, lines in side.contents(tuple(pair for pair in blocks if pair[0] in needed)):
        found |= {(b, line): lines[line] for b, line in places if b == number}
    return found
