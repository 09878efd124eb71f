"""Renames as suggestions: found by equal values, and never where the values tell nothing."""

from pathlib import Path

import pytest

from mediatool_assets.core.comparison import LikelyRename
from mediatool_assets.core.schema import Table
from mediatool_assets_tests.compared import of_tables
from mediatool_assets_tests.raw_archives import table

BEFORE = table("users", id="integer", mail="text", flag="boolean")


def _before(count: int) -> list[dict[str, object]]:
    return [{"id": i, "mail": f"{i}@example.com", "flag": True} for i in range(count)]


@pytest.mark.parametrize("count", [5, 25_000])
def test_a_renamed_column_is_suggested(tmp_path: Path, count: int) -> None:
    """Also where a row was edited, others came and went, and another column of the type is new."""
    after = table("users", id="integer", note="text", email="text", flag="boolean")
    rows = [
        {"id": i, "note": f"n{i}", "email": f"{i}@example.com", "flag": True}
        for i in range(1, count + 3)
    ]
    if count > 5:
        rows[7] = rows[7] | {"email": "edited@example.com"}
    found = of_tables(tmp_path, {BEFORE: _before(count)}, {after: rows}).details["users"]
    [rename] = found.renames
    assert (rename.before, rename.after, rename.type) == ("mail", "email", "text")
    assert 0.98 * rename.rows <= rename.rows_equal <= rename.rows <= count
    assert rename.rows >= min(count - 1, 5_000)


@pytest.mark.parametrize(
    "after",
    [
        table("users", id="integer", email="character varying", flag="boolean"),
        table("users", id="integer", mail="text", ready="boolean"),
        table("users", id="integer", flag="boolean"),
    ],
)
def test_another_type_or_one_same_value_is_no_rename(tmp_path: Path, after: Table) -> None:
    """A column of another type, one that says the same in every row, and none at all."""
    rows = [row | {"email": row["mail"], "ready": row["flag"]} for row in _before(9)]
    names = [column.name for column in after.columns]
    two = [{name: row[name] for name in names} for row in rows]
    found = of_tables(tmp_path, {BEFORE: _before(9)}, {after: two})
    assert found.details["users"].renames == ()


def test_other_values_are_no_rename(tmp_path: Path) -> None:
    """A column that was replaced by one of the same type."""
    after = table("users", id="integer", email="text", flag="boolean")
    rows = [{"id": i, "email": f"{i}@example.org", "flag": True} for i in range(9)]
    found = of_tables(tmp_path, {BEFORE: _before(9)}, {after: rows})
    assert found.details["users"].renames == ()


def test_a_rename_says_what_it_rests_on() -> None:
    """The figures are for a reader to judge."""
    says = str(LikelyRename("mail", "email", "text", 99, 100))
    assert says == "mail may be email now: text both, and equal in 99 of 100 rows"


def test_a_renamed_table_is_suggested(tmp_path: Path) -> None:
    """One gone and one new with equal columns and rows; empty ones and other rows tell nothing."""
    after, empty = (
        table("people", id="integer", mail="text", flag="boolean"),
        table("bare", id="uuid"),
    )
    rows = _before(9)
    found = of_tables(
        tmp_path, {BEFORE: rows, empty: []}, {after: rows, table("void", id="uuid"): []}
    )
    told = {problem.table: problem.reason for problem in found.errors}
    assert told == {
        "bare": "there is no such table",
        "people": "there is no such table; users has the same columns and rows: "
        "the table may have been renamed",
        "users": "there is no such table; people has the same columns and rows: "
        "the table may have been renamed",
        "void": "there is no such table",
    }
