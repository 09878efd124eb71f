"""Alerts: one message for each version with problems, not repeated within a window.

An ``Alert`` groups what one version (else one partition, one job) caused at a time. Its fingerprint
is of what went wrong, not of when: the same trouble of another night is the same alert. ``Channel``
decides what is posted: an alert waits until its fingerprint's window is over, the newest of those
that wait stands for all of them, and a window opens only when a post has succeeded.

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
"""The most severe first: an alert has the kind of its most severe problem."""

_OPEN = 200  # alerts, some 100 kB in the sensor's cursor: half a year of nights that fail alike
_REASON = 400  # characters of a reason; the run's page has all of it
_QUOTED = re.compile(  # also as Python writes it; an apostrophe within a word quotes nothing
    r"(?<!\w)'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`[^`]*`|=\([^)]*\)|\{[^}]*\}"
)
_ADDRESS = re.compile(r"\S+@\S+\.\S+")
_DIGITS = re.compile(r"\d+")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is not well.

    ``thing`` names it in the same words each time, ``cause`` tells apart what befell it; ``began``
    is when it was seen: no good news of before ends it.
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
    """What is posted; ``links`` are URLs by what they show.

    ``ends`` are the fingerprints of the alerts that a recovery ends.
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
    """The problems and successes of one version (else of one partition, or of one job).

    ``at`` is when it was seen.
    """

    at: datetime
    problems: tuple[Problem, ...] = ()
    well: tuple[Success, ...] = ()
    version: str | None = None
    partition: str | None = None
    run_id: str | None = None
    links: dict[str, str] = {}

    def alert(self) -> Alert | None:
        """Its problems as one alert; None where there are none."""
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
    """What is wrong, whatever the version: 16 hexadecimal digits."""
    things = sorted({f"{p.kind} {p.severity} {p.thing} {p.cause}" for p in problems})
    return hashlib.sha256("\n".join(things).encode()).hexdigest()[:16]


def without_private_data(text: str) -> str:
    """A text that may leave: no password, nothing quoted, no address, and no more than a few lines.

    What PostgreSQL, MongoDB and this package say of a row's value, they quote.
    """
    text = _ADDRESS.sub("…", _QUOTED.sub("…", without_passwords(text)))
    text = " ".join(text.split())
    return text if len(text) <= _REASON else text[: _REASON - 1] + "…"


def wording(text: str) -> str:
    """A warning without its figures, so that it is the same one each night."""
    return _DIGITS.sub("#", without_private_data(text))


class PendingAlert(msgspec.Struct):
    """A fingerprint on one channel: the alert to be posted, and since when its window is open.

    ``more`` counts alerts that ``alert`` stands for beside itself.
    """

    alert: Alert | None = None
    more: int = 0
    opened: datetime | None = None


class Channel(msgspec.Struct):
    """What one channel has posted and has yet to post, by fingerprint, the oldest first."""

    waiting: dict[str, PendingAlert] = {}

    def take(self, alert: Alert) -> None:
        """Let an alert wait; one of its fingerprint that waits already is counted, not kept."""
        entry = self.waiting.setdefault(alert.fingerprint, PendingAlert())
        entry.more += entry.alert is not None
        entry.alert = alert

    def due(self, now: datetime, window: timedelta) -> Iterator[Alert]:
        """What is to be posted now, saying for how many it stands."""
        for entry in list(self.waiting.values()):
            alert = entry.alert
            if alert is not None and (entry.opened is None or now >= entry.opened + window):
                yield msgspec.structs.replace(alert, suppressed=entry.more + self._ended(alert))

    def _ended(self, alert: Alert) -> int:
        """Repetitions that were never posted of what a recovery ends."""
        ended = [self.waiting[name] for name in alert.ends if name in self.waiting]
        return sum(
            entry.more + 1
            for entry in ended
            if entry.opened is not None and entry.alert is not None and entry.alert.at <= alert.at
        )

    def posted(self, alert: Alert, now: datetime) -> None:
        """Note that a post succeeded: its window opens; that of what it ends closes."""
        for name in alert.ends:
            ended = self.waiting.pop(name, PendingAlert()).alert
            if ended is not None and ended.at > alert.at:  # it came back while this was waiting
                self.waiting[name] = PendingAlert(ended)
        if alert.kind == "recovery":
            del self.waiting[alert.fingerprint]
        else:
            self.waiting[alert.fingerprint] = PendingAlert(opened=now)

    def forget(self, now: datetime, window: timedelta) -> None:
        """Drop fingerprints whose window is over and of which nothing waits."""
        for name, entry in list(self.waiting.items()):
            if entry.alert is None and entry.opened is not None and now >= entry.opened + window:
                del self.waiting[name]


class OpenProblems(msgspec.Struct):
    """Problems that were reported and have not recovered yet, by fingerprint and partition.

    The newest are kept: a day that nobody makes again is never well again.
    """

    alerts: dict[str, Alert] = {}

    def learn(self, news: Observations) -> Iterator[Alert]:
        """The alerts that follow: of its problems, and of what it says is well again."""
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
        """Take what is well off the problems; alerts of which none is left have ended."""
        for name, alert in list(self.alerts.items()):
            left = tuple(p for p in alert.problems if not _ends(well, p))
            if not left:
                del self.alerts[name]
                yield alert
            elif left != alert.problems:
                self.alerts[name] = msgspec.structs.replace(alert, problems=left)


def _ends(well: Success, problem: Problem) -> bool:
    """Whether good news is of this problem: of the same thing and partition, and not older."""
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


def trial(now: datetime, links: Mapping[str, str]) -> Alert:
    """What ``mediatool alert --test`` posts."""
    return _said("test", "mediatool alert --test", "this channel works", now, links)


def checkpoint(end: str, now: datetime, links: Mapping[str, str]) -> Alert:
    """What ``mediatool keys checkpoint --post`` posts: the end of the chain of versions."""
    return _said("checkpoint", "chain of versions", end, now, links)


def _said(kind: Kind, thing: str, text: str, now: datetime, links: Mapping[str, str]) -> Alert:
    """One that a command posts: nothing is wrong."""
    problem = Problem(kind, thing, text, severity="warning")
    return Alert(kind, fingerprint([problem]), now, (problem,), links=dict(links))
