"""Alerts: one message for each version with problems, not repeated within a window.

An ``Alert`` groups the problems of one version; without a version, those of one partition or job.
Its fingerprint depends on what went wrong and not on the time: the same problem on another night is
the same alert. ``Channel`` decides what is posted. After a post, alerts with that fingerprint wait
until its window is over; then only the newest of them is posted, with the number of the others. A
window opens only when a post has succeeded.

Every text passes through ``without_private_data``, which removes passwords and everything in
quotes, since an error may quote a value of a row.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Literal, get_args

import msgspec

from mediatool_assets.domain.urls import without_passwords

Kind = Literal[
    "run", "check", "freshness", "schedule", "warnings", "recovery", "checkpoint", "test"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""The most severe first: an alert has the kind of its most severe problem.

``schedule`` is only in cursors that an earlier release wrote.
"""

_OPEN = 200  # alerts, some 100 kB in the sensor's cursor: half a year with a failure each night
_REASON = 400  # characters of a reason; the run's page in the UI has the whole text
_QUOTED = re.compile(  # Python's quotes too; an apostrophe inside a word opens no quote
    r"(?<!\w)'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`[^`]*`|=\([^)]*\)|\{[^}]*\}"
)
_ADDRESS = re.compile(r"\S+@\S+\.\S+")
_DIGITS = re.compile(r"\d+")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong.

    ``thing`` names it, with the same words each time. ``cause`` distinguishes different problems of
    the same thing. ``began`` is when the problem was observed: only a later success ends it.
    """

    kind: Kind
    thing: str
    reason: str
    severity: Literal["error", "warning"] = "error"
    asset: str | None = None
    check: str | None = None
    figures: dict[str, int | float] = {}
    partition: str | None = None
    began: datetime | None = None
    cause: str = ""


class Alert(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message to post. ``links`` maps a label to a URL.

    ``ends`` are the fingerprints of the alerts that this recovery ends.
    """

    kind: Kind
    fingerprint: str
    at: datetime
    problems: tuple[Problem, ...]
    version: str | None = None
    partition: str | None = None
    run_id: str | None = None
    links: dict[str, str] = {}
    suppressed: int = 0
    ends: tuple[str, ...] = ()

    @property
    def severity(self) -> Literal["error", "warning", "information"]:
        """The highest severity of its problems; good news and tests are information."""
        if self.kind in ("recovery", "checkpoint", "test"):
            return "information"
        grave = any(problem.severity == "error" for problem in self.problems)
        return "error" if grave else "warning"


class Success(msgspec.Struct, frozen=True):
    """A check that passed or a step that succeeded: its partition, and when it began."""

    kind: Kind
    thing: str
    partition: str | None
    began: datetime


class Observations(msgspec.Struct, frozen=True):
    """The problems and successes of one version, or else of one partition or job.

    ``at`` is the time of the observation.
    """

    at: datetime
    problems: tuple[Problem, ...] = ()
    well: tuple[Success, ...] = ()
    version: str | None = None
    partition: str | None = None
    run_id: str | None = None
    links: dict[str, str] = {}

    def alert(self) -> Alert | None:
        """Its problems as one alert; None if there are none."""
        if not self.problems:
            return None
        problems = tuple(sorted(self.problems, key=lambda p: (KINDS.index(p.kind), p.thing)))
        return Alert(
            kind=problems[0].kind,
            fingerprint=fingerprint(problems),
            at=self.at,
            problems=problems,
            version=self.version,
            partition=self.partition,
            run_id=self.run_id,
            links=self.links,
        )


def fingerprint(problems: Iterable[Problem]) -> str:
    """An identity of the problems, the same for every version: 16 hexadecimal digits."""
    things = sorted({f"{p.kind} {p.severity} {p.thing} {p.cause}" for p in problems})
    return hashlib.sha256("\n".join(things).encode()).hexdigest()[:16]


def without_private_data(text: str) -> str:
    """A text that may be sent outside: no password, quoted text or address, and only a few lines.

    Quoted text is removed because PostgreSQL, MongoDB and this package quote values of rows.
    """
    text = _ADDRESS.sub("…", _QUOTED.sub("…", without_passwords(text)))
    text = " ".join(text.split())
    return text if len(text) <= _REASON else text[: _REASON - 1] + "…"


def wording(text: str) -> str:
    """A warning without its numbers, so that the same warning is recognized on another night."""
    return _DIGITS.sub("#", without_private_data(text))


class PendingAlert(msgspec.Struct):
    """One fingerprint on one channel: the alert to post, and when its window was opened.

    ``more`` counts the alerts with this fingerprint that ``alert`` replaced.
    """

    alert: Alert | None = None
    more: int = 0
    opened: datetime | None = None


class Channel(msgspec.Struct):
    """What one channel has posted and has still to post, by fingerprint, oldest first."""

    waiting: dict[str, PendingAlert] = {}

    def take(self, alert: Alert) -> None:
        """Queue an alert; a waiting one with the same fingerprint is replaced and counted."""
        entry = self.waiting.setdefault(alert.fingerprint, PendingAlert())
        entry.more += entry.alert is not None
        entry.alert = alert

    def due(self, now: datetime, window: timedelta) -> Iterator[Alert]:
        """The alerts to post now, each with the number of alerts that were not posted."""
        for entry in list(self.waiting.values()):
            alert = entry.alert
            if alert is not None and (entry.opened is None or now >= entry.opened + window):
                yield msgspec.structs.replace(alert, suppressed=entry.more + self._ended(alert))

    def _ended(self, alert: Alert) -> int:
        """How many repetitions of the alerts that a recovery ends were never posted."""
        ended = [self.waiting[name] for name in alert.ends if name in self.waiting]
        return sum(
            entry.more + 1
            for entry in ended
            if entry.opened is not None and entry.alert is not None and entry.alert.at <= alert.at
        )

    def posted(self, alert: Alert, now: datetime) -> None:
        """Record a successful post: open its window, close the windows of the alerts it ends."""
        for name in alert.ends:
            ended = self.waiting.pop(name, PendingAlert()).alert
            # the problem may have come back while this alert was waiting
            if ended is not None and ended.at > alert.at:
                self.waiting[name] = PendingAlert(ended)
        if alert.kind == "recovery":
            del self.waiting[alert.fingerprint]
        else:
            self.waiting[alert.fingerprint] = PendingAlert(opened=now)

    def forget(self, now: datetime, window: timedelta) -> None:
        """Drop fingerprints whose window is over and that have no alert waiting."""
        for name, entry in list(self.waiting.items()):
            if entry.alert is None and entry.opened is not None and now >= entry.opened + window:
                del self.waiting[name]


class OpenProblems(msgspec.Struct):
    """Problems that were reported and have not recovered yet, by fingerprint and partition.

    Only the newest are kept: a day that is never exported again never recovers.
    """

    alerts: dict[str, Alert] = {}

    def learn(self, news: Observations) -> Iterator[Alert]:
        """The alerts that follow from the observations: of their problems, and of recoveries."""
        ended = [alert for well in news.well for alert in self._better(well)]
        if ended:
            yield _recovery(news, ended)
        alert = news.alert()
        if alert is not None:
            lasting = tuple(p for p in alert.problems if p.kind != "warnings")
            if lasting:
                name = f"{alert.fingerprint} {alert.partition}"
                self.alerts.pop(name, None)
                self.alerts[name] = msgspec.structs.replace(alert, problems=lasting)
                for oldest in list(self.alerts)[:-_OPEN]:
                    del self.alerts[oldest]
            yield alert

    def _better(self, well: Success) -> Iterator[Alert]:
        """Remove recovered problems; yield the recovery of each alert that has none left."""
        for name, alert in list(self.alerts.items()):
            left = tuple(p for p in alert.problems if not _ends(well, p))
            if not left:
                del self.alerts[name]
                yield alert
            elif left != alert.problems:
                self.alerts[name] = msgspec.structs.replace(alert, problems=left)


def _ends(well: Success, problem: Problem) -> bool:
    """Whether a success ends a problem: same thing and partition, and not older."""
    if (well.kind, well.thing) != (problem.kind, problem.thing):
        return False
    if problem.began is not None and well.began < problem.began:
        return False
    return well.partition == problem.partition


def _recovery(news: Observations, ended: list[Alert]) -> Alert:
    names = tuple(sorted({alert.fingerprint for alert in ended}))
    problems = tuple(problem for alert in ended for problem in alert.problems)
    return Alert(
        kind="recovery",
        fingerprint=hashlib.sha256("\n".join(["recovery", *names]).encode()).hexdigest()[:16],
        at=news.at,
        problems=problems,
        version=news.version,
        partition=news.partition,
        run_id=news.run_id,
        links=news.links,
        ends=names,
    )


def sample_alert(now: datetime, links: Mapping[str, str]) -> Alert:
    """What ``mediatool alert --test`` posts."""
    return _said("test", "mediatool alert --test", "this channel works", now, links)


def checkpoint(end: str, now: datetime, links: Mapping[str, str]) -> Alert:
    """What ``mediatool keys checkpoint --post`` posts: the end of the chain of versions."""
    return _said("checkpoint", "chain of versions", end, now, links)


def _said(kind: Kind, thing: str, text: str, now: datetime, links: Mapping[str, str]) -> Alert:
    """An alert that a command posts; it reports no problem."""
    problem = Problem(kind, thing, text, severity="warning")
    return Alert(kind, fingerprint([problem]), now, (problem,), links=dict(links))
