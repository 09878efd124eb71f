"""Counts nulls and distinct values of key columns, with workers."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from mediatool_assets.archive.grouping import block_shares
from mediatool_assets.archive.reader import ArchiveReader, Bytes, split_lines
from mediatool_assets.domain.errors import BadArchive
from mediatool_assets.domain.manifest import Block, Member
from mediatool_assets.domain.metrics import KeyColumn
from mediatool_assets.domain.schema import Table
from mediatool_assets.flows.compare.row_digests import row_decoder
from mediatool_assets.flows.formats.deep_json import deep_recursion
from mediatool_assets.flows.workers.ordered_results import in_order
from mediatool_assets.native.digests import ColumnHasher
from mediatool_assets.native.library import library

_AHEAD = 8


Hashes = NDArray[np.uint64]
"""XXH3-64 of the distinct values of a column, in order."""


@dataclass(frozen=True, slots=True)
class _KeyColumnShare:
    source: Bytes
    table: Table
    columns: tuple[str, ...]
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class _KeyColumnDigests:
    """For each column: its nulls, and its distinct values."""

    nulls: tuple[int, ...]
    values: tuple[Hashes, ...]


class _DistinctValues:
    """The distinct values of some arrays. They are merged each time their number has doubled."""

    def __init__(self) -> None:
        self._merged, self._more, self._waiting = np.empty(0, np.uint64), list[Hashes](), 0

    def add(self, hashes: Hashes) -> None:
        """Add values, in any order."""
        self._more.append(hashes)
        self._waiting += len(hashes)
        if self._waiting > len(self._merged):
            self.all()

    def all(self) -> Hashes:
        """All that were added, each once, in order."""
        if self._more:
            found = np.sort(np.concatenate([self._merged, *self._more]))
            self._merged = np.concatenate([found[:1], found[1:][found[1:] != found[:-1]]])
            self._more, self._waiting = [], 0
        return self._merged


def count_key_columns(
    executor: Executor, source: Bytes, table: Table, member: Member, columns: Sequence[str]
) -> dict[str, KeyColumn]:
    """Count these columns of one table, which are in its order; raises BadArchive.

    Needs some 16 bytes of memory for each distinct value of the table's key columns.
    """
    if not columns:
        return {}
    nulls = [0] * len(columns)
    values = [_DistinctValues() for _ in columns]
    work = (
        _KeyColumnShare(source, table, tuple(columns), tuple(blocks))
        for blocks in block_shares(member.blocks)
    )
    with in_order(executor, _count, work, ahead=_AHEAD) as results:
        for found in results:
            for number, (more, some) in enumerate(zip(found.nulls, found.values, strict=True)):
                nulls[number] += more
                values[number].add(some)
    return {
        name: KeyColumn(nulls[number], len(values[number].all()))
        for number, name in enumerate(columns)
    }


def _count(share: _KeyColumnShare) -> _KeyColumnDigests:
    """In a worker: count by the codec, or by Python the blocks that it does not read."""
    hasher = _hasher(share)
    nulls = [0] * len(share.columns)
    values = [_DistinctValues() for _ in share.columns]
    contents = ArchiveReader(share.source).blocks(share.blocks)
    for block, content in zip(share.blocks, contents, strict=True):
        found = hasher.read(content, block.rows) if hasher is not None else None
        rows = block.rows
        if found is None:
            rows, found = _hashes(share, split_lines(content))
        for number, some in enumerate(found):
            nulls[number] += rows - len(some)
            values[number].add(some)
    return _KeyColumnDigests(tuple(nulls), tuple(each.all() for each in values))


def _hasher(share: _KeyColumnShare) -> ColumnHasher | None:
    codec = library()
    if codec is None:
        return None
    names = [column.name for column in share.table.columns]
    wanted = set(share.columns)
    return ColumnHasher(codec, [(msgspec.json.encode(n) + b":", n in wanted) for n in names])


def _hashes(share: _KeyColumnShare, lines: Sequence[bytes]) -> tuple[int, list[Hashes]]:
    """The number of rows, and for each column the hashes of its values that are not null."""
    try:
        with deep_recursion():
            rows = list(map(row_decoder(share.columns), lines))
    except msgspec.MsgspecError as error:
        raise BadArchive(share.source.name, f"rows do not match schema.json ({error})") from error
    columns = zip(*rows, strict=True) if rows else ((),) * len(share.columns)
    hashes = ([xxh3_64_intdigest(v) for v in column if v != b"null"] for column in columns)
    return len(rows), [np.array(some, np.uint64) for some in hashes]
