"""The daily metrics of a version, compared with the previous version and that of a week before.

The metrics of one version, from its raw archive and its metadata.

Counts nulls and distinct values of key columns, with workers.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from mediatool_assets import pages as storage
from mediatool_assets.archive.reader import ArchiveReader, Bytes, block_shares, split_lines
from mediatool_assets.compare.flow import compare
from mediatool_assets.compare.report import render
from mediatool_assets.compare.row_digests import Masking, row_decoder
from mediatool_assets.core import metrics as core_metrics
from mediatool_assets.core.comparison import Comparison, NotCompared, schema_changes
from mediatool_assets.core.errors import BadArchive, DamagedInput, Misuse, NotFound
from mediatool_assets.core.manifest import Block, Member
from mediatool_assets.core.metadata import Metadata, SourceIdentity
from mediatool_assets.core.metrics import (
    HISTORY,
    ChartPoint,
    DailyMetrics,
    KeyColumn,
    MetricsComparison,
    TableMetrics,
    VersionMetrics,
    key_columns,
)
from mediatool_assets.core.model import HISTORY as LOOKED_BACK_ON
from mediatool_assets.core.model import Model, rows_as_usual
from mediatool_assets.core.outcomes import Finding
from mediatool_assets.core.schema import Schema, Table
from mediatool_assets.core.texts import deep_recursion
from mediatool_assets.core.version import Version, archive_key, comparison_key
from mediatool_assets.native import library
from mediatool_assets.native.rows import ColumnHasher
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.verify.checks import (
    Findings,
    losses_as_usual,
    raw_as_usual,
    references_as_usual,
)
from mediatool_assets.versions import catalog
from mediatool_assets.work import in_order
from mediatool_assets.work.scratch import Workspace

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


@dataclass(frozen=True, slots=True)
class VersionFigures:
    """A version's metrics and schema, and the parts that could not be read."""

    metrics: VersionMetrics
    schema: Schema
    errors: tuple[NotCompared, ...]


class MetricsCollector:
    """Gathers versions one after the other; a table that two of them share is read once."""

    def __init__(self, objects: ObjectStore, executor: Executor, model: Model) -> None:
        self._objects, self._executor, self._model = objects, executor, model
        self._known: dict[str, Mapping[str, KeyColumn]] = {}

    def of(self, metadata: Metadata) -> VersionFigures:
        """The metrics of a complete version; raises BadArchive or NotFound for its raw archive.

        A table that cannot be read is listed in the errors, and its key columns are unknown.
        """
        archive = catalog.reader(self._objects, "raw", metadata.version)
        schema = archive.schema()
        self._remember(metadata.version, archive.manifest.tables())
        tables, errors = {}, []
        for name, member in archive.manifest.tables().items():
            counted: Mapping[str, KeyColumn] = {}
            try:
                counted = self._counted(archive, schema, name, member)
            except BadArchive as error:
                errors.append(NotCompared(name, metadata.timestamp, error.problem, damaged=True))
            tables[name] = TableMetrics(member.rows, member.bytes, dict(counted))
        gathered = VersionMetrics(
            metadata.timestamp,
            _totals(metadata, archive, self._model),
            tables,
            metadata.exports.transformed.documents,
        )
        return VersionFigures(gathered, schema, tuple(errors))

    def _counted(
        self, archive: ArchiveReader, schema: Schema, name: str, member: Member
    ) -> Mapping[str, KeyColumn]:
        try:
            table = schema.table(name)
        except KeyError as error:
            raise BadArchive(archive.source.name, f"schema.json has no table {name}") from error
        columns = key_columns(table, self._model)
        known = self._known.get(member.fingerprint or "", {})
        if set(columns) <= known.keys():
            return {column: known[column] for column in columns}
        counted = count_key_columns(self._executor, archive.source, table, member, columns)
        self._known[member.fingerprint or ""] = counted
        return counted

    def _remember(self, version: Version, members: Mapping[str, Member]) -> None:
        """Reuse the counts of the version's own report, if that describes the same archive."""
        try:
            data = storage.read(self._objects, "daily-metrics-comparison", version.partition)
            report = core_metrics.DailyMetrics.from_json(data)
        except (NotFound, msgspec.MsgspecError):
            return  # the tables are counted instead
        if report.version == str(version):
            for name, found in report.current.tables.items():
                fingerprint = members[name].fingerprint if name in members else None
                if fingerprint and found.key_columns:
                    self._known.setdefault(fingerprint, found.key_columns)


def _totals(metadata: Metadata, archive: ArchiveReader, model: Model) -> dict[str, int | None]:
    """The totals of one version, by the names used in comparisons."""
    tables = archive.manifest.tables()
    rows = {name: member.rows for name, member in tables.items()}
    documents = metadata.exports.transformed.documents
    return {
        "total_records": sum(rows.values()),
        **{table: rows.get(table) for table in model.metrics},
        "data_size_bytes": sum(member.bytes for member in tables.values()),
        "archive_size_bytes": archive.source.size,
        "tables": len(tables),
        "documents": sum(documents.values()),
        "collections": len(documents),
    }


_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class MetricsWithComparison:
    """A day's metrics, and the full comparison with the previous version, if there is one."""

    metrics: DailyMetrics
    comparison: Comparison | None


@dataclass(frozen=True, slots=True)
class ReportTools:
    """The stores and helpers for making a report."""

    objects: ObjectStore
    workspace: Workspace
    model: Model
    masking: Masking | None = None


def daily_metrics(tools: ReportTools, version: Version) -> MetricsWithComparison:
    """Compare a complete version with its predecessor, even if newer versions exist.

    An earlier version that cannot be read is an error in the part that needs it. Raises NotFound or
    BadArchive if the version itself cannot be read, Unreachable.
    """
    objects = tools.objects
    own = catalog.read(objects, version)
    source = SourceIdentity.of(own.source)
    earlier = catalog.versions_before(objects, version, HISTORY - 1, source)
    week = catalog.newest_of_day(objects, version.day - _WEEK, source)
    gathering = MetricsCollector(objects, tools.workspace.executor, tools.model)
    comparison = _compared(tools, earlier[-1].version, version) if earlier else None
    previous = _gathered(gathering, earlier[-1]) if earlier else None
    current = gathering.of(own)
    week_before = _gathered(gathering, week) if week else None
    found = core_metrics.thresholds(_findings(tools, own, earlier))
    report = DailyMetrics(
        str(version),
        version.partition,
        core_metrics.judged(found).outcome,
        tuple(_notes(version, earlier, week)),
        current.metrics,
        _against(previous, current, comparison),
        _against(week_before, current),
        found,
        tuple(map(ChartPoint.of, (*earlier, own))),
    )
    return MetricsWithComparison(report, comparison)


def _compared(tools: ReportTools, before: Version, version: Version) -> Comparison | None:
    """Compare row by row; None if the previous archive is gone, which the metrics report."""
    try:
        one = tools.objects.open(archive_key("raw", before))
    except NotFound:
        return None
    return _compare(tools, (one, tools.objects.open(archive_key("raw", version))))


def _compare(tools: ReportTools, sources: tuple[Bytes, Bytes]) -> Comparison:
    return compare(sources, tools.workspace, model=tools.model, masking=tools.masking)


def _gathered(gathering: MetricsCollector, metadata: Metadata) -> VersionFigures | NotCompared:
    """The metrics of an earlier version, or why they are missing."""
    try:
        return gathering.of(metadata)
    except (BadArchive, NotFound) as error:
        damaged = isinstance(error, BadArchive)
        return NotCompared(None, metadata.timestamp, str(error), damaged=damaged)


def _against(
    earlier: VersionFigures | NotCompared | None,
    current: VersionFigures,
    comparison: Comparison | None = None,
) -> MetricsComparison | None:
    match earlier:
        case None:
            return None
        case NotCompared() as problem:
            return MetricsComparison(problem.version, {}, {}, {}, (), (problem,))
        case VersionFigures(before, schema, errors):
            changes = schema_changes(schema, current.schema)
            own = (*errors, *current.errors)
            return core_metrics.compared_with(before, current.metrics, changes, comparison, own)


def _notes(version: Version, earlier: Sequence[Metadata], week: Metadata | None) -> list[str]:
    notes = []
    if not earlier:
        notes.append(
            f"{version} is the first version of its source: there is nothing to compare it with"
        )
    if week is None:
        notes.append(
            f"there is no version of {version.day - _WEEK}, the same weekday a week before"
        )
    return notes


def _findings(tools: ReportTools, own: Metadata, earlier: Sequence[Metadata]) -> dict[str, Finding]:
    """The finding of each threshold, by layer and thing."""
    objects, version = tools.objects, own.version
    bounds = {name: table.bounds for name, table in tools.model.sources.items()}
    before = earlier[-1].exports.raw.rows if earlier else {}
    tables = sorted(own.exports.raw.rows.keys() | before.keys())
    collections = own.exports.transformed.documents
    counts = [m.exports.raw.record_count for m in earlier[-LOOKED_BACK_ON:]]
    return {
        "total_records": rows_as_usual("all tables", own.exports.raw.record_count, counts),
        "losses": losses_as_usual(objects, version),
        **_of("raw", raw_as_usual(objects, version, tables, bounds)),
        **_of("transformed", references_as_usual(objects, version, collections)),
    }


def _of(layer: str, findings: Findings) -> dict[str, Finding]:
    return {f"{layer}/{thing}": finding for thing, finding in findings.items()}


def judged(objects: ObjectStore, partition: str) -> Finding:
    """The finding of a day's report in the bucket; raises NotFound, DamagedInput."""
    data = storage.read(objects, "daily-metrics-comparison", partition)
    try:
        report = DailyMetrics.from_json(data)
    except msgspec.MsgspecError as error:
        raise DamagedInput(
            f"the report of {partition} cannot be read ({error}); materialize it again"
        ) from error
    return core_metrics.judged(report.thresholds)


@dataclass(frozen=True, slots=True)
class RequestedComparison:
    """A requested comparison, and its location."""

    comparison: Comparison
    json: str
    html: str
    markdown: str


def compare_versions(tools: ReportTools, version1: str, version2: str) -> RequestedComparison:
    """Compare any two complete versions, and store the report, replacing an earlier one.

    Raises Misuse, NotFound.
    """
    one, two = Version.parse(version1), Version.parse(version2)
    if one == two:
        raise Misuse(f"version1 and version2 are both {one}; name two versions")
    objects = tools.objects
    found = _compare(tools, (catalog.raw_archive(objects, one), catalog.raw_archive(objects, two)))
    keys = comparison_key(one, two), comparison_key(one, two, "html")
    storage.keep(objects, keys[0], render(found, "json"))
    storage.keep(objects, keys[1], render(found, "html"))
    markdown = render(found, "markdown").decode()
    return RequestedComparison(found, objects.uri(keys[0]), objects.uri(keys[1]), markdown)
