"""A failed history made as short as it goes, and told as a story."""

import re
import time
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Literal

from mediatool_assets_tests.simulation.days import Days, play
from mediatool_assets_tests.simulation.world import History

Removed = Literal["absent", "quiet", "straight"]


def kind_of(error: BaseException) -> str:
    """What failed, without versions, keys and numbers."""
    words = re.sub(r"\S*\d\S*", "#", str(error))
    return f"{type(error).__name__}: {words[:60]}"


def shrink(
    history: History, error: BaseException, seconds: float
) -> tuple[Days, BaseException, History]:
    """The shortest history found within ``seconds`` that fails in the same way."""
    wanted, end = kind_of(error), time.monotonic() + seconds
    days, found = play(history)
    assert found is not None
    best = days, found, history
    for what in ("absent", "quiet", "straight", "absent"):
        best = _remove(best, what, wanted, end)
    return best


def _remove(
    best: tuple[Days, BaseException, History], what: Removed, wanted: str, end: float
) -> tuple[Days, BaseException, History]:
    """Take away halves, quarters, and so on to single parts, wherever it fails without them."""
    parts = _parts(best[0], what)
    size = max(1, len(parts) // 2)
    while parts and time.monotonic() < end:
        start = 0
        while start < len(parts) and time.monotonic() < end:
            taken = parts[start : start + size]
            history = best[2]
            history = replace(history, **{what: getattr(history, what) | frozenset(taken)})
            days, error = play(history)
            if error is not None and kind_of(error) == wanted:
                best = days, error, history
                there = set(_parts(days, what))
                parts = [p for p in parts if p in there and p not in taken]
            else:
                start += size
        if size == 1:
            break
        size = max(1, size // 2)
    return best


def _parts(days: Days, what: Removed) -> list[Hashable]:
    found: dict[Removed, Sequence[Hashable]] = {
        "absent": days.world.started,
        "quiet": days.world.faults,
        "straight": days.world.switches,
    }
    return list(dict.fromkeys(found[what]))


def story(days: Days, error: BaseException, history: History) -> str:
    """What happened, line by line, and how it was found."""
    return "\n".join(
        [
            f"seed {history.seed}, {len(days.world.started)} processes, "
            f"{len(days.world.faults)} faults, {len(days.world.switches)} switches:",
            *(f"  {line}" for line in days.world.story),
            f"  {type(error).__name__}: {error}",
        ]
    )
