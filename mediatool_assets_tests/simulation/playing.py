"""Seeds, one after the other, in a process of their own."""

import time
from dataclasses import dataclass

from mediatool_assets_tests.simulation.days import play
from mediatool_assets_tests.simulation.shrinking import shrink, story
from mediatool_assets_tests.simulation.world import History

SHRINKING_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Played:
    """What one process has played."""

    seeds: int
    days: int
    stories: tuple[str, ...]


def play_for(first: int, seconds: float) -> Played:
    """Seeds from ``first`` on, until the time is over or one has failed."""
    end, seed, days = time.monotonic() + seconds, first, 0
    while time.monotonic() < end:
        played, error = play(History(seed))
        days += played.days
        seed += 1
        if error is not None:
            short = shrink(played.history, error, SHRINKING_SECONDS)
            return Played(seed - first, days, (story(*short),))
    return Played(seed - first, days, ())
