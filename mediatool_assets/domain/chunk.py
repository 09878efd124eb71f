"""A chunk of a table: the rows that one worker reads at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows ``first`` to ``first + rows`` of a table's order.

    ``bounds`` is defined by the source (a relation and a range of it). ``rows`` was counted in the
    snapshot; the number of rows read is compared with it.
    """

    table: str
    index: int
    first: int
    rows: int
    bounds: tuple[str, ...]
