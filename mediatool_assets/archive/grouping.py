"""Groups blocks by size into the work of one worker or the range of one request."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from mediatool_assets.domain.manifest import Block

Item = TypeVar("Item")

_SHARE_BYTES = 1 << 24  # of rows: 2 workers end together within a tenth of a second of work


def block_shares(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Group consecutive blocks into the work of one worker: 16 MiB of rows, or a little more."""
    return grouped(blocks, lambda block: block.bytes, _SHARE_BYTES)


def grouped(
    items: Iterable[Item], size_of: Callable[[Item], int], least: int
) -> Iterator[list[Item]]:
    """Consecutive items in groups of ``least`` or a little more; the last group may be smaller."""
    group: list[Item] = []
    size = 0
    for item in items:
        group.append(item)
        size += size_of(item)
        if size >= least:
            yield group
            group, size = [], 0
    if group:
        yield group
