"""The result of comparing two versions: the shape of its JSON, and its verdict."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from mediatool_assets.domain.json_documents import JsonDocument
from mediatool_assets.domain.schema_changes import SchemaChange

ComparisonVerdict = Literal["same", "different", "unknown"]
MatchedBy = Literal["primary key", "natural key", "whole row"]

METRICS = {
    "total_records": "Rows",
    "data_size_bytes": "Data (JSON)",
    "archive_size_bytes": "Archive",
    "tables": "Tables",
    "schema_changes": "Schema changes",
    "documents": "Documents",
    "collections": "Collections",
}
"""The names for people of the metrics of every version, in order."""


class Figure(msgspec.Struct, frozen=True):
    """One number of both versions; ``change_percent`` is null if it cannot be calculated."""

    v1: int | None
    v2: int | None
    change: int | None
    change_percent: float | None

    @classmethod
    def of(cls, v1: int | None, v2: int | None) -> "Figure":
        """The figure of two numbers; None is an unknown one."""
        if v1 is None or v2 is None:
            return cls(v1, v2, None, None)
        return cls(v1, v2, v2 - v1, percent(v1, v2))


def percent(before: int, after: int) -> float | None:
    """The change in percent of ``before``; None if ``before`` is 0."""
    return round(100 * (after - before) / before, 4) if before else None


class ChangedValue(msgspec.Struct, frozen=True):
    """One value that changed: its row and column, and both values.

    ``key`` and the values are JSON; hidden ones are ``{"hidden": true, "length": n}``. ``row_v1``
    and ``row_v2`` are the line numbers of the row in ``{table}.ndjson`` of each archive, from 1.
    """

    key: dict[str, msgspec.Raw]
    column: str
    before: msgspec.Raw
    after: msgspec.Raw
    row_v1: int
    row_v2: int


class WholeRow(msgspec.Struct, frozen=True):
    """A row that only one version has; ``row`` is its line number in that archive, from 1.

    ``key`` holds the key's columns, or every column if the table's rows are matched as a whole.
    """

    key: dict[str, msgspec.Raw]
    row: int


class Examples(msgspec.Struct, frozen=True):
    """A few of the differences of a table; their total numbers are in the table's comparison."""

    changed: tuple[ChangedValue, ...] = ()
    added: tuple[WholeRow, ...] = ()
    removed: tuple[WholeRow, ...] = ()


class LikelyRename(msgspec.Struct, frozen=True):
    """A removed column and a new one that may be the same column: only a suggestion.

    ``rows_equal`` of the ``rows`` compared have the same value in both.
    """

    before: str
    after: str
    type: str
    rows_equal: int
    rows: int

    def __str__(self) -> str:
        return (
            f"{self.before} may be {self.after} now: {self.type} both, and equal in "
            f"{self.rows_equal:,} of {self.rows:,} rows"
        )


class TableComparison(msgspec.Struct, frozen=True):
    """One table that both versions have.

    ``field_changes`` counts changed values by column, in rows that both versions have. Columns that
    only one version has are schema changes; ``renames`` suggests pairs of them. ``notes`` explain
    the figures.
    """

    count_v1: int
    count_v2: int
    count_diff: int
    count_diff_percent: float | None
    added: int
    removed: int
    changed: int
    field_changes: dict[str, int]
    bytes_v1: int
    bytes_v2: int
    matched_by: MatchedBy
    key: tuple[str, ...]
    examples: Examples
    notes: tuple[str, ...] = ()
    renames: tuple[LikelyRename, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether any row differs."""
        return bool(self.added or self.removed or self.changed)


class NotCompared(msgspec.Struct, frozen=True):
    """Something that could not be compared, so that its outcome is unknown.

    ``table`` is null if the whole archive cannot be read. ``version`` is the version with the
    problem. ``damaged`` distinguishes an archive that cannot be read from a table that does not
    exist.
    """

    table: str | None
    version: str
    reason: str
    damaged: bool = False


class Summary(msgspec.Struct, frozen=True):
    """The totals of all tables. The field names say collections, as earlier reports did."""

    total_collections: int
    collections_with_changes: int
    total_records_v1: int
    total_records_v2: int
    rows_added: int
    rows_removed: int
    rows_changed: int
    tables_not_compared: int
    breaking_schema_changes: int


class Comparison(msgspec.Struct, JsonDocument, frozen=True):
    """Two versions, table by table. A difference is a finding, not an error.

    ``timestamp`` is the time of the comparison. ``verdict`` is ``same`` only if every table was
    compared or has equal fingerprints, and the schemas are equal too. It is ``unknown`` if no
    difference was found but something could not be compared. ``left_out`` are tables that both
    versions leave out on purpose, with the reason: they do not affect the verdict.
    """

    timestamp: str
    version1: str
    version2: str
    verdict: ComparisonVerdict
    summary: Summary
    metrics: dict[str, Figure]
    schema_changes: tuple[SchemaChange, ...]
    errors: tuple[NotCompared, ...]
    details: dict[str, TableComparison]
    left_out: dict[str, str] = {}

    @property
    def damaged(self) -> tuple[NotCompared, ...]:
        """What could not be read."""
        return tuple(problem for problem in self.errors if problem.damaged)


def verdict(
    details: Mapping[str, TableComparison],
    changes: tuple[SchemaChange, ...],
    errors: tuple[NotCompared, ...],
) -> ComparisonVerdict:
    """A known difference decides, whatever else is unknown. Without one, unknown is not same."""
    if changes or any(table.differs for table in details.values()):
        return "different"
    return "unknown" if errors else "same"


def summary(
    details: Mapping[str, TableComparison],
    changes: tuple[SchemaChange, ...],
    errors: tuple[NotCompared, ...],
    records: tuple[int, int],
) -> Summary:
    """The totals; ``records`` are all rows of each version, including tables not compared."""
    return Summary(
        total_collections=len(details),
        collections_with_changes=sum(table.differs for table in details.values()),
        total_records_v1=records[0],
        total_records_v2=records[1],
        rows_added=sum(table.added for table in details.values()),
        rows_removed=sum(table.removed for table in details.values()),
        rows_changed=sum(table.changed for table in details.values()),
        tables_not_compared=len({problem.table for problem in errors}),
        breaking_schema_changes=sum(change.severity == "breaking" for change in changes),
    )
