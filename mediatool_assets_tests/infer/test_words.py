"""Names say what refers to what, as far as names can."""

import pytest

from mediatool_assets.infer.references import (
    NameMatch,
    is_key_like,
    name_match,
    past_tables,
    plural,
    words,
)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("line_item_media_buys", ("line", "item", "media", "buy")),
        ("userIDs", ("user", "id")),
        ("categories", ("category",)),
        ("address", ("address",)),
        ("boxes", ("box",)),
        ("2nd_status", ("2", "nd", "status")),
        ("größen", ("größen",)),
        ("_", ()),
    ],
)
def test_names_are_words_in_the_singular(name: str, found: tuple[str, ...]) -> None:
    """Whatever their case and joints."""
    assert words(name) == found


@pytest.mark.parametrize(
    ("column", "target", "key", "how"),
    [
        ("account_id", "accounts", "id", NameMatch.FULLY),
        ("accountId", "Account", "id", NameMatch.FULLY),
        ("channel", "channels", "id", NameMatch.FULLY),
        ("campaign_numbers", "campaigns", "campaign_number", NameMatch.FULLY),
        ("owner_user_id", "users", "crm_id", NameMatch.PARTLY),
        ("sales_rep_user_id", "reps", "crm_id", NameMatch.PARTLY),
        ("platform_id", "media_platforms", "id", NameMatch.PARTLY),
        ("buy_id", "media_buys", "id", NameMatch.PARTLY),
        ("parent_id", "orders", "id", NameMatch.FULLY),
        ("order_id", "orders", "id", NameMatch.FULLY),
        ("id", "accounts", "id", NameMatch.NONE),
        ("name", "accounts", "id", NameMatch.NONE),
        ("user_id", "accounts", "id", NameMatch.NONE),
    ],
)
def test_a_column_names_a_table(column: str, target: str, key: str, how: NameMatch) -> None:
    """Wholly, in part, or not at all; words for one's own kind mean one's own table."""
    assert name_match(column, "orders", target, key) is how


def test_history_names_the_table_whose_past_it_is() -> None:
    """By its key, and by what that table says of itself."""
    assert name_match("id", "teams_history", "teams", "id") is NameMatch.FULLY
    assert name_match("parent_id", "teams_history", "teams", "id") is NameMatch.FULLY
    assert name_match("id", "teams_history", "reps", "id") is NameMatch.NONE


def test_a_past_is_that_of_another_table() -> None:
    """A log beside no table that it could be of is a table like others."""
    names = ("teams", "teams_history", "team_audit", "change_log", "app_versions")
    assert past_tables(names) == {"teams_history", "team_audit"}


@pytest.mark.parametrize("name", ["id", "owner_ids", "campaign_number", "isoCode"])
def test_names_of_keys(name: str) -> None:
    """Their last word says it."""
    assert is_key_like(name)
    assert not is_key_like(name + "_text")


@pytest.mark.parametrize(
    ("one", "many"), [("repId", "repIds"), ("category", "categories"), ("bus", "buses")]
)
def test_plurals(one: str, many: str) -> None:
    """Fields that hold several are named so."""
    assert plural(one) == many
