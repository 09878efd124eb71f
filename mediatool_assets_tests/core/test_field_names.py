"""Names of the source as names of documents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.core.shapes import camel_case


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("id", "id"),
        ("campaign_number", "campaignNumber"),
        ("line_item_media_buys", "lineItemMediaBuys"),
        ("video_views_2s", "videoViews2s"),
        ("video_views_p25", "videoViewsP25"),
        ("alreadyCamel", "alreadyCamel"),
        ("double__underscore", "doubleUnderscore"),
        ("_private", "_private"),
        ("trailing_", "trailing_"),
        ("with.dot", "withDot"),
        ("$price", "price"),
        ("$", "_"),
        ("größe_cm", "größeCm"),
    ],
)
def test_snake_case_becomes_camel_case(name: str, expected: str) -> None:
    """Underscores between letters join words; nothing else of a name is lost."""
    assert camel_case(name) == expected


@given(st.text())
def test_any_name_becomes_a_field_that_mongodb_takes_for_one(name: str) -> None:
    """No name of a source makes a path, an operator or an empty field."""
    field = camel_case(name)
    assert field and "." not in field and not field.startswith("$")
