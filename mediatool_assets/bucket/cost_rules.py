"""The storage classes of an object over time, by the lifecycle rules."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mediatool_assets.domain.bucket.rules import WATERFALL
from mediatool_assets.domain.costs.inventory import ActiveRules, Cohort

DAY = 24
GRACE = 2 * DAY
"""Hours that S3 may take to execute a rule: it processes a bucket about once a day."""

_COLDER = {name: place for place, name in enumerate(("STANDARD", *WATERFALL))}


@dataclass(frozen=True, slots=True)
class ClassPeriod:
    """The hours of an object in one storage class; ``end`` is None if no rule ends it.

    ``moved``: a transition moved it to this class, at ``begin``.
    """

    storage_class: str
    begin: int
    end: int | None
    entered: int
    moved: bool


def midnight(hours: int, days: int) -> int:
    """The time ``days`` later, rounded up to the next midnight UTC, as S3 counts."""
    return -(-(hours + days * DAY) // DAY) * DAY


def whole_life(cohort: Cohort, active: ActiveRules) -> tuple[ClassPeriod, ...]:
    """The whole life of a cohort under the rules, from its creation."""
    end = _end(cohort, active)
    until = cohort.superseded if cohort.superseded is not None else _expiry(cohort)
    marks = [(cohort.made, "STANDARD")]
    for at, name in sorted(_steps(cohort, active), key=lambda step: (step[0], _COLDER[step[1]])):
        if (until is not None and at >= until) or _COLDER[name] <= _COLDER[marks[-1][1]]:
            continue
        marks.append((at, name))
    if cohort.storage_class not in {name for _, name in marks}:
        marks = _started_elsewhere(marks, cohort)
    found = []
    for place, (at, name) in enumerate(marks):
        following = marks[place + 1][0] if place + 1 < len(marks) else end
        if following is None or following > at:
            found.append(ClassPeriod(name, at, following, at, place > 0))
    return tuple(found)


def remaining_life(cohort: Cohort, active: ActiveRules, now: int) -> tuple[ClassPeriod, ...]:
    """The remaining life from ``now`` on, starting in the class that it is in.

    Overdue actions take place now. An object in a colder class than the rules ask for stays there.
    """
    found: list[ClassPeriod] = []
    real = _COLDER.get(cohort.storage_class, 0)
    for stay in whole_life(cohort, active):
        if stay.end is not None and stay.end <= now:
            continue
        colder = _COLDER[stay.storage_class] < real
        name = cohort.storage_class if colder else stay.storage_class
        begin = max(stay.begin, now)
        here = name == cohort.storage_class
        entered = stay.entered if here or stay.begin > now else now
        if found and found[-1].storage_class == name:
            found[-1] = replace(found[-1], end=stay.end)
        else:
            found.append(ClassPeriod(name, begin, stay.end, entered, moved=not here))
    return tuple(found)


def due(cohort: Cohort, active: ActiveRules, now: int) -> str | None:
    """The state that is overdue: a class, ``noncurrent`` or ``gone``; None if nothing is."""
    then = now - GRACE
    life = whole_life(cohort, active)
    if life and life[-1].end is not None and life[-1].end <= then:
        return "gone"
    expiry = _expiry(cohort) if cohort.state == "current" else None
    if expiry is not None and expiry <= then:
        return "noncurrent"
    standing = [stay for stay in life if stay.begin <= then]
    if standing and _COLDER[standing[-1].storage_class] > _COLDER.get(cohort.storage_class, 0):
        return standing[-1].storage_class
    return None


def _started_elsewhere(marks: list[tuple[int, str]], cohort: Cohort) -> list[tuple[int, str]]:
    """The same life for an object that was written to another class than STANDARD."""
    real = _COLDER.get(cohort.storage_class, 0)
    rest = [mark for mark in marks[1:] if _COLDER[mark[1]] > real]
    return [(cohort.made, cohort.storage_class), *rest]


def _steps(cohort: Cohort, active: ActiveRules) -> Iterator[tuple[int, str]]:
    """The transitions of a version: the hour, and the class."""
    if cohort.state not in {"current", "noncurrent"}:
        return
    for rule in cohort.rules:
        sized = rule.larger_than is not None or rule.smaller_than is not None
        if cohort.small and active.read.floor and not sized:
            continue
        for step in rule.transitions:
            yield midnight(cohort.made, step.days), step.storage_class


def _expiry(cohort: Cohort) -> int | None:
    """The hour at which a current version expires."""
    days = [rule.expire_days for rule in cohort.rules if rule.expire_days is not None]
    return midnight(cohort.made, min(days)) if days and cohort.state != "upload" else None


def _end(cohort: Cohort, active: ActiveRules) -> int | None:
    """The hour at which its bytes are deleted; None if never."""
    match cohort.state:
        case "upload":
            days = [r.abort_days for r in cohort.rules if r.abort_days is not None]
            return midnight(cohort.made, min(days)) if days else None
        case "marker":
            return None
        case "lone marker":
            return midnight(cohort.made, 0) if any(r.markers for r in cohort.rules) else None
        case _:
            since = cohort.superseded if cohort.superseded is not None else _expiry(cohort)
            if since is None or (cohort.superseded is None and not active.versioned):
                return since
            days = [r.noncurrent_days for r in cohort.rules if r.noncurrent_days is not None]
            return midnight(since, min(days)) if days else None
