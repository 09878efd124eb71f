"""The verdict on a version: what counts as passed, and which share is read on a day."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.core.authenticity import (
    Check,
    DailySample,
    Verdict,
    judged,
    standing,
    unreadable,
    verdict_key,
)
from mediatool_assets.core.errors import Misuse
from mediatool_assets.core.outcomes import Outcome
from mediatool_assets.core.version import Version

DAY = date(2026, 11, 23)
OUTCOMES: dict[str, Outcome] = {
    "failed": "failed",
    "unknown": "unknown",
    "unread": "not checked",
}


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        (["passed", "passed"], "passed"),
        (["passed", "absent"], "passed"),
        (["passed", "unknown"], "unknown"),
        (["unknown", "failed"], "failed"),
        (["absent"], "unknown"),
        (["passed", "not checked"], "passed"),
        (["unknown", "not checked"], "unknown"),
        (["absent", "not checked"], "not checked"),
        ([], "unknown"),
    ],
)
def test_only_what_is_known_passes(outcomes: list[Outcome], verdict: str) -> None:
    """A failure outweighs what is unknown, and that outweighs what has passed."""
    assert judged(Check("raw", "x", outcome) for outcome in outcomes) == verdict


@pytest.mark.parametrize(
    ("history", "stands"),
    [
        ("", None),
        ("whole", 0),
        ("whole half", 1),
        ("failed", 0),
        ("failed half", 0),
        ("failed whole", 1),
        ("whole failed unknown", 1),
        ("failed half half", 2),
        ("failed half third half", 0),
        ("failed half unknown half", 0),
        ("half failed unknown half", 1),
        ("failed half unknown half half", 4),
        ("failed half failed half", 2),
        ("failed whole half", 2),
        ("unread", 0),
        ("half unread", 0),
        ("failed half unread", 1),
        ("failed half unread half", 3),
    ],
)
def test_a_failure_stands_until_all_passed_again(history: str, stands: int | None) -> None:
    """One verdict a day: no sample hides a damage that it did not read."""
    samples = {"half": 50.0, "third": 34.0, "unread": 50.0}
    made = [
        Verdict(
            "20261123-020000",
            (datetime(2026, 11, 23, 4, tzinfo=UTC) + timedelta(day)).isoformat(),
            1.0,
            OUTCOMES.get(word, "passed"),
            (),
            samples.get(word),
        )
        for day, word in enumerate(history.split())
    ]
    assert standing(made) == (None if stands is None else made[stands])


@given(
    percent=st.floats(0.5, 100),
    things=st.integers(0, 500),
    first=st.dates(date(2020, 1, 1), date(2090, 1, 1)),
)
def test_all_is_read_once_over_its_days(percent: float, things: int, first: date) -> None:
    """From any day on, each thing has its one day, and no day reads much more than its share."""
    days = DailySample(percent, first).days
    shares = [DailySample(percent, first + timedelta(n)).choose(range(things)) for n in range(days)]
    assert sorted(thing for share in shares for thing in share) == list(range(things))
    assert max(map(len, shares)) <= things * percent / 100 + 1
    today = DailySample(percent, first)
    assert today.choose(range(things)) == list(filter(today.includes, range(things))) == shares[0]


@pytest.mark.parametrize(
    ("percent", "days"), [(100, 1), (99.9, 2), (50, 2), (34, 3), (10, 10), (1, 100), (0.5, 200)]
)
def test_the_days_of_a_sample(percent: float, days: int) -> None:
    """No more than are needed."""
    assert DailySample(percent, DAY).days == days


def test_without_a_sample_every_day_reads_all() -> None:
    """So does a sample of 100 %."""
    for sample in (DailySample(None, DAY), DailySample(100, DAY)):
        assert sample.is_whole
        assert sample.choose("abc") == ["a", "b", "c"]


@pytest.mark.parametrize("percent", [0, -5, 100.1, float("nan"), float("inf")])
def test_a_percentage_without_meaning_is_misuse(percent: float) -> None:
    """The answer names it."""
    with pytest.raises(Misuse, match="sample"):
        DailySample(percent, DAY)


@pytest.mark.parametrize(
    ("outcome", "end"),
    [("passed", ".json"), ("failed", "-failed.json"), ("not checked", "-not-checked.json")],
)
def test_a_verdicts_object(outcome: Outcome, end: str) -> None:
    """Its key has the outcome, its bytes are one line; what an older version wrote is read."""
    verdict = Verdict(
        "20261123-020000",
        "2026-11-23T04:00:00.000001Z",
        1.5,
        outcome,
        (Check("raw", "x", outcome),),
    )
    key = verdict_key(Version.parse(verdict.version), verdict)
    assert key.endswith(f"2026-11-23/20261123-020000-20261123T040000.000001{end}")
    data = verdict.to_json()
    assert Verdict.from_json(data) == verdict
    assert data == (
        b'{"version":"20261123-020000","at":"2026-11-23T04:00:00.000001Z","seconds":1.5,'
        b'"verdict":"%b","checks":[{"part":"raw","thing":"x","outcome":"%b"}]}\n'
        % (outcome.encode(), outcome.encode())
    )
    assert Verdict.from_json(data.replace(b"01Z", b"01+00:00")) == verdict


def test_fields_that_say_nothing_are_left_out() -> None:
    """A check that read nothing has zeros, also when the document leaves them out."""
    check = Check("mongodb", "x", "unknown")
    assert (check.checked, check.total, check.bytes, check.findings) == (0, 0, 0, ())
    whole = Verdict("20261123-020000", "2026-11-23T04:00:00Z", 0, "passed", (), None, "signed")
    sample = msgspec.structs.replace(whole, sample=25.0, authenticity="")
    assert b"sample" not in whole.to_json()
    assert b"authenticity" not in sample.to_json()
    assert (Verdict.from_json(whole.to_json()), Verdict.from_json(sample.to_json())) == (
        whole,
        sample,
    )


@pytest.mark.parametrize(
    ("outcome", "known"),
    [("failed", "failed"), ("passed", "unknown"), ("not checked", "unknown")],
)
def test_a_damaged_verdict_is_known_by_its_key(outcome: Outcome, known: Outcome) -> None:
    """Version and time are in the key, and whether it failed; what else it said is unknown."""
    version = Version.parse("20261123-020000")
    at = "2026-12-04T05:06:07.080910Z"
    lost = Verdict(str(version), at, 2.5, outcome, (Check("raw", "x", outcome),))
    assert unreadable(verdict_key(version, lost)) == Verdict(str(version), at, 0.0, known, ())


@pytest.mark.parametrize(
    "wrong", [{"at": "yesterday"}, {"sample": 0.0}, {"sample": -1.0}, {"sample": 100.5}]
)
def test_a_verdict_without_meaning_is_refused(wrong: dict[str, Any]) -> None:
    """One whose time or sample cannot be is no verdict."""
    good = Verdict("20261123-020000", "2026-11-23T04:00:00Z", 1.0, "passed", (), 50.0)
    assert Verdict.from_json(good.to_json()) == good
    with pytest.raises(msgspec.ValidationError):
        Verdict.from_json(msgspec.structs.replace(good, **wrong).to_json())
