"""Whether a day has its version by the time at which it is due."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from mediatool_assets.domain.outcome import Figure, Finding
from mediatool_assets.domain.version import Version

ALLOWED = timedelta(hours=1)
"""The time between the start of the daily export and the moment when its version is due."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """The hour at which the daily export begins, in a time zone; days are those of UTC."""

    hour: int = 2
    zone: str = "UTC"

    @property
    def cron(self) -> str:
        """The cron expression of Dagster's schedule."""
        return f"0 {self.hour} * * *"

    def due(self, day: date) -> datetime:
        """When the version of a UTC day is due.

        If a clock change moves the hour past midnight, it is due at the end of the day.
        """
        for local in (day - timedelta(1), day, day + timedelta(1)):
            begins = datetime.combine(local, time(self.hour), ZoneInfo(self.zone)).astimezone(UTC)
            if begins.date() == day:
                return begins + ALLOWED
        return datetime.combine(day + timedelta(1), time(), UTC) + ALLOWED

    def __str__(self) -> str:
        return f"{self.hour:02}:00 {self.zone}"


class Completion(NamedTuple):
    """A complete version, and when it became complete."""

    version: Version
    since: str


def on_time(
    day: date, now: datetime, due: datetime, begun: Version | None, complete: Completion | None
) -> Finding:
    """Check a day by the newest version that was started and the newest complete one.

    A missing version fails from ``due`` on; before that, it is a warning.
    """
    figures: dict[str, Figure] = {
        "due": due.isoformat(),
        "newest_version": str(complete.version) if complete else None,
        "complete_since": complete.since if complete else None,
    }
    if complete is not None and (begun is None or begun <= complete.version):
        version, since = complete
        word = "late, " if datetime.fromisoformat(since) > due else ""
        return Finding("passed", f"{version} is there, {word}complete since {since}", figures)
    what = f"{begun} was begun and is not complete" if begun else f"{day} has no version"
    if now < due:
        return Finding("warned", f"{what}; it is due at {due:%H:%M} UTC", figures)
    return Finding("failed", f"{what}; it was due at {due:%H:%M} UTC", figures)
