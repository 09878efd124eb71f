"""The results of `mediatool check`: one reading for each thing that a first version needs."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

ReadingVerdict = Literal["ok", "warning", "wrong"]

CLOCK_SECONDS = 60.0
"""Versions are named by this machine's clock; S3 refuses requests at a difference of 900 s."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One thing that was checked. ``fixes`` are texts to paste: SQL, commands, settings.

    ``exit_code`` is the exit code of a command that fails for this reason.
    """

    area: str
    name: str
    verdict: ReadingVerdict
    says: str
    fixes: tuple[str, ...] = ()
    exit_code: int = 1


def ok(area: str, name: str, says: str) -> Reading:
    """No problem."""
    return Reading(area, name, "ok", says)


def warning(area: str, name: str, says: str, *fixes: str) -> Reading:
    """A version can be made, but with a problem that the user should know."""
    return Reading(area, name, "warning", says, fixes)


def wrong(area: str, name: str, says: str, *fixes: str, code: int = 1) -> Reading:
    """No version can be made, or only an incomplete one."""
    return Reading(area, name, "wrong", says, fixes, code)


def compare_clocks(area: str, there: datetime, here: datetime) -> Reading:
    """Compare a server's clock with this machine's."""
    seconds = (there - here).total_seconds()
    says = f"{abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} this machine's"
    if abs(seconds) <= CLOCK_SECONDS:
        return ok(area, "clock", says)
    return wrong(
        area, "clock", f"{says}: versions are named by it", "timedatectl set-ntp true  # on both"
    )


def exit_code(readings: Iterable[Reading]) -> int:
    """4 if a server cannot be reached, else 2 for settings, 3 for input, 1; 0: nothing wrong."""
    codes = {reading.exit_code for reading in readings if reading.verdict == "wrong"}
    return next((code for code in (4, 2, 3, 5, 1) if code in codes), 0)
