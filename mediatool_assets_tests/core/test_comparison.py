"""The comparison's own rules: percentages and the verdict."""

import msgspec
import pytest

from mediatool_assets.core.comparison import (
    Comparison,
    Examples,
    Figure,
    NotCompared,
    SchemaChange,
    Summary,
    TableComparison,
    percent,
    summary,
    verdict,
)

CHANGE = SchemaChange("information", "t", "comment", "", "none", "a table")
PROBLEM = NotCompared("t", "20250621-020000", "there is no such table")


def _table(added: int, removed: int = 0, changed: int = 0) -> TableComparison:
    return TableComparison(
        0, added, added, None, added, removed, changed, {}, 0, 0, "primary key", ("id",),
        Examples(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "found"), [(0, 5, None), (0, 0, None), (3, 5, 66.6667), (5, 0, -100.0)]
)
def test_percentage_of_nothing_is_null(before: int, after: int, found: float | None) -> None:
    """Nothing can be divided by an empty table."""
    assert percent(before, after) == found
    assert Figure.of(before, after) == Figure(before, after, after - before, found)


def test_figure_of_a_missing_table_is_null() -> None:
    """Not there is not zero."""
    assert Figure.of(None, 5) == Figure(None, 5, None, None)
    assert Figure.of(5, None) == Figure(5, None, None, None)
    assert Figure.of(None, None) == Figure(None, None, None, None)


@pytest.mark.parametrize(
    ("added", "changes", "errors", "found"),
    [
        (0, (), (), "same"),
        (1, (), (), "different"),
        (0, (CHANGE,), (), "different"),
        (0, (), (PROBLEM,), "unknown"),
        (1, (), (PROBLEM,), "different"),
    ],
)
def test_unknown_is_never_same(
    added: int, changes: tuple[SchemaChange, ...], errors: tuple[NotCompared, ...], found: str
) -> None:
    """A known difference is one whatever else is unknown; without any, unknown stands."""
    assert verdict({"t": _table(added)}, changes, errors) == found


@pytest.mark.parametrize(
    ("rows", "differs"),
    [((0, 0, 0), False), ((1, 0, 0), True), ((0, 1, 0), True), ((0, 0, 1), True)],
)
def test_any_row_makes_a_difference(rows: tuple[int, int, int], differs: bool) -> None:
    """One that was added, removed or changed."""
    assert _table(*rows).differs is differs


def test_the_summary_adds_up() -> None:
    """Rows and changes of all tables; a table counts once, whatever could not be compared of it."""
    changes = (CHANGE, CHANGE, msgspec.structs.replace(CHANGE, severity="breaking"))
    again = NotCompared("t", "20250622-020000", "damaged", damaged=True)
    details = {"a": _table(2, 3, 4), "b": _table(0), "c": _table(20, 30, 40)}
    assert summary(details, changes, (PROBLEM, again), (500, 600)) == Summary(
        total_collections=3,
        collections_with_changes=2,
        total_records_v1=500,
        total_records_v2=600,
        rows_added=22,
        rows_removed=33,
        rows_changed=44,
        tables_not_compared=1,
        breaking_schema_changes=1,
    )


def test_what_is_damaged_is_told_from_what_is_not_there() -> None:
    """Only an archive that cannot be read is damaged."""
    damaged = NotCompared(None, "20250622-020000", "cut short", damaged=True)
    found = Comparison(
        "2025-06-23T08:00:00Z", "20250621-020000", "20250622-020000", "unknown",
        summary({}, (), (PROBLEM, damaged), (1, 2)), {}, (), (PROBLEM, damaged), {},
    )  # fmt: skip
    assert found.damaged == (damaged,)
    assert Comparison.from_json(found.to_json()) == found
