"""Outcomes: what an error says of the thing that was to be read."""

import pytest

from mediatool_assets.core.errors import (
    BadArchive,
    BadSettings,
    CheckFailed,
    MediatoolError,
    NotFound,
    OutOfResources,
    Refused,
    Unreachable,
)
from mediatool_assets.core.outcomes import Finding, Outcome, combined, outcome_of, worst


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Unreachable("no answer"), "unknown"),
        (Refused("no"), "unknown"),
        (OutOfResources("a worker died"), "unknown"),
        (CheckFailed("differs"), "failed"),
        (BadArchive("s3://b/k", "is cut short"), "failed"),
        (NotFound("gone"), "failed"),
    ],
)
def test_what_an_error_says(error: MediatoolError, outcome: Outcome) -> None:
    """Only what was read and is wrong has failed: a machine without memory or disk read nothing."""
    assert outcome_of(error) == outcome


def test_a_wrong_setting_is_no_outcome() -> None:
    """It is raised again."""
    with pytest.raises(BadSettings):
        outcome_of(BadSettings(["no URL"]))


@pytest.mark.parametrize(
    ("outcomes", "together"),
    [
        ((), "unknown"),
        (("absent", "not checked"), "unknown"),
        (("passed", "absent"), "passed"),
        (("passed", "warned"), "warned"),
        (("warned", "unknown"), "unknown"),
        (("unknown", "failed", "passed"), "failed"),
    ],
)
def test_the_worst_counts(outcomes: tuple[Outcome, ...], together: Outcome) -> None:
    """A failure outweighs what is unknown; what was not looked at says nothing."""
    assert worst(outcomes) == together


def test_findings_as_one() -> None:
    """The worst outcome with the reasons of what did not pass, and all figures."""
    passed = Finding("passed", "fine", {"rows": 1})
    warned, failed = Finding("warned", "odd", {"bytes": 2}), Finding("failed", "lost", {"rows": 3})
    assert combined([passed, passed]) == Finding("passed", "fine; fine", {"rows": 1})
    assert combined([passed, warned, failed]) == Finding(
        "failed", "odd; lost", {"rows": 3, "bytes": 2}
    )
    assert combined([]) == Finding("unknown")
