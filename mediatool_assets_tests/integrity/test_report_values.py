"""Judgements of the integrity report: unknown is never passed, what differs is never unknown."""

from pathlib import Path

import msgspec
import pytest

from mediatool_assets.core.outcomes import Finding, Outcome, worst
from mediatool_assets.integrity.plan import (
    EXAMPLES,
    Defect,
    Integrity,
    Line,
    compared,
    equal,
    headline,
    ordered,
    percent_of,
    referenced,
)


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


def test_stores_that_differ_are_all_named() -> None:
    """Each with what it holds; a store that is unknown without a reason is named too."""
    held = {"raw": 3, "dump": 2, "mongodb": None}
    assert equal(held) == Finding("failed", "raw: 3; dump: 2; mongodb: None")
    assert equal({"raw": 3, "dump": None}) == Finding("unknown", "dump is unknown")


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ((1, 0, 0), "1 missing"),
        ((0, 1_000, 0), "1,000 too many"),
        ((0, 0, 2), "2 different in email, name, x"),
        ((1, 0, 2), "1 missing; 2 different in email, name, x"),
    ],
)
def test_rows_are_told_by_what_is_wrong_with_them(
    counts: tuple[int, int, int], reason: str
) -> None:
    """How many are missing, too many and different, and in which columns or fields."""
    assert compared((0, 0, 0), ()) == Finding("passed")
    defects = [
        Defect("differs", "mongodb", "users", {}, "name"),
        Defect("differs", "mongodb", "users", {}, "email", field="mail"),
        Defect("differs", "mongodb", "users", {}, field="x"),
        Defect("differs", "mongodb", "users", {}),
        Defect("missing", "mongodb", "users", {}, "other"),
    ]
    assert compared(counts, defects) == Finding("failed", reason)


@pytest.mark.parametrize(
    ("defect", "has_values"),
    [
        (Defect("differs", "raw", "t", {}, "c"), True),
        (Defect("differs", "raw", "t", {}, field="f"), False),
        (Defect("missing", "raw", "t", {}, "c"), False),
        (Defect("missing", "raw", "t", {}), False),
    ],
)
def test_only_a_column_that_differs_has_values(defect: Defect, has_values: bool) -> None:
    """Of a row that is missing there is nothing to compare."""
    assert defect.has_values is has_values


def test_so_many_rows_are_named() -> None:
    """As docs/how-to/integrity.md has it."""
    page = (Path(__file__).parents[2] / "docs/how-to/integrity.md").read_text("utf-8")
    assert f"{EXAMPLES} rows are named" in page


def test_what_is_not_said_is_not_written() -> None:
    """A line or a defect has the fields that say something."""
    assert line("passed").seconds == 0
    assert msgspec.json.encode(line("passed")) == (
        b'{"area":"counts","thing":"users","checked":"rows","how":"counted","outcome":"passed"}'
    )
    assert msgspec.json.encode(Defect("orphan", "raw", "t", {})) == (
        b'{"what":"orphan","store":"raw","table":"t","key":{}}'
    )


@pytest.mark.parametrize(
    ("sample", "shares"),
    [(None, "every row"), (12.5, "12.5 % of the rows"), (0, "0 % of the rows")],
)
def test_the_headline(sample: float | None, shares: str) -> None:
    """How many checks came out how, and how many rows they compared."""
    lines = tuple(line("passed") for _ in range(1_234))
    report = Integrity(
        "20250621-143000", "2025-06-21T14:45:00Z", 1.0, "failed", sample,
        {"passed": 1_233, "failed": 1}, {}, lines,
    )  # fmt: skip
    assert headline(report) == (
        f"1,234 checks: 1,233 passed, 0 unknown, 1 failed; {shares} compared by value."
    )
    assert Integrity.from_json(report.to_json()) == report


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
    found = referenced(orphans, declared=declared, expected=expected)
    assert found.outcome == outcome
    assert (f"{orphans} " in found.reason) == bool(orphans)


def test_a_share_of_nothing_is_none() -> None:
    """Percent, else null."""
    assert (percent_of(2, 3), percent_of(0, 0)) == (66.6667, None)
