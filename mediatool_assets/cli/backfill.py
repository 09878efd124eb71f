"""Makes the days of a range one after the other, each in its own run."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from mediatool_assets.cli.launch import launch
from mediatool_assets.cli.output import note
from mediatool_assets.domain.errors import MediatoolError
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.versions import catalog

if TYPE_CHECKING:
    from mediatool_assets.stores.s3 import S3Objects


class DayMade(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of one day; ``exit_code`` is that of the error if it failed.

    ``failed_checks`` are the findings of failed checks of a day that was made.
    """

    date: str
    outcome: Literal["made", "there", "failed"]
    version: str | None = None
    error: str | None = None
    exit_code: int = 0
    failed_checks: tuple[str, ...] = ()

    def __str__(self) -> str:
        match self.outcome:
            case "made":
                lines = [f"{self.date}: {self.version} is made"]
                return "\n".join([*lines, *(f"  failed: {c}" for c in self.failed_checks)])
            case "there":
                return f"{self.date}: {self.version} existed already"
            case _:
                return f"{self.date}: failed: {self.error}"


def days(first: date, last: date) -> tuple[date, ...]:
    """Every day from the first to the last, both included, in order."""
    return tuple(first + timedelta(days=n) for n in range((last - first).days + 1))


def backfill(
    objects: "S3Objects",
    wanted: Iterable[date],
    asked: Mapping[str, str],
    home: Path,
    *,
    again: bool,
    refuse: Callable[[date], None],
) -> tuple[DayMade, ...]:
    """Make each day that has no complete version, or with ``again`` every day, in order.

    ``refuse`` raises if a day has no source, so that no run is started for it.
    """
    made, every = [], list(wanted)
    for number, day in enumerate(every, 1):
        there = [] if again else _complete(objects, day)
        if there:
            one = DayMade(day.isoformat(), "there", str(there[-1]))
        else:
            task = f"exporting {day}, day {number} of {len(every)}"
            one = _make(day, asked, home, refuse, task)
        note(str(one))
        made.append(one)
    return tuple(made)


def _make(
    day: date, asked: Mapping[str, str], home: Path, refuse: Callable[[date], None], task: str
) -> DayMade:
    try:
        refuse(day)
        run = launch("on_demand_export", day.isoformat(), asked, home, task=task)
    except MediatoolError as error:
        return DayMade(day.isoformat(), "failed", error=str(error), exit_code=error.exit_code)
    return DayMade(day.isoformat(), "made", str(run.version), failed_checks=run.failed_checks)


def _complete(objects: "S3Objects", day: date) -> list[Version]:
    return list(catalog.versions(objects, day, day))
