"""How many rows the demo source holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.demo.values import FIXED, FLOOR, PUBLISHED, World

EXPORTED = {
    "accounts": 9_796,
    "campaigns": 13_417,
    "strategies": 13_417,
    "line_items": 4_118,
    "line_item_media_buys": 5_548,
    "media_buys": 56_020,
    "media_platform_entities": 142_333,
    "users": 326,
    "teams": 88,
    "channels": 7,
    "tactics": 36,
    "media_platforms": 24,
}


def test_scale_1_is_the_published_export_to_the_row() -> None:
    """848,937 rows in 24 tables."""
    world = World.of(1, full=False)
    assert (world.rows, sum(rows > 0 for rows in world.counts.values())) == (848_937, 24)


@pytest.mark.parametrize(("table", "rows"), EXPORTED.items())
def test_tables_of_known_size_have_it_at_scale_1(table: str, rows: int) -> None:
    """What the published export counted is what scale 1 counts, full or not."""
    assert World.of(1, full=False)[table] == World.of(1, full=True)[table] == rows


def test_full_adds_tables_and_changes_none() -> None:
    """The daily metrics and every history table come on top; attachments alone stay empty."""
    plain, full = World.of(0.1, full=False), World.of(0.1, full=True)
    assert {table: full[table] for table in plain.counts} == plain.counts
    assert len(full.counts) == 33
    assert full["attachments"] == 0


@given(scale=st.floats(0.0001, 100), full=st.booleans())
def test_other_scales_are_in_proportion(scale: float, full: bool) -> None:
    """A table that grows with the business has its share of rows, never below the floor."""
    world = World.of(scale, full=full)
    for table in ("accounts", "line_items", "media_buys", "media_platform_entities", "users"):
        assert world[table] == max(FLOOR, round(PUBLISHED[table] * scale))
    assert {table: world[table] for table in FIXED} == FIXED
    assert world["strategies"] == world["campaigns"]
    for table in PUBLISHED:
        assert world[table] >= world[table.removesuffix("_history")] > 0
