"""The proof finds what masking has torn: groups that are too small, references, keys."""

from typing import Any

import msgspec
import pytest

from mediatool_assets.core.errors import CheckFailed
from mediatool_assets.sanitize.proof import KindCounts, Leak, OrphanCounts, Proof, Unique
from mediatool_assets_tests.fixtures.sanitizing_bench import BUYS, RULES, TABLES, Bench


@pytest.mark.parametrize(("k", "stops"), [(2, False), (3, True)])
def test_a_group_that_is_smaller_than_declared_stops_the_run(
    bench: Bench, k: int, stops: bool
) -> None:
    """Quasi-identifiers with a k hold to it."""
    rules = RULES.replace("buys: [spend]", f"buys: {{columns: [spend], k: {k}}}")
    rows = [{"id": n, "numbers": [], "spend": f"{n // 2}.00"} for n in range(6)]
    if stops:
        with pytest.raises(CheckFailed, match=r"buys \(spend\): the smallest group has 2 rows"):
            bench.run({**TABLES, BUYS: rows}, rules=rules)
    else:
        bench.run({**TABLES, BUYS: rows}, rules=rules)


def test_a_reference_that_is_torn_stops_the_run(bench: Bench) -> None:
    """Both ends under different kinds would lead nowhere; the model's references are known."""
    rules = RULES.replace("owner: pseudonym crm", "owner: pseudonym person")
    with pytest.raises(
        CheckFailed, match=r"campaigns\.owner -> users\.crm_id: 0 values referenced"
    ):
        bench.run(rules=rules)
    assert bench.left == []


FOUND = {
    "two values that became one": {"kinds": (KindCounts("crm", 3, 2, 3, 3, 0),)},
    "a value with two pseudonyms": {"kinds": (KindCounts("crm", 2, 3, 3, 3, 0),)},
    "values that stay": {"kinds": (KindCounts("crm", 99, 99, 99, 99, 1),)},
    "a long number that stays": {"kinds": (KindCounts("crm", 9999, 9999, 9999, 9999, 1, 1),)},
    "a key that is not unique any more": {"keys": (Unique("users (id)", 9, 9, 8),)},
    "a reference that leads elsewhere": {"references": (OrphanCounts("a.b -> c.d", 9, 1, 0),)},
    "an original": {"leaks": (Leak("a.b", "crm", 1),)},
    "an address": {"mails": {"a.b": 1}},
}


@pytest.mark.parametrize("found", FOUND.values(), ids=FOUND)
def test_each_of_these_is_a_finding(found: dict[str, Any]) -> None:
    """One line each, by which nothing is published."""
    nothing = Proof((), (), (), (), (), 0, 0, {}, {}, {})
    assert nothing.findings == ()
    assert len(msgspec.structs.replace(nothing, **found).findings) == 1
