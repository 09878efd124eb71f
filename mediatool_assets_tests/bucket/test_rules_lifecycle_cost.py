"""What a lifecycle costs, against figures worked out by hand."""

import pytest

from mediatool_assets.bucket.flow import SHIPPED_PRICES, read_prices
from mediatool_assets.bucket.rules import departures, monthly_cost
from mediatool_assets.core.bucket import Declaration, LifecycleRule, StorageClass, Transition

PRICES = read_prices(SHIPPED_PRICES)


@pytest.mark.parametrize(
    ("steps", "dollars"),
    [
        ([], 365 * 0.023),  # 8.40
        # moved to GLACIER after 23 of the 30 days that STANDARD_IA bills
        ([(7, "STANDARD_IA"), (30, "GLACIER")], 7 * 0.023 + 30 * 0.0125 + 335 * 0.0036),  # 1.74
        ([(30, "STANDARD_IA"), (60, "GLACIER")], 30 * 0.023 + 30 * 0.0125 + 305 * 0.0036),  # 2.16
        ([(30, "GLACIER")], 30 * 0.023 + 335 * 0.0036),  # 1.90
        ([(7, "GLACIER_IR")], 7 * 0.023 + 358 * 0.004),  # 1.59
        (
            [(7, "GLACIER_IR"), (97, "DEEP_ARCHIVE")],
            7 * 0.023 + 90 * 0.004 + 268 * 0.00099,  # 0.79
        ),
        ([(7, "GLACIER")], 7 * 0.023 + 358 * 0.0036),  # 1.45
    ],
)
def test_a_gigabyte_a_day_for_a_year(steps: list[tuple[int, StorageClass]], dollars: float) -> None:
    """So many days in a class are so many GB of it, at its price."""
    rule = LifecycleRule(
        "a", transitions=tuple(Transition(*step) for step in steps), expire_days=365
    )
    assert monthly_cost(rule, PRICES) == pytest.approx(dollars)


def test_versions_that_were_deleted_are_paid_for() -> None:
    """Until they are cleaned up they lie where they lay."""
    rule = LifecycleRule("a", transitions=(Transition(7, "GLACIER_IR"),), expire_days=365)
    more = LifecycleRule("a", "", None, None, None, rule.transitions, 365, noncurrent_days=30)
    cost, whole = monthly_cost(rule, PRICES), monthly_cost(more, PRICES)
    assert cost is not None
    assert whole == pytest.approx(cost + 30 * 0.004)


def test_what_never_goes_has_no_end() -> None:
    """The cost of what is kept for ever is no number."""
    assert monthly_cost(LifecycleRule("a", noncurrent_days=30), PRICES) is None


def test_departures_tell_both_costs() -> None:
    """The spec's wish for transformed exports, what is done instead, why, and what each costs."""
    first, second, *_ = departures(Declaration("b"), PRICES)
    assert isinstance(first.wish_cost, float)
    assert isinstance(first.shipped_cost, float)
    assert (round(first.wish_cost, 2), round(first.shipped_cost, 2)) == (1.74, 1.59)
    assert "greater than or equal to 30 for storageClass 'STANDARD_IA'" in first.reason
    assert second.wish_cost == "grows"


def test_object_lock_is_told_where_it_is_asked_for() -> None:
    """MFA delete is replaced by the policy, and by Object Lock too if there is to be one."""
    for lock_days, words in ((None, False), (30, True)):
        (mfa,) = (
            d for d in departures(Declaration("b", lock_days=lock_days), PRICES) if "MFA" in d.about
        )
        assert ("Object Lock for 30 days" in mfa.shipped) == words
