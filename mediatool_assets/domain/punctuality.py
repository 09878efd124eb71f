"""Whether a day has its version by the time at which readers count on it."""

from datetime import UTC, date, datetime, time

from mediatool_assets.domain.outcome import Figure, Finding
from mediatool_assets.domain.version import Version

DEADLINE = time(3, 0, tzinfo=UTC)
"""The daily export begins at 02:00 UTC."""


def deadline(day: date) -> datetime:
    """When the day's version is due."""
    return datetime.combine(day, DEADLINE)


def on_time(
    day: date, now: datetime, begun: Version | None, complete: Version | None, since: str | None
) -> Finding:
    """Judge a day by its newest version that was begun and its newest complete one.

    ``since`` is when that one became complete. What is absent fails from the deadline on; before,
    it is only not there yet.
    """
    due = deadline(day)
    figures: dict[str, Figure] = {
        "due": due.isoformat(),
        "newest_version": str(complete) if complete else None,
        "complete_since": since,
    }
    if complete is not None and (begun is None or begun <= complete):
        late = since is not None and datetime.fromisoformat(since) > due
        word = "late, " if late else ""
        return Finding("passed", f"{complete} is there, {word}complete since {since}", figures)
    what = f"{begun} was begun and is not complete" if begun else f"{day} has no version"
    if now < due:
        return Finding("warned", f"{what}; it is due at {due:%H:%M} UTC", figures)
    return Finding("failed", f"{what}; it was due at {due:%H:%M} UTC", figures)
