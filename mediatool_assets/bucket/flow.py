"""Plans, checks and sets the configuration of the bucket."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from mediatool_assets.domain.bucket import policies
from mediatool_assets.domain.bucket.aspects import (
    ASPECTS,
    Aspect,
    Live,
    LiveAspect,
    declared_documents,
)
from mediatool_assets.domain.bucket.changes import Change, changes
from mediatool_assets.domain.bucket.declaration import Declaration
from mediatool_assets.domain.bucket.departures import Departure, additional_rules, departures
from mediatool_assets.domain.bucket.lifecycle_cost import monthly_cost
from mediatool_assets.domain.bucket.posture import Control, controls
from mediatool_assets.domain.bucket.rules import State, problems
from mediatool_assets.domain.errors import BadSettings, Refused
from mediatool_assets.domain.prices import Prices
from mediatool_assets.flows.ports.bucket import BucketSettings


@dataclass(frozen=True, slots=True)
class PlannedRule:
    """One lifecycle rule: what it does, and its cost in dollars a month per GB written each day.

    A cost of None means that it grows without limit, since nothing expires. ``reason`` is set for
    the rules that this package defines.
    """

    id: str
    applies_to: str
    does: str
    monthly: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The declaration as it would be set, with AWS's rules applied, costs and remarks."""

    bucket: str
    prices: Prices
    lifecycle: tuple[PlannedRule, ...]
    warnings: tuple[str, ...]
    departures: tuple[Departure, ...]
    settings: dict[Aspect, dict[str, Any]]
    documents: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Applied:
    """What was set, what already matched, and what could not be set: the reason and the command."""

    set: tuple[Aspect, ...]
    unchanged: tuple[Aspect, ...]
    failed: dict[Aspect, str]
    commands: tuple[str, ...]


def plan(declared: Declaration, prices: Prices) -> Plan:
    """Return the declaration with AWS's rules applied; contacts no server. Raises BadSettings."""
    reasons = additional_rules(declared.lifecycle)
    return Plan(
        bucket=declared.bucket,
        prices=prices,
        lifecycle=tuple(
            PlannedRule(
                rule.id,
                "=".join(rule.tag) if rule.tag else rule.prefix or "(everything)",
                str(rule),
                monthly_cost(rule, prices),
                reasons.get(rule.id),
            )
            for rule in declared.lifecycle
        ),
        warnings=_validated(declared, declared.state),
        departures=departures(declared, prices),
        settings=declared_documents(declared, {"policy": LiveAspect()}),
        documents=policies.documents(declared),
    )


def check(declared: Declaration, bucket: BucketSettings) -> tuple[Control, ...]:
    """Compare the live bucket with the declaration; changes nothing."""
    return controls(declared, read_aspects(bucket), bucket.trails())


def read_aspects(bucket: BucketSettings) -> dict[Aspect, LiveAspect]:
    """Read every aspect of the live bucket."""
    return {aspect: bucket.read(aspect) for aspect in ASPECTS}


def apply(
    declared: Declaration,
    bucket: BucketSettings,
    allowed: Collection[str],
    announce: Callable[[Change], None],
) -> Applied:
    """Set every aspect that differs, and announce all changes before the first is made.

    A second call sets nothing. Raises BadSettings if AWS would reject the rules, and Refused if a
    change weakens the bucket and its aspect is not in ``allowed``. In both cases nothing was set.
    """
    _validated(declared, declared.state._replace(mfa_delete=bool(bucket.mfa_delete())))
    live = read_aspects(bucket)
    found = changes(declared, live, secure=bucket.secure)
    for change in found:
        announce(change)
    _refuse(found, allowed)
    failed: dict[Aspect, str] = {}
    for change in found:
        if (why := bucket.write(change.aspect, change.after)) is not None:
            failed[change.aspect] = why
    want = declared_documents(declared, live)
    unseen = {each: seen.unknown for each, seen in live.items() if seen.unknown and each in want}
    return Applied(
        set=tuple(change.aspect for change in found if change.aspect not in failed),
        unchanged=_unchanged(want, live, found),
        failed={**failed, **unseen},
        commands=tuple(change.command for change in found if change.aspect in failed),
    )


def _unchanged(
    want: dict[Aspect, dict[str, Any]], live: Live, found: tuple[Change, ...]
) -> tuple[Aspect, ...]:
    changed = {change.aspect for change in found}
    return tuple(each for each in want if each not in changed and live[each].unknown is None)


def _validated(declared: Declaration, state: State) -> tuple[str, ...]:
    """Return warnings about rules that AWS accepts; raises BadSettings for those it rejects."""
    found = problems(declared.lifecycle, state)
    refused = [str(problem) for problem in found if problem.refused]
    if refused:
        raise BadSettings([*refused, "the bucket was not contacted; correct the declaration"])
    return tuple(str(problem) for problem in found)


def _refuse(found: tuple[Change, ...], allowed: Collection[str]) -> None:
    objected = [change for change in found if change.objections and change.aspect not in allowed]
    if objected:
        reasons = "; ".join(f"{each.aspect}: {', '.join(each.objections)}" for each in objected)
        options = " ".join(f"--allow {each.aspect}" for each in objected)
        raise Refused(
            f"this would weaken the bucket: {reasons}; nothing was set; to do it anyway, run "
            f"`mediatool bucket apply {options}`"
        )
