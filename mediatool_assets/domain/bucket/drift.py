"""The recorded posture of a bucket, and the changes since the last record."""

from collections.abc import Sequence
from dataclasses import dataclass

from mediatool_assets.domain.bucket.posture import Control
from mediatool_assets.domain.outcome import Figure, Finding, Outcome, worst


@dataclass(frozen=True, slots=True)
class PostureRecord:
    """The posture at a moment: of each control its verdict and its reason."""

    bucket: str
    taken: str
    controls: tuple[Control, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """A control whose verdict is another than it was."""

    control: str
    before: Outcome
    after: Outcome
    says: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.control}: {self.before}, now {self.after} ({self.says})"


def drift(earlier: PostureRecord | None, now: PostureRecord) -> tuple[Drift, ...]:
    """Every control that is in both and has another verdict."""
    before = {} if earlier is None else {each.name: each.verdict for each in earlier.controls}
    return tuple(
        Drift(each.name, before[each.name], each.verdict, each.says)
        for each in now.controls
        if each.name in before and before[each.name] != each.verdict
    )


def as_declared(controls: Sequence[Control], *, amazon: bool) -> Finding:
    """Whether the bucket is what it must be; what could not be looked at has not passed.

    On a server that is not Amazon's much of it cannot be: there the finding is a warning, whatever
    has failed or is unknown. On Amazon S3 both are errors.
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
        told.append("this is not Amazon S3, and has no such thing as some of them")
    step = "" if outcome == "passed" else "; `mediatool bucket check` says more"
    return Finding(outcome, "; ".join(told) + step, figures)


def undrifted(earlier: PostureRecord | None, found: Sequence[Drift]) -> Finding:
    """Whether nothing that passed when it was last recorded does so no more, on any server."""
    if earlier is None:
        return Finding("passed", "the first record: there is nothing to hold it against")
    lost = [each for each in found if each.before == "passed"]
    figures = {"changed": len(found), "lost": len(lost)}
    if lost:
        says = "; ".join(map(str, lost))
        step = "`mediatool bucket apply` sets what is declared"
        return Finding("failed", f"since {earlier.taken}: {says}; {step}", figures)
    told = "; ".join(map(str, found)) or "as it was"
    return Finding("passed", f"since {earlier.taken}: {told}", figures)
