"""Alerts: one message for each version with problems, not repeated within a window.

An ``Alert`` groups the problems of one version; without a version, those of one partition or job.
Its fingerprint depends on what went wrong and not on the time: the same problem on another night is
the same alert. ``Channel`` decides what is posted. After a post, alerts with that fingerprint wait
until its window is over; then only the newest of them is posted, with the number of the others. A
window opens only when a post has succeeded.

Every text passes through ``without_private_data``, which removes passwords and everything in
quotes, since an error may quote a value of a row.

The text of an alert, and the JSON that Slack's incoming webhooks accept.

The channels of alerts: a webhook, an Amazon SNS topic, the log; each off by default.
"""

import base64
import hashlib
import logging
import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.client import HTTPException
from typing import Any, Literal, Protocol, get_args
from urllib.parse import quote, unquote, urlsplit

import msgspec
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from mediatool_assets.core.errors import Misuse, Unreachable
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url, without_passwords

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


_HEADINGS: dict[Kind, str] = {
    "run": "Run failed",
    "check": "Check not passed",
    "freshness": "Not made in time",
    "schedule": "Schedule did not tick",
    "warnings": "Version with warnings",
    "recovery": "Well again",
    "checkpoint": "Checkpoint, to be kept",
    "test": "Test of this channel",
}
_SHOWN = 20  # problems listed in one message; Slack accepts 50 blocks
_BLOCK = 3000  # characters that Slack accepts in one block


def heading(alert: Alert) -> str:
    """One line: the kind of the alert and the version, partition or job that it is about."""
    of = alert.version or alert.partition
    return f"{_HEADINGS[alert.kind]}: {of}" if of else _HEADINGS[alert.kind]


def lines(alert: Alert) -> list[str]:
    """The text of the alert, line by line, without its links."""
    told = [heading(alert)]
    if alert.partition and alert.version:
        told.append(f"partition {alert.partition}")
    told += [_line(problem, alert) for problem in alert.problems[:_SHOWN]]
    if (more := len(alert.problems) - _SHOWN) > 0:
        told.append(f"and {more} more")
    if alert.suppressed:
        told.append(f"{alert.suppressed} more like this were not posted")
    return told


def _line(problem: Problem, alert: Alert) -> str:
    if alert.kind == "recovery":
        since = f" (was not in {problem.partition})" if problem.partition else ""
        return f"{problem.thing}: recovered{since}"
    figures = ", ".join(f"{name} {figure:,}" for name, figure in problem.figures.items())
    return f"{problem.thing}: {problem.reason}" + (f" [{figures}]" if figures else "")


def payload(alert: Alert) -> dict[str, object]:
    """What a webhook gets: ``text`` and ``blocks`` for Slack, and the alert's own fields."""
    first, *rest = [_escaped(line) for line in lines(alert)]
    links = " · ".join(_link(what, url) for what, url in alert.links.items())
    told = [f"*{first}*", *rest, *([links] if links else [])]
    own = {"severity": alert.severity, "suppressed": alert.suppressed}
    return {
        "text": first,
        "blocks": [_section(line) for line in told],
        **msgspec.to_builtins(alert),
        **own,
    }


def _section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:_BLOCK]}}


def _link(what: str, url: str) -> str:
    """A link for Slack, which accepts only http and https URLs; else the plain URL."""
    is_web = url.startswith(("http://", "https://"))
    return f"<{url}|{_escaped(what)}>" if is_web else f"{_escaped(what)}: {_escaped(url)}"


def _escaped(text: str) -> str:
    """The text with the three characters escaped that Slack gives a meaning."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


LOGGER = logging.getLogger("mediatool_assets.alerts")

_ATTEMPTS = 3
_SECONDS = 5.0  # for an answer: Dagster gives a sensor's tick 60 s in total
_SUBJECT = 100  # characters of ASCII that SNS accepts


class AlertChannel(Protocol):
    """A place that alerts are posted to."""

    @property
    def name(self) -> str:
        """``webhook``, ``sns`` or ``log``; its posts are recorded under this name."""

    def post(self, alert: Alert) -> None:
        """Post the alert; returns when the receiver has accepted it.

        Raises Unreachable if it was not accepted after several attempts, and Misuse if it never
        will be.
        """


def channels(settings: Settings) -> tuple[AlertChannel, ...]:
    """The channels in the settings; none by default."""
    found: list[AlertChannel] = []
    if settings.alert_log:
        found.append(LogChannel())
    if settings.alert_webhook_url is not None:
        found.append(Webhook(settings.alert_webhook_url))
    if settings.alert_sns_topic_arn is not None:
        found.append(SnsTopic(settings.alert_sns_topic_arn))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class LogChannel:
    """The log of the process: one JSON document a line, for log collectors."""

    name: str = "log"

    def post(self, alert: Alert) -> None:
        """Write the alert as an error, a warning or information."""
        level = {"error": logging.ERROR, "warning": logging.WARNING}.get(alert.severity)
        LOGGER.log(level or logging.INFO, msgspec.json.encode(alert).decode())


class _Retried(Unreachable):
    """A temporary failure."""


_retried = retry(
    retry=retry_if_exception_type(_Retried),
    stop=stop_after_attempt(_ATTEMPTS),
    wait=wait_random_exponential(0.2, max=2),
    reraise=True,
)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A URL that accepts JSON by POST, such as Slack's. The URL is secret except for its host."""

    url: Url = field(repr=False)
    name: str = "webhook"

    @_retried
    def post(self, alert: Alert) -> None:
        """Post ``alert_wording.payload``; only 2xx is a success; redirects are not followed.

        A user and a password in the URL are sent as HTTP basic authentication.
        """
        parts = urlsplit(self.url.reveal())
        user, at, server = parts.netloc.rpartition("@")
        request = urllib.request.Request(  # noqa: S310  # Settings takes http and https only
            parts._replace(netloc=server, path=quote(parts.path, safe="%/:@!$&'()*+,;=")).geturl(),
            msgspec.json.encode(payload(alert)),
            {"Content-Type": "application/json", "User-Agent": "mediatool_assets"},
        )
        if at:
            login = base64.b64encode(unquote(user).encode()).decode()
            request.add_unredirected_header("Authorization", f"Basic {login}")
        with self._translated(), _OPENER.open(request, timeout=_SECONDS):
            pass

    @contextmanager
    def _translated(self) -> Iterator[None]:
        host = self.url.hosts
        try:
            yield
        except urllib.error.HTTPError as error:
            error.close()
            said = f"the webhook at {host} answered {error.code}"
            if error.code >= 500 or error.code in (408, 429):
                raise _Retried(f"{said}; it is tried again at the next tick") from None
            raise Misuse(
                f"{said}; check MEDIATOOL_ALERT_WEBHOOK_URL, and try `mediatool alert --test`"
            ) from None
        except (OSError, HTTPException) as error:
            why = getattr(error, "reason", None) or type(error).__name__
            raise _Retried(
                f"the webhook at {host} does not answer ({why}); it is tried again at the next tick"
            ) from None  # an error of http.client may contain the URL


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET, which would look like a success."""

    def redirect_request(self, *_: object) -> None:
        """Do not follow it."""


_OPENER = urllib.request.build_opener(_NoRedirection)


@dataclass(frozen=True, slots=True)
class SnsTopic:
    """An Amazon SNS topic, which forwards alerts to its subscribers (mail, SQS, Lambda).

    The identity in use needs ``sns:Publish``.
    """

    arn: str
    name: str = "sns"

    def post(self, alert: Alert) -> None:
        """Publish its lines and links; kind, severity and partition are attributes, for filters."""
        told = lines(alert)
        links = [f"{what}: {url}" for what, url in alert.links.items()]
        facts = {"kind": alert.kind, "severity": alert.severity, "partition": alert.partition}
        ordered = {}
        if self.arn.endswith(".fifo"):
            unique = f"{alert.fingerprint}-{alert.at.timestamp():.0f}"
            ordered = {"MessageGroupId": "mediatool", "MessageDeduplicationId": unique}
        import boto3  # noqa: PLC0415  # slow
        from botocore.config import Config  # noqa: PLC0415  # as above

        with self._translated():
            client: Any = boto3.client(
                "sns",
                region_name=self.arn.split(":")[3],
                config=Config(
                    connect_timeout=_SECONDS,
                    read_timeout=_SECONDS,
                    retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
                ),
            )
            try:
                client.publish(
                    TopicArn=self.arn,
                    Subject=told[0].encode("ascii", "replace").decode()[:_SUBJECT],
                    Message="\n".join([*told, *links, f"fingerprint: {alert.fingerprint}"]),
                    MessageAttributes={
                        name: {"DataType": "String", "StringValue": value}
                        for name, value in facts.items()
                        if value is not None
                    },
                    **ordered,
                )
            finally:
                client.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # slow

        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            raise Misuse(
                f"{self.arn}: SNS answered {code}; the AWS identity in use needs sns:Publish on "
                "it; check MEDIATOOL_ALERT_SNS_TOPIC_ARN, and try `mediatool alert --test`"
            ) from error
        except BotoCoreError as error:
            raise Unreachable(
                f"{self.arn}: SNS does not answer ({error}); it is tried again at the next tick"
            ) from error
