"""Judgements of the integrity report: unknown is never passed, what differs is never unknown."""

import pytest

from mediatool_assets.domain.integrity import (
    Defect,
    Line,
    compared,
    equal,
    ordered,
    referenced,
    share,
)
from mediatool_assets.domain.outcome import Finding, Outcome, worst


def line(outcome: Outcome) -> Line:
    """A line that came out so."""
    return Line("counts", "users", "rows", "counted", outcome)


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ([], "unknown"),
        (["passed"], "passed"),
        (["passed", "unknown"], "unknown"),
        (["unknown", "failed", "passed"], "failed"),
    ],
)
def test_the_worst_line_is_the_verdict(outcomes: list[Outcome], verdict: str) -> None:
    """And it stands first."""
    lines = [line(outcome) for outcome in outcomes]
    assert worst(outcomes) == verdict
    assert [each.outcome for each in ordered(lines)][:1] == ([verdict] if lines else [])


def test_stores_that_hold_the_same_pass() -> None:
    """Each figure is known, and all are equal."""
    assert equal({"raw": 3, "mongodb": 3}) == Finding("passed")


def test_what_is_not_known_is_told_with_its_reason() -> None:
    """One that cannot be read leaves it open, unless two others differ already."""
    why = {"mongodb": "it does not answer"}
    assert equal({"raw": 3, "mongodb": None}, why) == Finding("unknown", "it does not answer")
    assert equal({"raw": 3, "dump": 2, "mongodb": None}, why).outcome == "failed"
    assert equal({"raw": None}).outcome == "unknown"
    assert equal({}).outcome == "unknown"


def test_rows_are_told_by_what_is_wrong_with_them() -> None:
    """How many are missing, too many and different, and in which columns."""
    assert compared((0, 0, 0), ()) == Finding("passed")
    defects = [Defect("differs", "mongodb", "users", {}, column) for column in ("name", "email")]
    found = Finding("failed", "1 missing; 2 different in email, name")
    assert compared((1, 0, 2), defects) == found


@pytest.mark.parametrize(
    ("orphans", "declared", "expected", "outcome"),
    [
        (0, True, None, "passed"),
        (1, True, None, "failed"),
        (5, False, None, "passed"),
        (5, False, 5, "passed"),
        (5, False, 4, "failed"),
    ],
)
def test_orphans_are_judged_by_who_forbids_them(
    orphans: int, declared: bool, expected: int | None, outcome: str
) -> None:
    """The database forbids them; the model's have to be as many as the transform counted."""
    assert referenced(orphans, declared=declared, expected=expected).outcome == outcome


def test_a_share_of_nothing_is_none() -> None:
    """Percent, else null."""
    assert (share(1, 3), share(0, 0)) == (33.3333, None)
