"""The cost of lifecycle rules: storage for one GB that is written every day."""

from itertools import pairwise

from mediatool_assets.domain.bucket.lifecycle import LifecycleRule
from mediatool_assets.domain.prices import Prices


def monthly_cost(rule: LifecycleRule, prices: Prices) -> float | None:
    """Dollars a month for each GB written a day, in steady state; None if nothing expires.

    At 1 GB a day, a class holds as many GB as the number of days that an object spends in it, or as
    its minimum of billed days. Only storage counts, no requests or retrievals. Deleted versions
    count until they expire.
    """
    if rule.expire_days is None:
        return None
    end = rule.expire_days + (rule.noncurrent_days or 0)
    classes = ["STANDARD", *(step.storage_class for step in rule.transitions)]
    bounds = [0, *(step.days for step in rule.transitions), end]
    return float(
        sum(
            max(until - since, prices.minimum_days.get(name, 0)) * prices.gb_month[name]
            for name, (since, until) in zip(classes, pairwise(bounds), strict=True)
        )
    )
