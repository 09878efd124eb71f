"""A chunk of a table: the rows that one worker reads at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows ``first`` to ``first + rows`` of a table's order.

    ``bounds`` is the source's own affair (a relation and a range of it). ``rows`` was counted in
    the snapshot, and is what the rows read are compared with.
    """

    table: str
    index: int
    first: int
    rows: int
    bounds: tuple[str, ...]
