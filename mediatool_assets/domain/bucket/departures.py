"""Differences between the declaration and the storage description, with reasons and costs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mediatool_assets.domain.bucket.declaration import LIFECYCLE, UNDO_DAYS, Declaration
from mediatool_assets.domain.bucket.lifecycle import LifecycleRule, Transition
from mediatool_assets.domain.bucket.lifecycle_cost import monthly_cost
from mediatool_assets.domain.bucket.rules import problems
from mediatool_assets.domain.keys import (
    RAW_PREFIX,
    RDS_EXPORTS_PREFIX,
    STAGING_PREFIX,
    TRANSFORMED_PREFIX,
)
from mediatool_assets.domain.prices import Prices

SPEC = (
    LifecycleRule(
        id="raw",
        prefix=RAW_PREFIX,
        transitions=(Transition(30, "STANDARD_IA"), Transition(90, "GLACIER")),
        expire_days=730,
    ),
    LifecycleRule(
        id="transformed",
        prefix=TRANSFORMED_PREFIX,
        transitions=(Transition(7, "STANDARD_IA"), Transition(30, "GLACIER")),
        expire_days=365,
    ),
)
"""The lifecycle of the storage description; there, metadata stays in STANDARD indefinitely."""


Cost = float | Literal["grows"] | None


@dataclass(frozen=True, slots=True)
class Departure:
    """A difference from the storage description. Costs are $ a month for each GB written a day.

    A cost of "grows" rises without an end; None means that both store the same.
    """

    about: str
    wish: str
    shipped: str
    reason: str
    wish_cost: Cost = None
    shipped_cost: Cost = None


def departures(declared: Declaration, prices: Prices) -> tuple[Departure, ...]:
    """Every departure, with the cost of those that concern the lifecycle."""
    rules = {_kind(rule): rule for rule in declared.lifecycle}  # equal for all sources
    raw, transformed = SPEC
    return (
        Departure(
            about="transformed exports",
            wish=str(transformed),
            shipped=str(replace(rules["transformed"], noncurrent_days=None)),
            reason="; ".join(
                problem.says for problem in problems([transformed]) if problem.refused
            ),
            wish_cost=monthly_cost(transformed, prices),
            shipped_cost=monthly_cost(replace(rules["transformed"], noncurrent_days=None), prices),
        ),
        Departure(
            about="deletion in a versioned bucket (raw exports)",
            wish=str(raw),
            shipped=str(rules["raw"]),
            reason=(
                "expiry only adds a delete marker to an object of a versioned bucket, and its "
                "bytes are billed for ever; so deleted and replaced versions expire after "
                f"{UNDO_DAYS} days, unfinished uploads after 7, and lone delete markers are removed"
            ),
            wish_cost="grows",
            shipped_cost=monthly_cost(rules["raw"], prices),
        ),
        Departure(
            about="MFA required for deletion",
            wish="MFA delete of the bucket",
            shipped=(
                "a policy statement that denies deleting without MFA"
                + (f", and Object Lock for {declared.lock_days} days" if declared.lock_days else "")
            ),
            reason=(
                "Lifecycle configuration on MFA-enabled buckets is not supported, and only the "
                f"root account can set MFA delete; below {RDS_EXPORTS_PREFIX} deleting "
                "needs no MFA, since AWS's export service deletes there itself, nor below "
                f"{STAGING_PREFIX}, where a run deletes its temporary objects"
            ),
        ),
        Departure(
            about="small objects",
            wish="every export changes its storage class",
            shipped="objects below 128 KB stay in STANDARD",
            reason=(
                "AWS's default since September 2024; cold classes bill 128 KB at least, or 40 KB "
                "of overhead"
            ),
        ),
    )


CHOICES = {
    "dumps": "made from the transformed export, and kept equally long",
    "reports": "small, and like the metadata kept in STANDARD",
    "registry": "small, and can be made again from the metadata at any time",
    "marks": "small, and the only record of pins, promotions and later notes",
    "restores": "small, and the evidence of what was restored",
    "chain": "small, and the proof of who made each version",
    "verdicts": "small, and the evidence of what was verified",
    "records": "small; two years of them show how the bucket and its cost have changed",
    "sanitized": "can be made again from the raw export at any time",
    "rds-exports": "read once, to make a raw export",
    "staging": "temporary objects; each run deletes its own, and a killed run's expire in a week",
    "dagster-logs": "nobody reads the log of a run after a quarter of a year",
    "testing": "cost strategy 3 of the storage description: objects tagged purpose=testing",
    "clean-up": "everything that the rules of the prefixes do not clean up",
}
"""Rules that are not in the storage description's lifecycle table, with the reason for each."""


def additional_rules(rules: Sequence[LifecycleRule] = LIFECYCLE) -> dict[str, str]:
    """The declared rules that the storage description's lifecycle table lacks, by id."""
    return {rule.id: CHOICES[_kind(rule)] for rule in rules if _kind(rule) in CHOICES}


def _kind(rule: LifecycleRule) -> str:
    """The id of a rule without the prefix of a source."""
    return rule.id.rpartition("/")[2]
