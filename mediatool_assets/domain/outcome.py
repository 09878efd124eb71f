"""The outcomes of checks, for verdicts, asset checks and integrity reports."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mediatool_assets.domain.errors import (
    MediatoolError,
    Misuse,
    OutOfResources,
    Refused,
    Unreachable,
)

Outcome = Literal["passed", "warned", "unknown", "failed", "absent", "not checked"]
"""``warned``: unusual, but not wrong. ``unknown``: could not be read; not the same as passed.
``absent``: the database does not exist. ``not checked``: no part was read.
"""

GRAVITY: tuple[Outcome, ...] = ("passed", "warned", "unknown", "failed")
"""From best to worst. The other outcomes say nothing about a version."""

Figure = int | float | str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check. ``reason`` names the thing, and the problem if there is one."""

    outcome: Outcome
    reason: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst outcome, ignoring ``absent`` and ``not checked``; unknown if none is left.

    A failure outweighs an unknown outcome.
    """
    judged = (outcome for outcome in outcomes if outcome in GRAVITY)
    return max(judged, key=GRAVITY.index, default="unknown")


def combined(findings: Iterable[Finding]) -> Finding:
    """Several findings on one thing as one: the worst outcome, its reasons, and all figures."""
    findings = list(findings)
    outcome = worst(finding.outcome for finding in findings)
    reasons = [f.reason for f in findings if outcome == "passed" or f.outcome != "passed"]
    figures = {name: figure for f in findings for name, figure in f.figures.items()}
    return Finding(outcome, "; ".join(reasons), figures)


def outcome_of(error: MediatoolError) -> Outcome:
    """The outcome of a check that an error stopped.

    Unknown if a server does not answer or denies access, or this machine has no memory or disk
    space left. Otherwise failed: the thing is damaged, missing or different. A Misuse is raised
    again, since a wrong setting says nothing about the data.
    """
    if isinstance(error, Misuse):
        raise error
    is_unknown = isinstance(error, Unreachable | Refused | OutOfResources)
    return "unknown" if is_unknown else "failed"
