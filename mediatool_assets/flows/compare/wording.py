"""A comparison in words and figures, as both reports for people say them."""

from collections.abc import Iterator

import msgspec

from mediatool_assets.domain.comparison import (
    ChangedValue,
    Comparison,
    Figure,
    LikelyRename,
    NotCompared,
    WholeRow,
)
from mediatool_assets.flows.page.figures import number, several, size

METRICS = {
    "total_records": "Rows",
    "campaigns": "Campaigns",
    "users": "Users",
    "data_size_bytes": "Data (JSON)",
    "archive_size_bytes": "Archive",
    "tables": "Tables",
    "schema_changes": "Schema changes",
}
"""The metrics' names for people, in order."""


def headline(comparison: Comparison) -> str:
    """The verdict in a sentence."""
    summary = comparison.summary
    unknown = ""
    if summary.tables_not_compared:
        unknown = f"; {several(summary.tables_not_compared, 'thing')} could not be compared"
    match comparison.verdict:
        case "same":
            return f"All {summary.total_collections} tables have the same rows and the same schema."
        case "unknown":
            return f"No difference was found, and nothing is proved{unknown}."
        case "different":
            return (
                f"{summary.collections_with_changes} of {summary.total_collections} tables have "
                f"other rows: {summary.rows_added:,} added, "
                f"{summary.rows_removed:,} removed, {summary.rows_changed:,} changed; "
                f"{several(len(comparison.schema_changes), 'schema change')}{unknown}."
            )


def metric(name: str, figure: Figure) -> tuple[str, str, str]:
    """``(before, after, change)`` of a metric."""
    show = size if name.endswith("_bytes") else number
    percent = "" if figure.change_percent is None else f" ({figure.change_percent:+.2f} %)"
    change = "" if figure.change is None else f"{show(figure.change, sign=figure.v1 is not None)}"
    return show(figure.v1), show(figure.v2), change + percent


def renames(comparison: Comparison) -> Iterator[tuple[str, LikelyRename]]:
    """The suggested renames with their tables."""
    for name, table in comparison.details.items():
        for rename in table.renames:
            yield name, rename


def value(raw: msgspec.Raw) -> str:
    """One value of an example; what is hidden tells its length."""
    found = msgspec.json.decode(raw)
    if isinstance(found, dict):
        return f"hidden, {found['length']} characters"
    return found if isinstance(found, str) else bytes(raw).decode()


def key(example: ChangedValue | WholeRow) -> str:
    """What the row is found by: ``id = 5``."""
    return ", ".join(f"{name} = {value(raw)}" for name, raw in example.key.items())


def problem(found: NotCompared) -> str:
    """Why something could not be compared."""
    return f"{found.table or 'the archive'}: {found.version}: {found.reason}"
