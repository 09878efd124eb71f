"""Outcomes: what an error says of the thing that was to be read."""

import pytest

from mediatool_assets.domain.errors import (
    BadArchive,
    BadSettings,
    CheckFailed,
    MediatoolError,
    NotFound,
    OutOfResources,
    Refused,
    Unreachable,
)
from mediatool_assets.domain.outcome import Outcome, outcome_of, worst


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
