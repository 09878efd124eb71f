"""Blocks in groups: every one once, in order, and no group but the last is too small."""

from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.archive.grouping import grouped


@given(st.lists(st.integers(0, 50)), st.integers(1, 100))
def test_groups_are_as_large_as_asked(sizes: list[int], least: int) -> None:
    """And no larger than one item more needs."""
    groups = list(grouped(sizes, lambda size: size, least))
    assert [size for group in groups for size in group] == sizes
    assert all(sum(group) >= least for group in groups[:-1])
    assert all(sum(group[:-1]) < least for group in groups)
