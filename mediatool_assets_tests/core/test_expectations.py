"""What is expected of a version: figures in, a finding with its reason out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.core.comparison import SchemaChange, Severity
from mediatool_assets.core.model import (
    Bounds,
    accounted,
    counted,
    counts_as_usual,
    equal_documents,
    rows_as_usual,
    schema_kept,
)
from mediatool_assets.core.outcomes import Finding, Outcome, combined

CALM = [1000, 1001, 1003, 1003, 1010]
WILD = [1000, 700, 1000, 720, 1000]


@pytest.mark.parametrize(
    ("snapshot", "archive", "damage", "outcome"),
    [
        (3, 3, None, "passed"),
        (0, 0, None, "passed"),
        (4, 3, None, "failed"),
        (3, 4, None, "failed"),
        (3, 3, "does not have its SHA-256", "failed"),
        (None, 3, None, "unknown"),
    ],
)
def test_the_source_s_count_is_the_archive_s(
    snapshot: int | None, archive: int, damage: str | None, outcome: Outcome
) -> None:
    """One row more or less fails, and so does damage; what the source had must be known."""
    found = counted("accounts", snapshot, archive, damage)
    assert found.outcome == outcome
    assert "accounts" in found.reason
    assert found.figures == {"rows_in_snapshot": snapshot, "rows_in_archive": archive}


@pytest.mark.parametrize(
    ("rows", "history", "outcome"),
    [
        (1012, CALM, "passed"),
        (920, CALM, "passed"),
        (900, CALM, "failed"),
        (0, CALM, "failed"),
        (1500, CALM, "passed"),
        (1600, CALM, "warned"),
        (700, WILD, "passed"),
        (480, WILD, "failed"),
        (900, [1000, 950, 900, 855, 812, 771, 733, 1000], "passed"),
        (640, [1000, 950, 902, 857, 814, 773, 735, 698], "failed"),
        (0, [5], "failed"),
        (4, [12], "passed"),
        (0, [0, 0], "passed"),
        (0, [900, 900, 900, 0], "failed"),
        (900, [900, 900, 900, 0], "warned"),
        (7, [0], "passed"),
        (7, [], "passed"),
    ],
)
def test_rows_are_held_against_what_the_last_versions_teach(
    rows: int, history: list[int], outcome: Outcome
) -> None:
    """A calm table may lose a tenth, a wild one half; a leak of nights, and a void, are found."""
    found = rows_as_usual("accounts", rows, history)
    assert found.outcome == outcome, found
    assert found.reason.startswith("accounts: ")


def test_the_figures_are_told() -> None:
    """What was compared with what, and by which bounds."""
    assert rows_as_usual("accounts", 800, CALM).figures == {
        "rows": 800,
        "rows_before": 1010,
        "rows_usually": 1003,
        "change_percent": -20.79,
        "may_lose_percent": 10.0,
        "may_gain_percent": 50.0,
        "versions_compared": 5,
    }


def test_an_empty_table_is_told_with_what_it_had() -> None:
    """With the rows of the version before, or where that was empty too with the usual ones."""
    assert "is empty, and had 120 rows" in rows_as_usual("t", 0, [120, 120, 120]).reason
    assert "is empty, and usually has 120 rows" in rows_as_usual("t", 0, [120, 120, 0]).reason


@pytest.mark.parametrize(
    ("bounds", "rows", "outcome"),
    [
        (Bounds(may_lose=0.7), 320, "passed"),
        (Bounds(may_lose=0.7), 0, "failed"),
        (Bounds(may_lose=1.0), 0, "passed"),
        (Bounds(may_lose=0.02), 980, "failed"),
        (Bounds(may_gain=3.0), 4000, "passed"),
        (Bounds(may_gain=0.1), 1200, "warned"),
    ],
)
def test_a_table_s_own_bounds_take_the_place_of_learnt_ones(
    bounds: Bounds, rows: int, outcome: Outcome
) -> None:
    """Wider or narrower; only 100 % allows for losing everything."""
    assert rows_as_usual("queue", rows, CALM, bounds).outcome == outcome


@pytest.mark.parametrize(
    ("bounds", "rows", "outcome"),
    [
        (Bounds(may_lose=0.0), 100, "passed"),
        (Bounds(may_lose=0.0), 99, "failed"),
        (Bounds(may_lose=0.29), 71, "passed"),
        (Bounds(may_lose=0.29), 70, "failed"),
        (Bounds(may_gain=0.0), 101, "warned"),
        (Bounds(may_gain=0.07), 107, "passed"),
        (Bounds(may_gain=0.07), 108, "warned"),
        (Bounds(may_gain=0.0), 95, "passed"),
        (Bounds(may_lose=0.0), 190, "passed"),
    ],
)
def test_a_stated_bound_holds_for_a_small_table(
    bounds: Bounds, rows: int, outcome: Outcome
) -> None:
    """To the row; a side of which nothing is said keeps the floor that it had."""
    assert rows_as_usual("queue", rows, [100, 100], bounds).outcome == outcome


@given(rows=st.integers(0, 10**7), history=st.lists(st.integers(0, 10**7), min_size=1, max_size=14))
def test_whatever_the_history_much_is_never_lost_unnoticed(rows: int, history: list[int]) -> None:
    """No history excuses the loss of more than half, nor of everything."""
    lost = history[-1] - rows
    found = rows_as_usual("t", rows, history)
    if (rows == 0 and history[-1]) or lost > max(0.5 * history[-1], 10):
        assert found.outcome == "failed"
    if len(set(history)) == 1 and rows == history[0]:
        assert found.outcome == "passed"


@pytest.mark.parametrize(
    ("counts", "history", "outcome"),
    [
        ({"campaigns.account": 5}, [], "passed"),
        ({"campaigns.account": 5}, [{"campaigns.account": 5}], "passed"),
        ({"campaigns.account": 15}, [{"campaigns.account": 5}], "passed"),
        ({"campaigns.account": 16}, [{"campaigns.account": 5}], "failed"),
        ({"campaigns.account": 16}, [{"campaigns.account": 12}, {}], "passed"),
        ({"campaigns.account": 150}, [{"campaigns.account": 100}], "passed"),
        ({"campaigns.account": 151}, [{"campaigns.account": 100}], "failed"),
        ({"campaigns.team": 11}, [{"campaigns.account": 100}], "failed"),
        ({}, [{"campaigns.account": 100}], "passed"),
    ],
)
def test_what_is_rare_stays_rare(
    counts: dict[str, int], history: list[dict[str, int]], outcome: Outcome
) -> None:
    """Each field by itself, against the most that it ever had."""
    found = counts_as_usual("unresolved references", counts, history, "failed")
    assert found.outcome == outcome
    if outcome == "failed":
        assert next(iter(counts)) in found.reason


@pytest.mark.parametrize(
    ("severities", "outcome"),
    [
        ([], "passed"),
        (["information"], "passed"),
        (["information", "warning"], "warned"),
        (["warning", "breaking"], "failed"),
    ],
)
def test_the_gravest_change_of_columns_decides(
    severities: list[Severity], outcome: Outcome
) -> None:
    """A comment is nothing, a new column a warning, one that is gone a failure."""
    changes = [SchemaChange(s, "accounts", "column", "name", "text", None) for s in severities]
    found = schema_kept("accounts", changes)
    assert found.outcome == outcome
    assert found.figures == {"schema_changes": len(changes)}
    assert ("column name removed" in found.reason) == (outcome != "passed")
    assert found.reason.count("accounts") == 1


@pytest.mark.parametrize(
    ("homes", "wrong"),
    [
        ({"reps": {"in": 5, "documents": 3, "orphans": 2}}, None),
        ({"reps": {"in": 5, "documents": 3, "orphans": 1}}, "5 rows, 5 read, 4 accounted for"),
        ({"reps": {"in": 4, "documents": 4}}, "5 rows, 4 read, 4 accounted for"),
        ({"reps": {"documents": 5}}, "None read"),
        ({}, "only in the raw or only in the transformed archive"),
    ],
)
def test_every_row_has_one_home(homes: dict[str, dict[str, int]], wrong: str | None) -> None:
    """None is lost on the way in, and none has two places."""
    found = accounted({"reps": 5}, homes)
    assert found.outcome == ("failed" if wrong else "passed")
    assert wrong is None or (wrong in found.reason and "reps" in found.reason)


ONE, OTHER = f"3:{'a' * 32}", f"3:{'b' * 32}"


@pytest.mark.parametrize(
    ("expected", "found", "live", "outcome"),
    [
        (ONE, ONE, 3, "passed"),
        (ONE, ONE, None, "passed"),
        (ONE, OTHER, 3, "failed"),
        (ONE, None, None, "failed"),
        (None, ONE, 3, "failed"),
        (None, None, 0, "failed"),
        (ONE, ONE, 2, "failed"),
    ],
)
def test_documents_of_two_stores_are_equal(
    expected: str | None, found: str | None, live: int | None, outcome: Outcome
) -> None:
    """By count and content, and by what is there now."""
    assert equal_documents("teams", expected, found, live).outcome == outcome


def test_of_several_findings_the_worst_counts() -> None:
    """Only the reasons of what is wrong are told, and all figures."""
    passed = Finding("passed", "fine", {"rows": 1})
    warned = Finding("warned", "odd", {"changes": 2})
    failed = Finding("failed", "gone")
    assert combined([passed, warned]) == Finding("warned", "odd", {"rows": 1, "changes": 2})
    assert combined([failed, warned, passed]).outcome == "failed"
    assert combined([failed, Finding("unknown", "no answer")]).outcome == "failed"
    assert combined([warned, Finding("unknown", "no answer")]).outcome == "unknown"
    assert combined([passed, passed]).reason == "fine; fine"
