"""The comparison's own rules: percentages and the verdict."""

import pytest

from mediatool_assets.domain.comparison import (
    Examples,
    Figure,
    NotCompared,
    TableComparison,
    percent,
    verdict,
)
from mediatool_assets.domain.schema_changes import SchemaChange

CHANGE = SchemaChange("information", "t", "comment", "", "none", "a table")
PROBLEM = NotCompared("t", "20250621-020000", "there is no such table")


def _table(added: int) -> TableComparison:
    return TableComparison(
        0, added, added, None, added, 0, 0, {}, 0, 0, "primary key", ("id",), Examples()
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "found"), [(0, 5, None), (0, 0, None), (3, 4, 33.3333), (5, 0, -100.0)]
)
def test_percentage_of_nothing_is_null(before: int, after: int, found: float | None) -> None:
    """Nothing can be divided by an empty table."""
    assert percent(before, after) == found
    assert Figure.of(before, after).change_percent == found


def test_figure_of_a_missing_table_is_null() -> None:
    """Not there is not zero."""
    assert Figure.of(None, 5) == Figure(None, 5, None, None)


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
