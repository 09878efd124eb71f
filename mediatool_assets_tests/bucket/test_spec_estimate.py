"""The spec's own estimate, reckoned again: 1 GB raw and 500 MB transformed a day."""

from dataclasses import replace
from decimal import Decimal

import pytest

from mediatool_assets.bucket.flow import SHIPPED_PRICES, read_prices
from mediatool_assets.bucket.rules import SPEC, Prices, monthly_cost
from mediatool_assets.core.bucket import LIFECYCLE, LifecycleRule
from mediatool_assets_tests.documents import ROOT

SHIPPED = read_prices(SHIPPED_PRICES)
PAGE = (ROOT / "docs/how-to/costs.md").read_text()

SPECS = replace(SHIPPED, gb_month={**SHIPPED.gb_month, "GLACIER": Decimal("0.004")})
"""The spec's prices: GLACIER at $0.004, the others as AWS's."""

RULES = {rule.id: rule for rule in LIFECYCLE}
RAW, TRANSFORMED = SPEC


@pytest.mark.parametrize(
    ("rule", "prices", "size", "dollars", "row"),
    [
        # 30 x 0.023 + 60 x 0.0125 + 640 x 0.004
        (RAW, SPECS, 1.0, "4.00", "raw, 1 GB a day"),
        # 30 x 0.023 + 60 x 0.0125 + (640 + 30) x 0.0036
        (RULES["raw"], SHIPPED, 1.0, "3.85", "raw, 1 GB a day"),
        (replace(RAW, transitions=()), SHIPPED, 1.0, "16.79", "raw, 1 GB a day"),
        # half of 7 x 0.023 + 30 (billed at least) x 0.0125 + 335 x 0.004
        (TRANSFORMED, SPECS, 0.5, "0.94", "transformed, 500 MB a day"),
        # half of 7 x 0.023 + (358 + 30) x 0.004
        (RULES["transformed"], SHIPPED, 0.5, "0.86", "transformed, 500 MB a day"),
        (replace(TRANSFORMED, transitions=()), SHIPPED, 0.5, "4.20", "transformed, 500 MB a day"),
    ],
)
def test_the_table_of_the_page(
    rule: LifecycleRule, prices: Prices, size: float, dollars: str, row: str
) -> None:
    """Every figure of docs/how-to/costs.md is the one that the rules and prices come to."""
    cost = monthly_cost(rule, prices)
    assert cost is not None
    assert f"{cost * size:.2f}" == dollars
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| {row} |"))
    assert f"${dollars}" in line


def test_what_the_spec_s_thirty_dollars_would_buy() -> None:
    """1,304 GB in STANDARD, and the page says so."""
    gigabytes = Decimal(30) / SHIPPED.gb_month["STANDARD"]
    assert f"{gigabytes:,.0f} GB" == "1,304 GB"
    assert "1,304 GB" in PAGE
