"""Blocks in groups: every one once, in order, and no group but the last is too small."""

from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.archive.reader import block_shares, grouped
from mediatool_assets.core.manifest import Block


@given(st.lists(st.integers(0, 50)), st.integers(1, 100))
def test_groups_are_as_large_as_asked(sizes: list[int], least: int) -> None:
    """And no larger than one item more needs."""
    groups = list(grouped(sizes, lambda size: size, least))
    assert [size for group in groups for size in group] == sizes
    assert all(sum(group) >= least for group in groups[:-1])
    assert all(sum(group[:-1]) < least for group in groups)


def test_a_group_ends_where_it_is_large_enough() -> None:
    """Not before, and not one item later."""
    groups = list(grouped([99, 1, 99, 1, 100, 1], lambda size: size, 100))
    assert groups == [[99, 1], [99, 1], [100], [1]]


def test_a_worker_takes_16_mib_of_rows() -> None:
    """However small they are packed."""
    half = 1 << 23
    blocks = [Block(0, 1, 0, size) for size in (half, half, half, half - 1, 1, 1)]
    assert [len(share) for share in block_shares(blocks)] == [2, 3, 1]
