"""Daily samples: a different part each day, so that everything is read after some days."""

import math
from collections.abc import Iterable
from datetime import date
from typing import TypeVar

from mediatool_assets.domain.errors import Misuse

Item = TypeVar("Item")


class DailySample:
    """The part that is read on one day of ``days``; everything if ``percent`` is None."""

    def __init__(self, percent: float | None, today: date) -> None:
        if percent is not None and not 0 < percent <= 100:
            raise Misuse(f"--sample must be above 0 and at most 100, not {percent:g}")
        self.percent = percent
        self.days = 1 if percent is None else math.ceil(100 / percent)
        self.offset = today.toordinal() % self.days

    @property
    def is_whole(self) -> bool:
        """Whether every day reads everything."""
        return self.days == 1

    def includes(self, number: int) -> bool:
        """Whether today's sample has an item with a permanent number instead of a position."""
        return number % self.days == self.offset

    def choose(self, things: Iterable[Item]) -> list[Item]:
        """Today's sample: every ``days``-th thing, starting one later each day."""
        return [thing for index, thing in enumerate(things) if self.includes(index)]
