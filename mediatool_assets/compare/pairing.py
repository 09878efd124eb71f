"""Pairs rows of one bucket of keys: equal, changed, added or removed.

The work on a bucket of keys: pair its rows, and count changes by column.

Suggests renamed columns: one removed and one added, with equal values.

The rows compared are a sample of about ten thousand per side. The sample is chosen by key, so both
sides have the same rows.

Examples of differences, with values that may be shown.

Numbers, booleans, dates, times, enum labels, uuids and arrays of them are shown. A text is shown
only if its column is an id (part of the key, named ``id`` or ``…_id``, or a foreign key) and the
text looks like an id. Everything else, such as json and free text, is hidden: ``{"hidden": true,
"length": n}`` gives the number of characters. Columns that the masking rules change are hidden too,
except ids that identify the row. With a masking key, a column with a rule is shown as the rule
says: kept, or as its pseudonym.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from mediatool_assets.compare import row_digests
from mediatool_assets.compare.row_digests import (
    HASHED,
    WANTED,
    Masking,
    Numbered,
    Records,
    Show,
    Side,
    Spill,
    SpillSlice,
    columns_type,
    read,
    read_lines,
    row_decoder,
)
from mediatool_assets.core.comparison import ChangedValue, Examples, LikelyRename, WholeRow
from mediatool_assets.core.manifest import Member
from mediatool_assets.core.schema import Column, Table
from mediatool_assets.work import in_order


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


_SAMPLE = 10_000  # rows in the sample of the larger side
_AGREEING = 0.98  # share of the rows: a few may have been edited between the versions
_FEWEST = 3  # distinct values: a column with one value in all rows proves nothing


@dataclass(frozen=True, slots=True)
class _RenameSample:
    side: row_digests.Side
    blocks: row_digests.Numbered
    columns: tuple[str, ...]
    one_in: int


def candidates(one: Table, two: Table) -> list[tuple[Column, Column]]:
    """Pair every removed column with every added one of the same type."""
    before, after = ({c.name for c in table.columns} for table in (one, two))
    gone = [column for column in one.columns if column.name not in after]
    new = [column for column in two.columns if column.name not in before]
    return [(a, b) for a in gone for b in new if a.type == b.type]


def renames(
    executor: Executor,
    sides: tuple[row_digests.Side, row_digests.Side],
    members: tuple[Member, Member],
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
    executor: Executor,
    side: row_digests.Side,
    member: Member,
    columns: tuple[str, ...],
    one_in: int,
) -> NDArray[np.uint64]:
    """Sample rows as arrays: 64 bits of the row's key, then of each column's value."""
    work = [
        _RenameSample(side, share, columns, one_in)
        for share in row_digests.shares_of([*enumerate(member.blocks)])
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


_SHOWN_CATEGORIES = frozenset("NBDT")  # numbers, booleans, dates and times, intervals
_SHOWN_ELEMENTS = frozenset(
    {"smallint", "integer", "bigint", "real", "double precision", "numeric", "boolean", "uuid"}
    | {"date", "timestamp with time zone", "timestamp without time zone"}
)
_ID = re.compile(rb'"(?=[^"]*[0-9])[A-Za-z0-9_.:-]{1,64}"')  # no space, no @, and a digit in it
_LONGEST = 200  # characters of a value that is shown; only arrays and numerics are ever longer


@dataclass(frozen=True, slots=True)
class ExampleShare:
    """The places of a table's examples; ``changed`` is (column, place in one, place in two)."""

    sides: tuple[Side, Side]
    blocks: tuple[Numbered, Numbered]
    changed: tuple[tuple[str, Place, Place], ...]
    added: tuple[Place, ...]
    removed: tuple[Place, ...]
    masking: Masking | None = None


def examples(share: ExampleShare) -> Examples:
    """Read the rows and show the values that may be shown; raises BadArchive."""
    one = _Rows(share, 0, [place for _, place, _ in share.changed] + [*share.removed])
    two = _Rows(share, 1, [place for _, _, place in share.changed] + [*share.added])
    return Examples(
        tuple(
            ChangedValue(
                one.key(first),
                column,
                one.value(first, column),
                two.value(second, column),
                one.number(first),
                two.number(second),
            )
            for column, first, second in share.changed
        ),
        tuple(WholeRow(two.key(place), two.number(place)) for place in share.added),
        tuple(WholeRow(one.key(place), one.number(place)) for place in share.removed),
    )


class _Rows:
    """The rows of one side that examples are taken from."""

    def __init__(self, share: ExampleShare, which: int, places: Sequence[Place]) -> None:
        side, blocks = share.sides[which], share.blocks[which]
        hasher = side.hasher
        self._table = hasher.table
        self._key = hasher.matching.key or hasher.matching.columns
        self._ids = ids(self._table) | {*hasher.matching.key}
        masking = share.masking
        self._masks = masking.columns(self._table, hasher.matching.key) if masking else {}
        self._firsts: dict[int, int] = {}
        first = 1
        for number, block in blocks:
            self._firsts[number] = first
            first += block.rows
        decode = row_decoder(hasher.matching.columns)
        with side.decoding():
            lines = read_lines(side, blocks, places)
            self._rows: Mapping[Place, Mapping[str, bytes]] = {
                place: dict(zip(hasher.matching.columns, decode(line), strict=True))
                for place, line in lines.items()
            }

    def number(self, place: Place) -> int:
        """The row's line number in its table's file, from 1."""
        return self._firsts[place[0]] + place[1]

    def key(self, place: Place) -> dict[str, msgspec.Raw]:
        """The values that identify the row."""
        return {name: self.value(place, name) for name in self._key}

    def value(self, place: Place, name: str) -> msgspec.Raw:
        """One value as JSON, or its length if it is hidden."""
        value = self._rows[place][name]
        if name in self._masks:
            return masked(self._masks[name], value)
        return shown(self._table.column(name), value, is_id=name in self._ids)


def masked(show: Show | None, value: bytes) -> msgspec.Raw:
    """The masked value, or its length if the rules remove it or it is long."""
    if value == b"null":
        return msgspec.Raw(value)
    made = show(value) if show is not None else b""
    return msgspec.Raw(made) if 0 < len(made) <= _LONGEST else hidden(value)


def shown(column: Column, value: bytes, *, is_id: bool) -> msgspec.Raw:
    """The value if it may be shown, else its length."""
    if value == b"null" or (len(value) <= _LONGEST and _is_plain(column, value, is_id)):
        return msgspec.Raw(value)
    return hidden(value)


def hidden(value: bytes) -> msgspec.Raw:
    """The length of a value that may not be shown."""
    text = msgspec.json.decode(value, type=str) if value.startswith(b'"') else value.decode()
    return msgspec.Raw(msgspec.json.encode({"hidden": True, "length": len(text)}))


def _is_plain(column: Column, value: bytes, is_id: bool) -> bool:
    if column.element is not None:
        return column.element in _SHOWN_ELEMENTS
    if column.category in _SHOWN_CATEGORIES or column.kind == "e" or column.base == "uuid":
        return True
    return is_id and column.category == "S" and _ID.fullmatch(value) is not None


def ids(table: Table) -> set[str]:
    """Columns that identify a row of this or another table."""
    declared = {name for key in table.foreign_keys for name in key.columns}
    return declared | {
        column.name
        for column in table.columns
        if column.name == "id" or column.name.endswith("_id")
    }
