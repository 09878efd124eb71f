"""Posture from day to day: what is unknown has not passed, and what was lost is told."""

import pytest

from mediatool_assets.bucket.rules import Control, PostureRecord, as_declared, drift, still_passes
from mediatool_assets.core.outcomes import Outcome


def recorded(**verdicts: Outcome) -> PostureRecord:
    """A record of controls with these verdicts."""
    controls = tuple(Control(name, verdict, "so it is") for name, verdict in verdicts.items())
    return PostureRecord("b", "2026-06-30T03:30:00Z", controls)


@pytest.mark.parametrize(
    ("verdicts", "amazon", "outcome"),
    [
        ({"a": "passed", "b": "passed"}, True, "passed"),
        ({"a": "passed", "b": "passed"}, False, "passed"),
        ({"a": "passed", "b": "unknown"}, True, "unknown"),
        ({"a": "passed", "b": "unknown"}, False, "warned"),
        ({"a": "failed", "b": "unknown"}, True, "failed"),
        ({"a": "failed", "b": "unknown"}, False, "warned"),
    ],
)
def test_as_declared(verdicts: dict[str, Outcome], amazon: bool, outcome: str) -> None:
    """Only what all passes has passed; elsewhere than on Amazon S3 the rest is a warning."""
    found = as_declared(recorded(**verdicts).controls, amazon=amazon)
    assert found.outcome == outcome
    assert ("unknown: b" in found.reason) == (verdicts["b"] == "unknown")
    assert found.figures["passed"] == sum(v == "passed" for v in verdicts.values())


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        ("passed", "passed", "passed"),
        ("passed", "failed", "failed"),
        ("passed", "unknown", "failed"),
        ("failed", "passed", "passed"),
        ("unknown", "failed", "passed"),
    ],
)
def test_drift(before: Outcome, after: Outcome, outcome: str) -> None:
    """What passed and does no more is an error anywhere; every other change is told."""
    earlier, now = recorded(a=before, gone="passed"), recorded(a=after, new="failed")
    changed = drift(earlier, now)
    assert [each.control for each in changed] == (["a"] if before != after else [])
    found = still_passes(earlier, changed)
    assert found.outcome == outcome
    assert found.reason.startswith("since 2026-06-30T03:30:00Z: ")
    assert (f"a: {before}, now {after} (so it is)" in found.reason) == (before != after)


def test_the_first_record() -> None:
    """There is nothing to have drifted from."""
    now = recorded(a="failed")
    assert drift(None, now) == ()
    assert still_passes(None, ()).outcome == "passed"
