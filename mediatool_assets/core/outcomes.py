"""Outcomes as values: of checks, of a day, of `mediatool check`, and the progress of a run.

The outcomes of checks, for verdicts, asset checks and integrity reports.

Whether a day has its version by the time at which it is due.

The results of `mediatool check`: one reading for each thing that a first version needs.

Progress of a run as lines of JSON, for the process that started it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from mediatool_assets.core.errors import (
    MediatoolError,
    Misuse,
    OutOfResources,
    Refused,
    Unreachable,
)
from mediatool_assets.core.version import Version

Outcome = Literal["passed", "warned", "unknown", "failed", "absent", "not checked"]
"""``warned``: unusual, but not wrong. ``unknown``: could not be read; not the same as passed.
``absent``: the database does not exist. ``not checked``: no part was read.
"""

GRAVITY: tuple[Outcome, ...] = ("passed", "warned", "unknown", "failed")
"""From best to worst. The other outcomes say nothing about a version."""

Figure = int | float | str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check. ``reason`` names the thing, and the problem if there is one."""

    outcome: Outcome
    reason: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst outcome, ignoring ``absent`` and ``not checked``; unknown if none is left.

    A failure outweighs an unknown outcome.
    """
    judged = (outcome for outcome in outcomes if outcome in GRAVITY)
    return max(judged, key=GRAVITY.index, default="unknown")


def combined(findings: Iterable[Finding]) -> Finding:
    """Several findings on one thing as one: the worst outcome, its reasons, and all figures."""
    findings = list(findings)
    outcome = worst(finding.outcome for finding in findings)
    reasons = [f.reason for f in findings if outcome == "passed" or f.outcome != "passed"]
    figures = {name: figure for f in findings for name, figure in f.figures.items()}
    return Finding(outcome, "; ".join(reasons), figures)


def outcome_of(error: MediatoolError) -> Outcome:
    """The outcome of a check that an error stopped.

    Unknown if a server does not answer or denies access, or this machine has no memory or disk
    space left. Otherwise failed: the thing is damaged, missing or different. A Misuse is raised
    again, since a wrong setting says nothing about the data.
    """
    if isinstance(error, Misuse):
        raise error
    is_unknown = isinstance(error, Unreachable | Refused | OutOfResources)
    return "unknown" if is_unknown else "failed"


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


class ProgressReport(msgspec.Struct, frozen=True, omit_defaults=True, tag="progress"):
    """``done`` of ``total`` of a step; a total of 0 is unknown."""

    step: str
    done: int = 0
    total: int = 0
    unit: str = "rows"


class RunOutcome(msgspec.Struct, frozen=True, tag="outcome"):
    """How a run ended; ``exit_code`` is the command line's.

    ``failed_checks`` are the failed checks of a run that succeeded: ``asset: check: what it
    found``.
    """

    status: str
    run_id: str | None = None
    version: str | None = None
    error: str | None = None
    exit_code: int = 0
    failed_checks: tuple[str, ...] = ()


Message = ProgressReport | RunOutcome


def message_to_line(message: Message) -> bytes:
    """One line."""
    return msgspec.json.encode(message) + b"\n"


def message_from_line(line: bytes) -> Message:
    """Read one line; raises msgspec.MsgspecError on anything else."""
    message: Message = msgspec.json.decode(line, type=Message)
    return message
