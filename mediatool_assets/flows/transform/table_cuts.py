"""Tables cut into shares for workers: consecutive blocks, with the ordinal of their first row."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mediatool_assets.archive.grouping import grouped
from mediatool_assets.domain.manifest import Block

SHARE_BYTES = 1 << 24
"""Least bytes of raw JSON in a share: more work than a task's start, little of a large table."""


class Cut(NamedTuple):
    """Consecutive blocks of a table; ``first`` is the ordinal of their first row."""

    blocks: tuple[Block, ...]
    first: int

    @property
    def rows(self) -> int:
        """Rows in all of its blocks."""
        return sum(block.rows for block in self.blocks)


def cuts(blocks: Sequence[Block]) -> Iterator[Cut]:
    """The whole table in cuts of SHARE_BYTES or, with the last block, a little more."""
    first = 0
    for share in grouped(blocks, lambda block: block.bytes, SHARE_BYTES):
        cut = Cut(tuple(share), first)
        yield cut
        first += cut.rows
