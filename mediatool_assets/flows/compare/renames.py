"""Suggests renamed columns: one removed and one added, with equal values.

The rows compared are a sample of about ten thousand per side. The sample is chosen by key, so both
sides have the same rows.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from mediatool_assets.domain.comparison import LikelyRename
from mediatool_assets.domain.manifest import Member
from mediatool_assets.domain.schema import Column, Table
from mediatool_assets.flows.compare import block_digests as s
from mediatool_assets.flows.compare.row_digests import row_decoder
from mediatool_assets.flows.workers.ordered_results import in_order

_SAMPLE = 10_000  # rows in the sample of the larger side
_AGREEING = 0.98  # share of the rows: a few may have been edited between the versions
_FEWEST = 3  # distinct values: a column with one value in all rows proves nothing


@dataclass(frozen=True, slots=True)
class _RenameSample:
    side: s.Side
    blocks: s.Numbered
    columns: tuple[str, ...]
    one_in: int


def candidates(one: Table, two: Table) -> list[tuple[Column, Column]]:
    """Pair every removed column with every added one of the same type."""
    before, after = ({c.name for c in table.columns} for table in (one, two))
    gone = [column for column in one.columns if column.name not in after]
    new = [column for column in two.columns if column.name not in before]
    return [(a, b) for a in gone for b in new if a.type == b.type]


def renames(
    executor: Executor, sides: tuple[s.Side, s.Side], members: tuple[Member, Member]
) -> tuple[LikelyRename, ...]:
    """Return likely renames of a table, likeliest first, each column once; raises BadArchive."""
    pairs = candidates(sides[0].hasher.table, sides[1].hasher.table)
    if not pairs:
        return ()
    one_in = max(1, max(member.rows for member in members) // _SAMPLE)
    names = [tuple(dict.fromkeys(pair[which].name for pair in pairs)) for which in (0, 1)]
    before, after = (
        _sampled(executor, side, member, columns, one_in)
        for side, member, columns in zip(sides, members, names, strict=True)
    )
    _, one, two = np.intersect1d(before[:, 0], after[:, 0], return_indices=True)
    found = []
    for gone, new in pairs:
        a = before[one, 1 + names[0].index(gone.name)]
        b = after[two, 1 + names[1].index(new.name)]
        agreeing = int(np.count_nonzero(a == b))
        if len(np.unique(b)) >= _FEWEST and agreeing >= _AGREEING * len(a):
            found.append(LikelyRename(gone.name, new.name, new.type, agreeing, len(a)))
    return tuple(_each_once(sorted(found, key=lambda r: (-r.rows_equal, r.before, r.after))))


def _each_once(found: Sequence[LikelyRename]) -> Iterator[LikelyRename]:
    taken: set[tuple[str, str]] = set()
    for rename in found:
        ends = {("before", rename.before), ("after", rename.after)}
        if not ends & taken:
            taken |= ends
            yield rename


def _sampled(
    executor: Executor, side: s.Side, member: Member, columns: tuple[str, ...], one_in: int
) -> NDArray[np.uint64]:
    """Sample rows as arrays: 64 bits of the row's key, then of each column's value."""
    work = [
        _RenameSample(side, share, columns, one_in)
        for share in s.shares_of([*enumerate(member.blocks)])
    ]
    with in_order(executor, _sample, work) as results:
        return np.concatenate([np.empty((0, 1 + len(columns)), np.uint64), *results])


def _sample(share: _RenameSample) -> NDArray[np.uint64]:
    decode = row_decoder(share.columns)
    rows: list[list[int]] = []
    with share.side.decoding():
        for number, lines in share.side.contents(share.blocks):
            records, _ = share.side.hasher.hashed(lines, number)
            chosen = np.flatnonzero(records["k1"] % np.uint64(share.one_in) == 0)
            for line, key in zip(chosen.tolist(), records["k0"][chosen].tolist(), strict=True):
                rows.append([key, *map(xxh3_64_intdigest, decode(lines[line]))])
    return np.array(rows, np.uint64).reshape(-1, 1 + len(share.columns))
