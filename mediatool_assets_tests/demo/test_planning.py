"""The data's warts, in the shares that were measured."""

from collections import Counter
from datetime import datetime, timedelta

import pytest

from mediatool_assets.demo.tables import Row, changeset, rows
from mediatool_assets.demo.values import EPOCH, World

WORLD = World.of(1, full=False)


@pytest.fixture(scope="module")
def campaigns() -> list[Row]:
    """All campaigns at scale 1."""
    return list(rows(WORLD, "campaigns"))


@pytest.fixture(scope="module")
def line_items() -> list[Row]:
    """All line items at scale 1."""
    return list(rows(WORLD, "line_items"))


@pytest.fixture(scope="module")
def known_people() -> set[object]:
    """Every CRM id that users or reps resolve."""
    users = {row[1] for row in rows(WORLD, "users")}
    return (users | {row[1] for row in rows(WORLD, "reps")}) - {None}


def test_96_percent_of_campaigns_name_a_sales_rep_that_no_table_resolves(
    campaigns: list[Row], known_people: set[object]
) -> None:
    """12,975 of 13,417."""
    named = [row[15] for row in campaigns if row[15]]
    assert sum(rep not in known_people for rep in named) == 12_975


def test_11_percent_of_campaigns_have_no_resolvable_account_manager(
    campaigns: list[Row], known_people: set[object]
) -> None:
    """1,529 of 13,417: null, empty and dangling ones."""
    missing = [row[14] for row in campaigns if row[14] not in known_people]
    assert len(missing) == 1_529
    assert {None, ""} < set(missing)


def test_one_campaign_number_occurs_twice(campaigns: list[Row]) -> None:
    """And it is CN-46."""
    numbers = Counter(row[1] for row in campaigns)
    assert [number for number, times in numbers.items() if times > 1] == ["CN-46"]


def test_campaigns_lack_dates_names_and_accounts(campaigns: list[Row]) -> None:
    """Null dates, empty names, '' against null agencies, and accounts that are gone."""
    accounts = {row[0] for row in rows(WORLD, "accounts")}
    assert any(row[9] is None for row in campaigns)
    assert any(row[2] == "" for row in campaigns)
    assert {"", None} < {row[4] for row in campaigns}
    assert sum(row[3] not in accounts for row in campaigns) == 134


def test_66_percent_of_line_items_name_media_traders(line_items: list[Row]) -> None:
    """The others have an empty array, null, or an array of null."""
    traders = [row[15] for row in line_items]
    named = [one for one in traders if isinstance(one, list) and any(one)]
    assert round(len(named) / len(line_items), 2) == 0.66
    assert all(absent in traders for absent in ([], None, [None]))


def test_line_items_lack_prices_dates_and_strategies(line_items: list[Row]) -> None:
    """Zero prices, null dates, and strategies that are gone."""
    strategies = {row[0] for row in rows(WORLD, "strategies")}
    assert any(row[10] == "0" for row in line_items)
    assert any(row[8] is None and row[9] is None for row in line_items)
    assert sum(row[1] not in strategies for row in line_items) == 20


@pytest.mark.parametrize("scale", [0.01, 1, 10, 100])
def test_changesets_end_where_the_days_begin(scale: float) -> None:
    """Of any number of them: the last one stands just before the first day of edits."""
    world = World.of(scale, full=False)
    at = changeset(world, world["changesets"] - 1)[4]
    assert isinstance(at, datetime)
    assert abs(EPOCH - at) < timedelta(days=1400) / world["changesets"] + timedelta(seconds=1)
