"""The four cost strategies of the storage description, and what each saves in the next year."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from mediatool_assets.domain.bucket.declaration import TESTING
from mediatool_assets.domain.bucket.lifecycle import LifecycleRule, Transition
from mediatool_assets.domain.bucket.rules import WATERFALL
from mediatool_assets.domain.costs.inventory import ActiveRules, BilledInventory
from mediatool_assets.domain.keys import ARCHIVE_PREFIXES

_COLD = {"GLACIER", "DEEP_ARCHIVE"}


@dataclass(frozen=True, slots=True)
class Strategy:
    """One strategy; ``saves`` in dollars of the twelve months, None if it cannot be estimated."""

    name: str
    saves: Decimal | None
    says: str


def strategies(
    inventory: BilledInventory,
    areas: Mapping[str, Decimal],
    year_under: Callable[[ActiveRules], Decimal],
) -> tuple[Strategy, ...]:
    """All four in order. ``areas``: the year's cost by prefix; ``year_under``: with other rules."""
    active = inventory.rules
    none = replace(active, read=replace(active.read, rules=()))
    more = _each(active, _earliest)
    untested = _without(active, lambda rule: rule.tag == TESTING)
    warm = _each(active, _warm)
    bolder = _rounded(year_under(active) - year_under(more))
    return (
        _compress(inventory, areas),
        Strategy(
            "use lifecycle policies aggressively",
            _rounded(year_under(none) - year_under(active)),
            "compared with a bucket without rules, where no object changes its class or expires; "
            f"GLACIER_IR from the first day on would save ${bolder:.2f} more",
        ),
        Strategy(
            "delete test exports after 7 days",
            _rounded(year_under(untested) - year_under(active)),
            "compared with keeping them as long as daily ones",
        ),
        Strategy(
            "use GLACIER for long-term storage",
            _rounded(year_under(warm) - year_under(active)),
            "compared with leaving them in the class before",
        ),
    )


def without_transitions(active: ActiveRules) -> ActiveRules:
    """The same rules without transitions."""
    return _each(active, lambda rule: replace(rule, transitions=()))


def _compress(inventory: BilledInventory, areas: Mapping[str, Decimal]) -> Strategy:
    name, newest = "compress exports", inventory.newest
    if newest is None:
        return Strategy(name, None, "there is no complete version to measure it by")
    saved, packed, unpacked = Decimal(0), 0, 0
    for kind, size in newest.packed.items():
        packed, unpacked = packed + size, unpacked + newest.unpacked[kind]
        if size:
            times = Decimal(newest.unpacked[kind]) / size
            saved += areas.get(ARCHIVE_PREFIXES[kind], Decimal(0)) * (times - 1)
    share = 1 - Decimal(packed) / unpacked if unpacked else Decimal(0)
    says = f"archives are {share:.0%} smaller than their files (version {newest.version})"
    return Strategy(name, _rounded(saved), says)


def _each(active: ActiveRules, change: Callable[[LifecycleRule], LifecycleRule]) -> ActiveRules:
    rules = tuple(change(rule) for rule in active.read.rules)
    return replace(active, read=replace(active.read, rules=rules))


def _without(active: ActiveRules, leave_out: Callable[[LifecycleRule], bool]) -> ActiveRules:
    rules = tuple(rule for rule in active.read.rules if not leave_out(rule))
    return replace(active, read=replace(active.read, rules=rules))


def _earliest(rule: LifecycleRule) -> LifecycleRule:
    """The earliest transitions that AWS accepts with every object readable at once for 90 days."""
    if not rule.transitions:
        return rule
    least = WATERFALL.index("GLACIER_IR")
    colder = (s for s in rule.transitions if WATERFALL.index(s.storage_class) > least)
    later = tuple(replace(step, days=max(step.days, 90)) for step in colder)
    return replace(rule, transitions=(Transition(0, "GLACIER_IR"), *later))


def _warm(rule: LifecycleRule) -> LifecycleRule:
    kept = tuple(step for step in rule.transitions if step.storage_class not in _COLD)
    return replace(rule, transitions=kept)


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.000001"))
