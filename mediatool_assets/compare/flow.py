"""Compares two raw archives, table by table.

Compares one table of two versions: digests, pairing by key, columns of changed rows.

Rows are not copied. 32 bytes per row are spilled to local disk, in buckets by key, and 8 bytes per
column of a changed row. Only examples are decoded into values.
"""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mediatool_assets.archive.reader import ArchiveReader, Bytes
from mediatool_assets.compare import pairing, row_digests
from mediatool_assets.compare.pairing import ExampleShare, examples, renames
from mediatool_assets.compare.row_digests import Masking, RowHasher, Spill, slices
from mediatool_assets.core.comparison import (
    Comparison,
    Examples,
    Figure,
    Matching,
    NotCompared,
    SchemaChange,
    TableComparison,
    matching,
    percent,
    schema_changes,
    summary,
    verdict,
)
from mediatool_assets.core.errors import BadArchive, InColdStorage, Misuse, NotFound
from mediatool_assets.core.manifest import Fingerprint, Manifest, Member
from mediatool_assets.core.metadata import instant
from mediatool_assets.core.model import Model
from mediatool_assets.core.schema import Schema, Table
from mediatool_assets.work import in_order
from mediatool_assets.work.scratch import Workspace

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

    side: row_digests.Side
    member: Member
    fingerprint: Fingerprint = field(default_factory=Fingerprint)
    blocks: row_digests.Numbered = ()
    shares: list[row_digests.Numbered] = field(default_factory=list)
    spills: list[Spill] = field(default_factory=list)

    def take(self, equal: set[int]) -> None:
        """Drop the blocks that are equal on the other side, and split the others into shares."""
        numbered = enumerate(self.member.blocks)
        self.blocks = tuple((n, block) for n, block in numbered if n not in equal)
        self.shares = row_digests.shares_of(self.blocks)

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
            _Half(row_digests.Side(side.source, RowHasher(side.table, matching)), side.member)
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
            twins = row_digests.block_pairs(one.member.blocks, two.member.blocks)
            work = (
                row_digests.EqualBlocks(
                    one.side.source, two.side.source, tuple(twins[i : i + _TWIN_PAIRS])
                )
                for i in range(0, len(twins), _TWIN_PAIRS)
            )
            with in_order(self._executor, row_digests.equal_blocks, work) as results:
                equal = [pair for found in results for pair in found]
        one.take({pair[0] for pair in equal})
        two.take({pair[1] for pair in equal})

    def _hash(self, buckets: int) -> None:
        work = [
            (half, row_digests.HashShare(half.side, share, buckets, self._path()))
            for half in self._halves
            for share in half.shares
        ]
        with in_order(
            self._executor, row_digests.hash_rows, [share for _, share in work]
        ) as results:
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
        with in_order(self._executor, row_digests.verify, work) as results:
            list(results)
        raise BadArchive(one.side.source.name, f"{one.member.name} was replaced while it was read")

    def _pair(self, buckets: int) -> list[pairing.BucketPairs]:
        one, two = self._halves
        share_of = (one.share_of(), two.share_of())
        work = (
            pairing.PairShare(
                bucket,
                (slices(one.spills, bucket), slices(two.spills, bucket)),
                share_of,
                (len(one.shares), len(two.shares)),
                (self._path(), self._path()),
            )
            for bucket in range(buckets)
        )
        with in_order(self._executor, pairing.pair_bucket, work) as results:
            return list(results)

    def _count(
        self, buckets: int, paired: Sequence[pairing.BucketPairs]
    ) -> list[pairing.ChangeCounts]:
        spills: tuple[list[Spill], list[Spill]] = ([], [])
        work = list(self._column_shares(buckets, paired))
        with in_order(
            self._executor, row_digests.hash_columns, [share for _, share in work]
        ) as results:
            for (which, _), spill in zip(work, results, strict=True):
                spills[which].append(spill)
        counts = (
            pairing.CountShare(
                len(self._matching.columns),
                (slices(spills[0], bucket), slices(spills[1], bucket)),
            )
            for bucket, found in enumerate(paired)
            if found.changed
        )
        with in_order(self._executor, pairing.count_changes, counts) as counted:
            return list(counted)

    def _column_shares(
        self, buckets: int, paired: Sequence[pairing.BucketPairs]
    ) -> Iterator[tuple[int, row_digests.ColumnShare]]:
        for which, half in enumerate(self._halves):
            wanted = [found.wanted[which] for found in paired if found.wanted]
            for number, share in enumerate(half.shares):
                if parts := slices(wanted, number):
                    yield (
                        which,
                        row_digests.ColumnShare(half.side, share, parts, buckets, self._path()),
                    )

    def _result(
        self, paired: Sequence[pairing.BucketPairs], counted: Sequence[pairing.ChangeCounts]
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
        self, paired: Sequence[pairing.BucketPairs], counted: Sequence[pairing.ChangeCounts]
    ) -> Examples:
        columns = self._matching.columns
        changed = tuple(
            (column, *places)
            for number, column in enumerate(columns)
            for places in [p for c in counted for p in c.places[number]][: pairing.VALUE_EXAMPLES]
        )
        added = [place for p in paired for place in p.added_places][: pairing.ROW_EXAMPLES]
        removed = [place for p in paired for place in p.removed_places][: pairing.ROW_EXAMPLES]
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

    def _notes(self, paired: Sequence[pairing.BucketPairs]) -> Iterator[str]:
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


def open_both(*opening: Callable[[], Bytes]) -> tuple[Bytes, Bytes]:
    """Open both sides. If both are in cold storage, copies of both are requested first.

    Raises the errors of opening; of two InColdStorage, the one whose copy is ready last.
    """
    cold: list[InColdStorage] = []
    sides: list[Bytes] = []
    for each in opening:
        try:
            sides.append(each())
        except InColdStorage as error:
            cold.append(error)
    if cold:
        raise max(cold, key=lambda error: error.ready or datetime.max.replace(tzinfo=UTC))
    return sides[0], sides[1]


def compare(
    sources: tuple[Bytes, Bytes],
    workspace: Workspace,
    *,
    model: Model | None = None,
    masking: Masking | None = None,
) -> Comparison:
    """Compare two raw archives.

    Tables with equal fingerprints are not opened. For one table at a time, 32 bytes per row are
    spilled to disk, and 8 more per column of a changed row. An archive or a table that cannot be
    read, or is on one side only, is listed in ``errors``. With ``masking``, examples show the
    values that its rules allow. Raises Misuse if a source is an archive of another kind,
    Unreachable.
    """
    sides = (_Archive(ArchiveReader(sources[0])), _Archive(ArchiveReader(sources[1])))
    unreadable = tuple(problem for side in sides if (problem := side.problem) is not None)
    if unreadable:
        return _unknown(sides, unreadable, workspace.clock())
    return _ComparisonRun(sides, workspace, model, masking).comparison()


@dataclass
class _Archive:
    """One raw archive with its manifest and schema, or the problem that prevents a comparison."""

    reader: ArchiveReader

    @cached_property
    def problem(self) -> NotCompared | None:
        """Why it cannot be compared, or None; raises Misuse for another kind of archive."""
        try:
            kind = self.manifest.kind
            if kind not in ("raw", "sanitized"):
                raise Misuse(
                    f"{self.reader.source.name} is a {kind} archive; compare raw archives: "
                    "`mediatool fetch VERSION` downloads one"
                )
            self.reader.check_tar()
            _ = self.schema
        except (BadArchive, NotFound) as error:
            return NotCompared(None, self.name, str(error), damaged=True)
        return None

    @property
    def name(self) -> str:
        """Its version, or the name of the file or object if the version is unknown."""
        try:
            return self.manifest.version
        except BadArchive:
            return self.reader.source.name

    @property
    def manifest(self) -> Manifest:
        """Its manifest."""
        return self.reader.manifest

    @cached_property
    def schema(self) -> Schema:
        """Its schema; raises BadArchive."""
        return self.reader.schema()

    @property
    def excluded(self) -> dict[str, str]:
        """The tables that were excluded, with the reason."""
        return {e.table: e.reason for e in self.manifest.exclusions}

    def table(self, name: str) -> TableSide:
        """One of its tables."""
        return TableSide(self.reader.source, self.schema.table(name), self.manifest.tables()[name])

    def alone(self, other: "_Archive") -> dict[tuple[object, ...], list[str]]:
        """The non-empty tables that the other archive lacks, by their columns and row count."""
        found: defaultdict[tuple[object, ...], list[str]] = defaultdict(list)
        theirs, mine = other.manifest.tables(), self.manifest.tables()
        for table in self.schema.tables:
            if table.name not in theirs and table.name in mine and mine[table.name].rows:
                columns = tuple((column.name, column.type) for column in table.columns)
                found[columns, mine[table.name].fingerprint].append(table.name)
        return found

    def missing(self, table: str) -> str | None:
        """Why the table is missing; None if it is present."""
        known = {t.name for t in self.schema.tables}
        if table in self.manifest.tables():
            return None
        if table in self.excluded:
            return f"the table was left out: {self.excluded[table]}"
        return "the archive lacks the table" if table in known else "there is no such table"


class _ComparisonRun:
    """All tables, in order of name; each is spread over all workers."""

    def __init__(
        self,
        sides: tuple[_Archive, _Archive],
        workspace: Workspace,
        model: Model | None,
        masking: Masking | None,
    ) -> None:
        self._sides, self._workspace = sides, workspace
        self._model, self._masking = model, masking
        self._errors: list[NotCompared] = []

    def comparison(self) -> Comparison:
        """Compare schemas and every table."""
        one, two = self._sides
        changes = schema_changes(one.schema, two.schema)
        left_out = {t: r for t, r in two.excluded.items() if t in one.excluded}
        details = dict(self._tables(set(left_out)))
        errors = tuple(self._errors)
        records = (one.manifest.rows, two.manifest.rows)
        return Comparison(
            timestamp=instant(self._workspace.clock()),
            version1=one.name,
            version2=two.name,
            verdict=verdict(details, changes, errors),
            summary=summary(details, changes, errors, records),
            metrics=_metrics(self._sides, changes, self._model.metrics if self._model else ()),
            schema_changes=changes,
            errors=errors,
            details=details,
            left_out=left_out,
        )

    def _tables(self, left_out: set[str]) -> Iterator[tuple[str, TableComparison]]:
        one, two = self._sides
        known = {t.name for side in self._sides for t in side.schema.tables}
        renamed = _renamed(one, two)
        names = sorted(known - left_out)
        for number, name in enumerate(names):
            self._workspace.progress(name, number, len(names), "tables")
            reasons = {side.name: side.missing(name) for side in (one, two)}
            absent = {version: reason for version, reason in reasons.items() if reason}
            for version, reason in absent.items():
                self._errors.append(NotCompared(name, version, reason + renamed.get(name, "")))
            if absent:
                continue
            try:
                yield name, self._table(name)
            except BadArchive as error:
                bad = next((s.name for s in (one, two) if s.reader.source.name == error.where), "")
                self._errors.append(NotCompared(name, bad, str(error), damaged=True))

    def _table(self, name: str) -> TableComparison:
        one, two = self._sides
        tables = (one.schema.table(name), two.schema.table(name))
        known = self._model.sources.get(name) if self._model else None
        with tempfile.TemporaryDirectory(prefix="compare-", dir=self._workspace.scratch) as folder:
            return TableRun(
                self._workspace.executor,
                Path(folder),
                matching(*tables, known.key if known else ()),
                (one.table(name), two.table(name)),
                self._masking,
            ).compare()


def _renamed(one: _Archive, two: _Archive) -> dict[str, str]:
    """A remark on a table of one side that matches exactly one table of the other side alone."""
    gone, new = one.alone(two), two.alone(one)
    pairs = [(*gone[like], *new[like]) for like in gone.keys() & new.keys()]
    says = "; {} has the same columns and rows: the table may have been renamed".format
    return {
        name: says(other) for pair in pairs if len(pair) == 2 for name, other in (pair, pair[::-1])
    }


def _metrics(
    sides: tuple[_Archive, _Archive], changes: tuple[SchemaChange, ...], tables: Iterable[str]
) -> dict[str, Figure]:
    """The totals of both versions, and the rows of ``tables`` (None for an absent table)."""
    one, two = [side.manifest.tables() for side in sides]

    def rows(table: str) -> Figure:
        found = [m[table].rows if table in m else None for m in (one, two)]
        return Figure.of(*found)

    sizes = [sum(member.bytes for member in members.values()) for members in (one, two)]
    packed = [side.reader.source.size for side in sides]
    return {
        "total_records": Figure.of(*(side.manifest.rows for side in sides)),
        **{table: rows(table) for table in tables},
        "data_size_bytes": Figure.of(*sizes),
        "archive_size_bytes": Figure.of(*packed),
        "tables": Figure.of(len(one), len(two)),
        "schema_changes": Figure(None, None, len(changes), None),
    }


def _unknown(
    sides: tuple[_Archive, _Archive], errors: tuple[NotCompared, ...], now: datetime
) -> Comparison:
    """The result if an archive cannot be read: everything is unknown."""
    rows = [0 if side.problem else side.manifest.rows for side in sides]
    return Comparison(
        timestamp=instant(now),
        version1=sides[0].name,
        version2=sides[1].name,
        verdict="unknown",
        summary=summary({}, (), errors, (rows[0], rows[1])),
        metrics={},
        schema_changes=(),
        errors=errors,
        details={},
    )
