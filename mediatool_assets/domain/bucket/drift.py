"""The recorded posture of a bucket, and the changes since the last record."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from mediatool_assets.domain.bucket.posture import Control
from mediatool_assets.domain.json_documents import JsonDocument, decoded
from mediatool_assets.domain.outcome import Figure, Finding, Outcome, worst

_EARLIER_WORDS = {"pass": "passed", "fail": "failed"}
"""Outcome names in records from before 2026-11-28."""


class _StoredPosture(msgspec.Struct):
    bucket: str
    taken: str
    controls: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class PostureRecord(JsonDocument):
    """The posture at one time: the verdict and the reason of each control."""

    bucket: str
    taken: str
    controls: tuple[Control, ...]

    @classmethod
    def from_json(cls, data: bytes) -> "PostureRecord":
        """Read a record, an earlier release's too; raises msgspec.MsgspecError on anything else."""
        stored = decoded(data, _StoredPosture)
        for control in stored.controls:
            word = control.get("verdict")
            control["verdict"] = _EARLIER_WORDS.get(str(word), word)
        controls = msgspec.convert(stored.controls, tuple[Control, ...])
        return cls(stored.bucket, stored.taken, controls)


@dataclass(frozen=True, slots=True)
class Drift:
    """A control whose verdict has changed since the last record."""

    control: str
    before: Outcome
    after: Outcome
    says: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.control}: {self.before}, now {self.after} ({self.says})"


def drift(earlier: PostureRecord | None, now: PostureRecord) -> tuple[Drift, ...]:
    """Every control that is in both records with different verdicts."""
    before = {} if earlier is None else {each.name: each.verdict for each in earlier.controls}
    return tuple(
        Drift(each.name, before[each.name], each.verdict, each.says)
        for each in now.controls
        if each.name in before and before[each.name] != each.verdict
    )


def as_declared(controls: Sequence[Control], *, amazon: bool) -> Finding:
    """Whether all controls pass; a control that could not be read has not passed.

    A server that is not Amazon's cannot pass some of them. There the finding is only a warning. On
    Amazon S3, both failed and unknown controls are errors.
    """
    names: dict[Outcome, list[str]] = {"passed": [], "failed": [], "unknown": []}
    for each in controls:
        names[each.verdict].append(each.name)
    figures: dict[str, Figure] = {outcome: len(some) for outcome, some in names.items()}
    told = [f"{len(names['passed'])} of {len(controls)} controls passed"]
    if names["failed"]:
        told.append(f"not as declared: {', '.join(names['failed'])}")
    if names["unknown"]:
        told.append(f"unknown: {', '.join(names['unknown'])}")
    outcome = worst(each.verdict for each in controls)
    if outcome != "passed" and not amazon:
        outcome = "warned"
        told.append("this server is not Amazon S3, and lacks what some of the controls need")
    step = "" if outcome == "passed" else "; `mediatool bucket check` shows the details"
    return Finding(outcome, "; ".join(told) + step, figures)


def still_passes(earlier: PostureRecord | None, found: Sequence[Drift]) -> Finding:
    """Whether every control that passed in the last record still passes, on any server."""
    if earlier is None:
        return Finding("passed", "the first record: there is no earlier one to compare with")
    lost = [each for each in found if each.before == "passed"]
    figures = {"changed": len(found), "lost": len(lost)}
    if lost:
        says = "; ".join(map(str, lost))
        step = "`mediatool bucket apply` sets what is declared"
        return Finding("failed", f"since {earlier.taken}: {says}; {step}", figures)
    told = "; ".join(map(str, found)) or "no change"
    return Finding("passed", f"since {earlier.taken}: {told}", figures)
