"""The daily metrics of a version, compared with the previous version and that of a week before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from mediatool_assets.archive.reader import Bytes
from mediatool_assets.domain import metrics
from mediatool_assets.domain.comparison import Comparison, NotCompared
from mediatool_assets.domain.errors import BadArchive, DamagedInput, Misuse, NotFound
from mediatool_assets.domain.expectations import HISTORY as LOOKED_BACK_ON
from mediatool_assets.domain.expectations import rows_as_usual
from mediatool_assets.domain.keys import archive_key, comparison_key
from mediatool_assets.domain.metadata import Metadata
from mediatool_assets.domain.metrics import HISTORY, ChartPoint, DailyMetrics, MetricsComparison
from mediatool_assets.domain.model import Model
from mediatool_assets.domain.outcome import Finding
from mediatool_assets.domain.schema_changes import schema_changes
from mediatool_assets.domain.source_identity import SourceIdentity
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.checks.raw import raw_as_usual
from mediatool_assets.flows.checks.transformed import losses_as_usual, references_as_usual
from mediatool_assets.flows.checks.unreadable import Findings
from mediatool_assets.flows.compare import compare
from mediatool_assets.flows.compare.masking import Masking
from mediatool_assets.flows.compare.report import render
from mediatool_assets.flows.metrics.gathering import MetricsCollector, VersionFigures
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.reports import storage
from mediatool_assets.flows.versions import catalog
from mediatool_assets.flows.workers.workspace import Workspace

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
    found = metrics.thresholds(_findings(tools, own, earlier))
    report = DailyMetrics(
        str(version),
        version.partition,
        metrics.judged(found).outcome,
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
            return metrics.compared_with(before, current.metrics, changes, comparison, own)


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
    return metrics.judged(report.thresholds)


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
