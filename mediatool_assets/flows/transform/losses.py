"""Values that BSON cannot represent exactly, counted by table, column and kind.

- ``digits``: a number of more than 34 digits, or outside of Decimal128's exponents, is a string.
- ``microseconds``: a time was cut to BSON's milliseconds.
- ``out_of_range``: infinity, or a year outside of 1 to 9999, is a string.
- ``array_as_text``: an array that JSON cannot represent (lower bounds, composite elements) is a
  string.
- ``duplicate_key``, ``nul_in_key``, ``lone_surrogate``, ``depth``: a JSON document is its text.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial

Tally = Callable[[str], None]
"""Counts one more loss of a kind."""


class Losses:
    """Counts of one worker: ``{"table.column": {kind: count}}``."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}

    def tally(self, table: str, column: str) -> Tally:
        """The function that counts the losses of a column."""
        counts = self._counts.setdefault(f"{table}.{column}", Counter())
        return partial(_count, counts)

    def add(self, table: str, column: str, kind: str, count: int) -> None:
        """Count several losses of a column at once."""
        if count:
            self._counts.setdefault(f"{table}.{column}", Counter())[kind] += count

    def counted(self) -> dict[str, dict[str, int]]:
        """The columns with losses."""
        return {name: dict(counts) for name, counts in self._counts.items() if counts}


def _count(counts: Counter[str], kind: str) -> None:
    counts[kind] += 1


def uncounted(kind: str) -> None:
    """A Tally for copies of values, whose originals are counted already."""
