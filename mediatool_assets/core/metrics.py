"""The metrics of a version and their changes since earlier ones: the daily report."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from mediatool_assets.core import model as models
from mediatool_assets.core.comparison import Comparison, Figure, NotCompared, SchemaChange
from mediatool_assets.core.metadata import Metadata, uncompressed_bytes
from mediatool_assets.core.model import Model
from mediatool_assets.core.outcomes import Figure as FindingFigure
from mediatool_assets.core.outcomes import Finding, Outcome, combined
from mediatool_assets.core.schema import Table
from mediatool_assets.core.texts import JsonDocument

HISTORY = 30
"""The number of versions in the charts."""


class KeyColumn(msgspec.Struct, frozen=True):
    """A column by which rows are found: its numbers of null values and of distinct ones."""

    nulls: int
    distinct: int


class TableMetrics(msgspec.Struct, frozen=True):
    """One table of a version; ``bytes`` is the size of its uncompressed JSON."""

    rows: int
    bytes: int
    key_columns: dict[str, KeyColumn] = {}


class VersionMetrics(msgspec.Struct, frozen=True):
    """One version. ``totals`` has a null if the version has no such table."""

    version: str
    totals: dict[str, int | None]
    tables: dict[str, TableMetrics]
    collections: dict[str, int]


class KeyColumnChange(msgspec.Struct, frozen=True):
    """A key column in two versions."""

    nulls: Figure
    distinct: Figure


class TableChange(msgspec.Struct, frozen=True):
    """A table in two versions; rows added, removed and changed if they were compared."""

    rows: Figure
    bytes: Figure
    key_columns: dict[str, KeyColumnChange]
    added: int | None = None
    removed: int | None = None
    changed: int | None = None


class MetricsComparison(msgspec.Struct, frozen=True):
    """A version compared with an earlier one, ``v1`` in all figures; ``errors`` prevented it."""

    version: str
    metrics: dict[str, Figure]
    tables: dict[str, TableChange]
    collections: dict[str, Figure]
    schema_changes: tuple[SchemaChange, ...]
    errors: tuple[NotCompared, ...] = ()


class Threshold(msgspec.Struct, frozen=True):
    """One expectation about ``thing``, and whether it was met."""

    thing: str
    outcome: Outcome
    reason: str
    figures: dict[str, FindingFigure]


class ChartPoint(msgspec.Struct, frozen=True):
    """One version in the charts."""

    version: str
    total_records: int
    documents: int
    data_size_bytes: int
    archive_size_bytes: int

    @classmethod
    def of(cls, metadata: Metadata) -> "ChartPoint":
        """The point of a complete version."""
        raw = metadata.exports.raw
        documents = sum(metadata.exports.transformed.documents.values())
        size = uncompressed_bytes(raw)
        return cls(metadata.timestamp, raw.record_count, documents, size, raw.size_bytes)


class DailyMetrics(msgspec.Struct, JsonDocument, frozen=True):
    """The day's report. The same versions give the same bytes: it does not depend on the clock.

    ``previous`` is the complete version before, ``week_before`` the newest one of the same weekday
    a week before; null if there is none, which ``notes`` explain. ``history`` ends with it.
    """

    version: str
    partition: str
    verdict: Outcome
    notes: tuple[str, ...]
    current: VersionMetrics
    previous: MetricsComparison | None
    week_before: MetricsComparison | None
    thresholds: tuple[Threshold, ...]
    history: tuple[ChartPoint, ...]


def compared_with(
    before: VersionMetrics,
    after: VersionMetrics,
    changes: tuple[SchemaChange, ...],
    comparison: Comparison | None = None,
    errors: Iterable[NotCompared] = (),
) -> MetricsComparison:
    """Compare a version with an earlier one; a row comparison adds what happened to the rows."""
    metrics = {name: Figure.of(before.totals.get(name), n) for name, n in after.totals.items()}
    metrics["schema_changes"] = Figure(None, None, len(changes), None)
    return MetricsComparison(
        before.version,
        metrics,
        dict(_tables(before.tables, after.tables, comparison)),
        {
            name: Figure.of(before.collections.get(name), after.collections.get(name))
            for name in sorted(before.collections.keys() | after.collections.keys())
        },
        changes,
        (*errors, *(comparison.errors if comparison else ())),
    )


def _tables(
    before: Mapping[str, TableMetrics],
    after: Mapping[str, TableMetrics],
    comparison: Comparison | None,
) -> Iterator[tuple[str, TableChange]]:
    for name in sorted(before.keys() | after.keys()):
        one, two = before.get(name), after.get(name)
        rows = comparison.details.get(name) if comparison else None
        yield (
            name,
            TableChange(
                Figure.of(one.rows if one else None, two.rows if two else None),
                Figure.of(one.bytes if one else None, two.bytes if two else None),
                dict(_key_columns(one, two)),
                rows.added if rows else None,
                rows.removed if rows else None,
                rows.changed if rows else None,
            ),
        )


def _key_columns(
    one: TableMetrics | None, two: TableMetrics | None
) -> Iterator[tuple[str, KeyColumnChange]]:
    before, after = (side.key_columns if side else {} for side in (one, two))
    for name in after | before:
        a, b = before.get(name), after.get(name)
        yield (
            name,
            KeyColumnChange(
                Figure.of(a.nulls if a else None, b.nulls if b else None),
                Figure.of(a.distinct if a else None, b.distinct if b else None),
            ),
        )


def thresholds(findings: Mapping[str, Finding]) -> tuple[Threshold, ...]:
    """Findings in the report's form, in order of name."""
    return tuple(
        Threshold(thing, finding.outcome, finding.reason, dict(finding.figures))
        for thing, finding in sorted(findings.items())
    )


def judged(found: Sequence[Threshold]) -> Finding:
    """All thresholds as one finding: the worst outcome, and its reasons."""
    all_of_them = combined(Finding(one.outcome, one.reason) for one in found)
    figures: dict[str, FindingFigure] = {"thresholds": len(found)}
    for one in found:
        if one.outcome != "passed":
            figures[one.outcome] = int(figures.get(one.outcome) or 0) + 1
    held = f"all {len(found)} thresholds held"
    reason = held if all_of_them.outcome == "passed" else all_of_them.reason
    return Finding(all_of_them.outcome, reason, figures)


def key_columns(table: Table, model: Model) -> tuple[str, ...]:
    """The columns by which rows are found, in the table's order.

    These are the columns of primary, unique and foreign keys, and those that the model matches.
    """
    source = model.sources.get(table.name)
    named = {*table.primary_key, *(source.key if source else ())}
    named.update(name for key in table.unique_keys for name in key)
    named.update(name for key in table.foreign_keys for name in key.columns)
    shapes = (collection.shape for collection in model.collections.values())
    named.update(
        name
        for shape in shapes
        for owner, columns in _matched(shape)
        if owner == table.name
        for name in columns
    )
    return tuple(column.name for column in table.columns if column.name in named)


def _matched(shape: models.RowShape) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The tables and columns at both ends of every arrow of a shape."""
    for addition in shape.additions:
        owner = shape.table
        for step in addition.path:
            yield owner, step.columns
            yield step.table, step.keys
            owner = step.table
        if addition.shape is not None:
            yield from _matched(addition.shape)
