"""Compares one table of two versions: digests, pairing by key, columns of changed rows.

Rows are not copied. 32 bytes per row are spilled to local disk, in buckets by key, and 8 bytes per
column of a changed row. Only examples are decoded into values.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mediatool_assets.archive.reader import Bytes
from mediatool_assets.domain.comparison import Examples, TableComparison, percent
from mediatool_assets.domain.errors import BadArchive
from mediatool_assets.domain.fingerprint import Fingerprint
from mediatool_assets.domain.manifest import Member
from mediatool_assets.domain.row_matching import Matching
from mediatool_assets.domain.schema import Table
from mediatool_assets.flows.compare import block_digests as s
from mediatool_assets.flows.compare import key_buckets as b
from mediatool_assets.flows.compare.examples import ExampleShare, examples
from mediatool_assets.flows.compare.masking import Masking
from mediatool_assets.flows.compare.renames import renames
from mediatool_assets.flows.compare.row_digests import RowHasher
from mediatool_assets.flows.compare.spill import Spill, slices
from mediatool_assets.flows.workers.ordered_results import in_order

_BUCKET_BYTES = 1 << 23
"""Limit for the records of a bucket, or for the column digests of its changed rows, of both sides
together. A worker sorts them in ten times as much memory. Equal rows fall into one bucket, so that
a bucket of a keyless table with millions of equal rows is larger."""
_TWIN_PAIRS = 64  # pairs of blocks per share: 128 MB of content, some megabytes compressed


@dataclass(frozen=True, slots=True)
class TableSide:
    """A table of one version, and the archive that holds it."""

    source: Bytes
    table: Table
    member: Member


@dataclass(slots=True)
class _Half:
    """One side of the comparison, with its state."""

    side: s.Side
    member: Member
    fingerprint: Fingerprint = field(default_factory=Fingerprint)
    blocks: s.Numbered = ()
    shares: list[s.Numbered] = field(default_factory=list)
    spills: list[Spill] = field(default_factory=list)

    def take(self, equal: set[int]) -> None:
        """Drop the blocks that are equal on the other side, and split the others into shares."""
        numbered = enumerate(self.member.blocks)
        self.blocks = tuple((n, block) for n, block in numbered if n not in equal)
        self.shares = s.shares_of(self.blocks)

    def share_of(self) -> NDArray[np.int64]:
        """The share of each block."""
        found = np.zeros(len(self.member.blocks), np.int64)
        for number, share in enumerate(self.shares):
            found[[block for block, _ in share]] = number
        return found


class TableRun:
    """The comparison of one table; ``scratch`` is its own directory, removed by the caller."""

    def __init__(
        self,
        executor: Executor,
        scratch: Path,
        matching: Matching,
        sides: tuple[TableSide, TableSide],
        masking: Masking | None = None,
    ) -> None:
        self._executor, self._scratch, self._matching = executor, scratch, matching
        self._masking = masking
        self._names = count()
        self._halves = [
            _Half(s.Side(side.source, RowHasher(side.table, matching)), side.member)
            for side in sides
        ]

    def compare(self) -> TableComparison:
        """Compare the table; raises BadArchive if a side does not match its manifest."""
        one, two = (half.member for half in self._halves)
        equal = one.fingerprint is not None and one.fingerprint == two.fingerprint
        if equal and self._matching.whole_lines:
            return self._result([], [])
        self._pass_over_equal_blocks()
        buckets = self._buckets()
        self._hash(buckets)
        paired = self._pair(buckets)
        counted = self._count(buckets, paired) if any(p.changed for p in paired) else []
        return self._result(paired, counted)

    def _path(self) -> Path:
        return self._scratch / f"{next(self._names):06}"

    def _buckets(self) -> int:
        rows = sum(block.rows for half in self._halves for _, block in half.blocks)
        of_row = max(32, 8 * len(self._matching.columns))
        return max(1, -(-rows * of_row // _BUCKET_BYTES))

    def _pass_over_equal_blocks(self) -> None:
        """Skip blocks with the same bytes in both archives; they are not unpacked."""
        one, two = self._halves
        equal: list[tuple[int, int]] = []
        if self._matching.whole_lines:
            twins = s.block_pairs(one.member.blocks, two.member.blocks)
            work = (
                s.EqualBlocks(one.side.source, two.side.source, tuple(twins[i : i + _TWIN_PAIRS]))
                for i in range(0, len(twins), _TWIN_PAIRS)
            )
            with in_order(self._executor, s.equal_blocks, work) as results:
                equal = [pair for found in results for pair in found]
        one.take({pair[0] for pair in equal})
        two.take({pair[1] for pair in equal})

    def _hash(self, buckets: int) -> None:
        work = [
            (half, s.HashShare(half.side, share, buckets, self._path()))
            for half in self._halves
            for share in half.shares
        ]
        with in_order(self._executor, s.hash_rows, [share for _, share in work]) as results:
            for (half, _), (spill, fingerprint) in zip(work, results, strict=True):
                half.spills.append(spill)
                half.fingerprint += fingerprint
        self._check()

    def _check(self) -> None:
        """Check that the rows read differ by the difference of the two manifests' fingerprints.

        Skipped blocks count equally on both sides. Each side is read whole only if the check fails,
        to find the damaged one.
        """
        one, two = self._halves
        stated = _difference(_stated(one), _stated(two))
        if _difference(one.fingerprint, two.fingerprint) == stated:
            return
        work = [(half.side, half.member) for half in self._halves]
        with in_order(self._executor, s.verify, work) as results:
            list(results)
        raise BadArchive(one.side.source.name, f"{one.member.name} was replaced while it was read")

    def _pair(self, buckets: int) -> list[b.BucketPairs]:
        one, two = self._halves
        share_of = (one.share_of(), two.share_of())
        work = (
            b.PairShare(
                bucket,
                (slices(one.spills, bucket), slices(two.spills, bucket)),
                share_of,
                (len(one.shares), len(two.shares)),
                (self._path(), self._path()),
            )
            for bucket in range(buckets)
        )
        with in_order(self._executor, b.pair_bucket, work) as results:
            return list(results)

    def _count(self, buckets: int, paired: Sequence[b.BucketPairs]) -> list[b.ChangeCounts]:
        spills: tuple[list[Spill], list[Spill]] = ([], [])
        work = list(self._column_shares(buckets, paired))
        with in_order(self._executor, s.hash_columns, [share for _, share in work]) as results:
            for (which, _), spill in zip(work, results, strict=True):
                spills[which].append(spill)
        counts = (
            b.CountShare(
                len(self._matching.columns),
                (slices(spills[0], bucket), slices(spills[1], bucket)),
            )
            for bucket, found in enumerate(paired)
            if found.changed
        )
        with in_order(self._executor, b.count_changes, counts) as counted:
            return list(counted)

    def _column_shares(
        self, buckets: int, paired: Sequence[b.BucketPairs]
    ) -> Iterator[tuple[int, s.ColumnShare]]:
        for which, half in enumerate(self._halves):
            wanted = [found.wanted[which] for found in paired if found.wanted]
            for number, share in enumerate(half.shares):
                if parts := slices(wanted, number):
                    yield which, s.ColumnShare(half.side, share, parts, buckets, self._path())

    def _result(
        self, paired: Sequence[b.BucketPairs], counted: Sequence[b.ChangeCounts]
    ) -> TableComparison:
        halves = self._halves
        one, two = (half.member for half in halves)
        columns = self._matching.columns
        totals = [sum(c.counts[i] for c in counted) for i in range(len(columns))]
        return TableComparison(
            count_v1=one.rows,
            count_v2=two.rows,
            count_diff=two.rows - one.rows,
            count_diff_percent=percent(one.rows, two.rows),
            added=sum(p.added for p in paired),
            removed=sum(p.removed for p in paired),
            changed=sum(p.changed for p in paired),
            field_changes={c: n for c, n in zip(columns, totals, strict=True) if n},
            bytes_v1=one.bytes,
            bytes_v2=two.bytes,
            matched_by=self._matching.by,
            key=self._matching.key,
            examples=self._examples(paired, counted),
            notes=tuple(self._notes(paired)),
            renames=renames(self._executor, (halves[0].side, halves[1].side), (one, two)),
        )

    def _examples(
        self, paired: Sequence[b.BucketPairs], counted: Sequence[b.ChangeCounts]
    ) -> Examples:
        columns = self._matching.columns
        changed = tuple(
            (column, *places)
            for number, column in enumerate(columns)
            for places in [p for c in counted for p in c.places[number]][: b.VALUE_EXAMPLES]
        )
        added = [place for p in paired for place in p.added_places][: b.ROW_EXAMPLES]
        removed = [place for p in paired for place in p.removed_places][: b.ROW_EXAMPLES]
        if not (changed or added or removed):
            return Examples()
        one, two = self._halves
        share = ExampleShare(
            (one.side, two.side),
            (tuple(enumerate(one.member.blocks)), tuple(enumerate(two.member.blocks))),
            changed,
            tuple(added),
            tuple(removed),
            self._masking,
        )
        with in_order(self._executor, examples, [share]) as results:
            return next(results)

    def _notes(self, paired: Sequence[b.BucketPairs]) -> Iterator[str]:
        matching = self._matching
        if matching.by == "whole row":
            yield "no key: whole rows are matched; a changed row counts as one removed, one added"
        else:
            for version in (0, 1):
                if repeated := sum(p.repeated[version] for p in paired):
                    yield f"version{version + 1}: {repeated} rows have a key that another row has"
        if not matching.whole_lines:
            yield "the columns differ: rows are compared by those that both versions have"
        if matching.retyped:
            retyped = ", ".join(sorted(matching.retyped))
            yield f"the type changed, so values are compared as text: {retyped}"


def _stated(half: _Half) -> Fingerprint:
    """The manifest's fingerprint; raises BadArchive where it has none."""
    try:
        return Fingerprint.parse(half.member.fingerprint or "")
    except ValueError as error:
        raise BadArchive(half.side.source.name, f"{half.member.name}: {error}") from error


def _difference(one: Fingerprint, two: Fingerprint) -> tuple[int, int]:
    return two.count - one.count, (two.digest - one.digest) % (1 << 128)
