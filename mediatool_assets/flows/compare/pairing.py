"""Pairs rows of one bucket of keys: equal, changed, added or removed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mediatool_assets.flows.compare.spill import Records


@dataclass(frozen=True, slots=True)
class RowDifferences:
    """The rows that differ; ``changed`` has the changed rows of both sides, in matching order.

    ``repeated`` counts the rows of each side whose key an earlier row of that side has.
    """

    changed: tuple[Records, Records]
    removed: Records
    added: Records
    repeated: tuple[int, int]


def pair(one: Records, two: Records) -> RowDifferences:
    """Pair the rows of two sides by key; equal rows are matched first, one to one.

    So a row that occurs twice on one side and once on the other is one row removed or added. If a
    key occurs several times, the remaining rows are paired in the order of their digests.
    """
    records = np.concatenate([one, two])
    side = np.repeat(np.array([0, 1], np.int8), [len(one), len(two)])
    rest = _but_plain_pairs(records, side)
    records, side = records[rest], side[rest]
    order = np.lexsort((side, records["row"], records["k1"], records["k0"]))
    records, side = records[order], side[order]
    by_key = _groups(records, ("k0", "k1"))
    repeated = tuple(_repeated(by_key[side == which]) for which in (0, 1))

    left = ~_cancelled(_groups(records, ("k0", "k1", "row")), side)
    records, side, by_key = records[left], side[left], by_key[left]
    order = np.lexsort((side, by_key))
    records, side, by_key = records[order], side[order], by_key[order]
    paired = _cancelled(by_key, side)
    return RowDifferences(
        (records[paired & (side == 0)], records[paired & (side == 1)]),
        records[~paired & (side == 0)],
        records[~paired & (side == 1)],
        (repeated[0], repeated[1]),
    )


def _but_plain_pairs(records: Records, side: NDArray[np.int8]) -> NDArray[np.intp]:
    """Return all rows except equal pairs whose key occurs once on each side.

    Most rows are such pairs, and one sort by one field finds them.
    """
    order = np.argsort(records["k0"])
    key = records["k0"][order]
    same = np.concatenate([[False], key[1:] == key[:-1], [False]])
    first = np.flatnonzero(same[1:-1] & ~same[:-2] & ~same[2:])
    one, two = order[first], order[first + 1]
    equal = side[one] != side[two]
    for field in ("k1", "row"):
        equal &= records[field][one] == records[field][two]
    rest = np.ones(len(order), np.bool_)
    rest[first[equal]] = rest[first[equal] + 1] = False
    return order[rest]


def _groups(records: Records, fields: tuple[str, ...]) -> NDArray[np.int64]:
    """Return group numbers, equal where the fields are equal; the records are sorted by them."""
    begins = np.zeros(len(records), np.bool_)
    for field in fields:
        begins[1:] |= records[field][1:] != records[field][:-1]
    return np.cumsum(begins, dtype=np.int64)


def _repeated(keys: NDArray[np.int64]) -> int:
    """Count the rows with the same key as the previous row; keys are sorted."""
    return int(np.count_nonzero(keys[1:] == keys[:-1]))


def _cancelled(groups: NDArray[np.int64], side: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Mark the rows that have a partner: in each group, as many per side as the smaller side has.

    Rows are sorted by group and then by side.
    """
    if not len(groups):
        return np.zeros(0, np.bool_)
    begins = np.concatenate([[True], groups[1:] != groups[:-1]])
    group = np.cumsum(begins) - 1
    start = np.flatnonzero(begins)
    size = np.diff(start, append=len(groups))
    of_two = np.add.reduceat(side, start, dtype=np.int64)
    of_one = size - of_two
    place = np.arange(len(groups)) - start[group]
    place -= np.where(side == 1, of_one[group], 0)
    cancelled: NDArray[np.bool_] = place < np.minimum(of_one, of_two)[group]
    return cancelled
