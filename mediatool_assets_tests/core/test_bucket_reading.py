"""Live lifecycle rules read back: what a rule says comes back, what none can say is told."""

from typing import Any

import pytest

from mediatool_assets.core.bucket import (
    LIFECYCLE,
    LifecycleRule,
    Transition,
    configuration,
    lifecycle_of,
    read,
    rules_below,
)


def test_the_declaration_comes_back() -> None:
    """What is put is what is read."""
    found = read(configuration(LIFECYCLE))
    assert (found.rules, found.floor, found.not_understood) == (LIFECYCLE, True, ())


def test_everything_that_a_rule_can_say() -> None:
    """Tag, sizes, transitions and all actions."""
    rule = LifecycleRule(
        "a", "p/", ("k", "v"), 1, 2, (Transition(3, "GLACIER"),), 4, noncurrent_days=5
    )  # fmt: skip
    assert read({"Rules": [rule.document()]}).rules == (rule,)


BASE: dict[str, Any] = {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": "p/"}}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"NoncurrentVersionTransitions": [{"NoncurrentDays": 3, "StorageClass": "GLACIER"}]},
         "NoncurrentVersionTransitions is not supported"),
        ({"Filter": {"And": {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}}},
         "several tags"),
        ({"NoncurrentVersionExpiration": {"NoncurrentDays": 3, "NewerNoncurrentVersions": 2}},
         "a number of noncurrent versions"),
        ({"Expiration": {"Date": "2027-01-01"}}, "names a date"),
        ({"Transitions": [{"Days": 1, "StorageClass": "SNOW"}]}, "SNOW is not a known"),
    ],
)  # fmt: skip
def test_what_is_not_understood(more: dict[str, Any], says: str) -> None:
    """It is left out of the reckoning, and told by name."""
    found = read({"Rules": [BASE | more]})
    assert found.rules == ()
    assert says in found.not_understood[0]
    assert "rule x is left out" in found.not_understood[0]


def test_disabled_rules_do_nothing() -> None:
    """And AWS's older floor lets small objects move."""
    off = LIFECYCLE[0].document() | {"Status": "Disabled"}
    found = read({"Rules": [off], "SizeFloor": "varies_by_storage_class"})
    assert (found.rules, found.floor, found.not_understood) == ((), False, ())


def test_the_rules_of_one_source_are_read_from_its_prefix_on() -> None:
    """Those of its prefix and of the whole bucket; those of other sources are not its own."""
    whole = configuration(lifecycle_of(("", "shop/", "shopping/")))
    found = read(rules_below(whole, "shop/")).rules
    assert {rule.id.removeprefix("shop/"): rule.prefix for rule in found} == {
        rule.id: rule.prefix for rule in LIFECYCLE if rule.id != "dagster-logs"
    }
    assert {rule.id for rule in found if "/" not in rule.id} == {"testing", "clean-up"}
    assert rules_below(whole, "") == whole
    wide = LifecycleRule("a", "sh", ("k", "v"), expire_days=1).document()
    assert read(rules_below({"Rules": [wide]}, "shop/")).rules == (
        LifecycleRule("a", "", ("k", "v"), expire_days=1),
    )
