"""The work on a bucket of keys: pair its rows, and count changes by column."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mediatool_assets.flows.compare.block_digests import WANTED, columns_type
from mediatool_assets.flows.compare.pairing import pair
from mediatool_assets.flows.compare.row_digests import HASHED
from mediatool_assets.flows.compare.spill import Records, Spill, SpillSlice, read

ROW_EXAMPLES = 5
"""Examples per table of added rows, and of removed rows."""
VALUE_EXAMPLES = 3
"""Examples per column of changed values."""

Place = tuple[int, int]
"""The number of a block in its member, and of a line in the block."""


@dataclass(frozen=True, slots=True)
class PairShare:
    """One bucket of both sides; ``share_of`` maps each block to its share."""

    bucket: int
    sides: tuple[tuple[SpillSlice, ...], tuple[SpillSlice, ...]]
    share_of: tuple[NDArray[np.int64], NDArray[np.int64]]
    shares: tuple[int, int]
    paths: tuple[Path, Path]


@dataclass(frozen=True, slots=True)
class BucketPairs:
    """The paired rows of a bucket; ``wanted`` has the changed rows of each side, by share."""

    changed: int
    added: int
    removed: int
    repeated: tuple[int, int]
    added_places: tuple[Place, ...]
    removed_places: tuple[Place, ...]
    wanted: tuple[Spill, Spill] | None


def pair_bucket(share: PairShare) -> BucketPairs:
    """Pair the rows of one bucket."""
    found = pair(*(read(parts, HASHED) for parts in share.sides))
    changed = len(found.changed[0])
    wanted = None
    if changed:
        first, second = (_wanted(share, side, found.changed[side]) for side in (0, 1))
        wanted = (first, second)
    return BucketPairs(
        changed,
        len(found.added),
        len(found.removed),
        found.repeated,
        _places(found.added[:ROW_EXAMPLES]),
        _places(found.removed[:ROW_EXAMPLES]),
        wanted,
    )


def _wanted(share: PairShare, side: int, changed: Records) -> Spill:
    records = np.empty(len(changed), WANTED)
    records["block"], records["line"] = changed["block"], changed["line"]
    records["bucket"], records["index"] = share.bucket, np.arange(len(changed))
    destination = share.share_of[side][records["block"]]
    return Spill.write(share.paths[side], records, destination, share.shares[side])


def _places(records: Records) -> tuple[Place, ...]:
    return tuple(zip(records["block"].tolist(), records["line"].tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class CountShare:
    """The changed rows of one bucket, both sides, with their columns' digests."""

    columns: int
    sides: tuple[tuple[SpillSlice, ...], tuple[SpillSlice, ...]]


@dataclass(frozen=True, slots=True)
class ChangeCounts:
    """Changed values by column, and the places of a few examples for each, on both sides."""

    counts: tuple[int, ...]
    places: tuple[tuple[tuple[Place, Place], ...], ...]


def count_changes(share: CountShare) -> ChangeCounts:
    """Compare the changed rows of a bucket column by column."""
    one, two = (read(parts, columns_type(share.columns)) for parts in share.sides)
    one, two = one[np.argsort(one["index"])], two[np.argsort(two["index"])]
    differs = one["values"] != two["values"]
    places = []
    for column in range(share.columns):
        some = np.flatnonzero(differs[:, column])[:VALUE_EXAMPLES]
        places.append(tuple(zip(_places(one[some]), _places(two[some]), strict=True)))
    return ChangeCounts(tuple(differs.sum(axis=0).tolist()), tuple(places))
