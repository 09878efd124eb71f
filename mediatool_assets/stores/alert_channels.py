"""The channels of alerts: a webhook, an Amazon SNS topic, the log; each off by default."""

import base64
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from mediatool_assets.domain.alert_wording import lines, payload
from mediatool_assets.domain.alerts import Alert
from mediatool_assets.domain.errors import Misuse, Unreachable
from mediatool_assets.domain.settings import Settings
from mediatool_assets.domain.urls import Url

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
