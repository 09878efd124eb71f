"""Channels against real receivers: an HTTP server of our own, moto's SNS, and the log."""

import base64
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import boto3
import pytest

from mediatool_assets.alerts.messages import (
    Alert,
    LogChannel,
    Observations,
    Problem,
    SnsTopic,
    Webhook,
    channels,
)
from mediatool_assets.core.errors import Misuse, Unreachable
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets_tests.moto_server import QUIET, moto_server
from mediatool_assets_tests.receiver import SECRET, Receiver, receiver

pytestmark = QUIET


def _alert() -> Alert:
    problem = Problem(
        "check",
        "raw/campaigns: as_usual",
        "campaigns: is empty, and had 2 rows & more <than> one",
        asset="raw/campaigns",
        check="as_usual",
        figures={"rows": 0, "rows_before": 2},
    )
    links = {"run": "http://127.0.0.1:3000/runs/r", "report": "s3://bucket/report.html"}
    at = datetime(2026, 11, 24, 2, 5, tzinfo=UTC)
    news = Observations(at, (problem,), (), "20261124-020000", "2026-11-24", "r", links)
    alert = news.alert()
    assert alert is not None
    return alert


@pytest.fixture
def hook() -> Iterator[Receiver]:
    """A receiver that is up."""
    with receiver() as found:
        yield found


def test_nothing_is_posted_unless_it_is_configured() -> None:
    """Each channel is named by its setting."""
    assert channels(Settings()) == ()
    arn = "arn:aws:sns:eu-west-1:123456789012:alerts"
    every = Settings(alert_log=True, alert_webhook_url=Url("http://x/y"), alert_sns_topic_arn=arn)
    assert [channel.name for channel in channels(every)] == ["log", "webhook", "sns"]
    assert "x/y" not in repr(every)
    assert "x/y" not in repr(channels(every))


def test_a_webhook_gets_what_slack_takes_and_fields_of_our_own(hook: Receiver) -> None:
    """text and blocks with Slack's escapes; version, partition, asset, check and figures beside."""
    Webhook(Url(hook.url)).post(_alert())
    [found] = hook.arrived
    assert found["text"] == "Check not passed: 20261124-020000"
    texts = [block["text"]["text"] for block in found["blocks"]]
    assert {block["type"] for block in found["blocks"]} == {"section"}
    assert texts[0] == "*Check not passed: 20261124-020000*"
    assert "&amp; more &lt;than&gt; one [rows 0, rows_before 2]" in texts[2]
    assert texts[3] == "<http://127.0.0.1:3000/runs/r|run> · report: s3://bucket/report.html"
    assert (found["version"], found["partition"]) == ("20261124-020000", "2026-11-24")
    [problem] = found["problems"]
    assert (problem["asset"], problem["check"]) == ("raw/campaigns", "as_usual")
    assert problem["figures"] == {"rows": 0, "rows_before": 2}
    assert (found["severity"], found["suppressed"]) == ("error", 0)


def test_a_login_in_the_url_is_sent_as_such(hook: Receiver) -> None:
    """Of any characters, and not as a part of the host."""
    for login in ("", "me:p%C3%A4ss%2F%ED%95%9C@"):
        Webhook(Url(hook.url.replace("//", f"//{login}"))).post(_alert())
    expected = base64.b64encode("me:päss/한".encode()).decode()
    assert hook.logins == [None, f"Basic {expected}"]


@pytest.mark.parametrize("answer", [500, 503, 429])
def test_a_webhook_that_is_overloaded_is_asked_again(hook: Receiver, answer: int) -> None:
    """What passes in a moment is waited for."""
    hook.answers = [answer, answer]
    Webhook(Url(hook.url)).post(_alert())
    assert (hook.asked, len(hook.arrived)) == (3, 1)


@pytest.mark.parametrize("answer", [302, 400, 404])
def test_a_webhook_that_refuses_is_asked_once(hook: Receiver, answer: int) -> None:
    """A wrong URL does not mend; a redirection is no success; and the URL's secret is not told."""
    hook.answers = [answer] * 9
    with pytest.raises(Misuse, match=rf"127.0.0.1:\d+ answered {answer}") as caught:
        Webhook(Url(hook.url)).post(_alert())
    assert hook.asked == 1
    assert SECRET not in str(caught.value)


def test_a_dead_webhook_is_unreachable() -> None:
    """After three attempts; and the URL's secret is not told."""
    with receiver() as gone:
        url = Url(gone.url)
    with pytest.raises(Unreachable, match="does not answer") as caught:
        Webhook(url).post(_alert())
    assert SECRET not in str(caught.value)


def test_the_log_gets_one_line_of_json(caplog: pytest.LogCaptureFixture) -> None:
    """At the level of its severity."""
    with caplog.at_level(logging.INFO, "mediatool_assets.alerts"):
        LogChannel().post(_alert())
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert json.loads(record.message)["version"] == "20261124-020000"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """moto as AWS."""
    with moto_server() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        yield


@pytest.mark.parametrize(
    ("name", "attributes"), [("alerts", {}), ("a.fifo", {"FifoTopic": "true"})]
)
def test_a_topic_passes_it_on(aws: None, name: str, attributes: dict[str, str]) -> None:
    """A subscriber gets lines for people, and attributes to filter by."""
    region = "eu-west-1"
    topics = boto3.client("sns", region_name=region)
    queues = boto3.client("sqs", region_name=region)
    arn = topics.create_topic(Name=name, Attributes=attributes)["TopicArn"]
    fifo = {"FifoQueue": "true"} if attributes else {}
    queue = queues.create_queue(QueueName=name, Attributes=fifo)["QueueUrl"]
    where = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    topics.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=where["Attributes"]["QueueArn"])
    SnsTopic(arn).post(_alert())
    [message] = queues.receive_message(QueueUrl=queue)["Messages"]
    found = json.loads(message["Body"])
    assert found["Subject"] == "Check not passed: 20261124-020000"
    assert "raw/campaigns: as_usual: campaigns: is empty" in found["Message"]
    assert "run: http://127.0.0.1:3000/runs/r" in found["Message"]
    told = {name: entry["Value"] for name, entry in found["MessageAttributes"].items()}
    assert told == {"kind": "check", "severity": "error", "partition": "2026-11-24"}
    topics.close()
    queues.close()


def test_a_topic_that_is_not_there_says_what_to_check(aws: None) -> None:
    """The right and the setting are named."""
    with pytest.raises(Misuse, match=r"answered NotFound; .*SNS_TOPIC_ARN"):
        SnsTopic("arn:aws:sns:eu-west-1:123456789012:gone").post(_alert())


def test_sns_that_does_not_answer_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again at the next tick."""
    with receiver() as gone:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", gone.url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "moto")
    with pytest.raises(Unreachable, match="next tick"):
        SnsTopic("arn:aws:sns:eu-west-1:123456789012:alerts").post(_alert())
