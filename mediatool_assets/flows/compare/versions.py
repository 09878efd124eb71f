"""Compares two raw archives, table by table."""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from mediatool_assets.archive.reader import ArchiveReader, Bytes
from mediatool_assets.domain.comparison import (
    Comparison,
    Figure,
    NotCompared,
    TableComparison,
    summary,
    verdict,
)
from mediatool_assets.domain.errors import BadArchive, InColdStorage, Misuse, NotFound
from mediatool_assets.domain.manifest import Manifest
from mediatool_assets.domain.metadata import instant
from mediatool_assets.domain.model import Model
from mediatool_assets.domain.row_matching import matching
from mediatool_assets.domain.schema import Schema
from mediatool_assets.domain.schema_changes import SchemaChange, schema_changes
from mediatool_assets.flows.compare.masking import Masking
from mediatool_assets.flows.compare.table import TableRun, TableSide
from mediatool_assets.flows.workers.workspace import Workspace


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
