"""``mediatool alert``: what is configured, and whether it arrives."""

import json
from pathlib import Path

import pytest

from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.receiver import SECRET, receiver

pytestmark = pytest.mark.usefixtures("as_any_other_process")


def test_a_test_alert_arrives(
    mediatool: Run, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a link to Dagster where its URL is known; without --test nothing is posted."""
    with receiver() as hook:
        monkeypatch.setenv("MEDIATOOL_ALERT_WEBHOOK_URL", hook.url)
        monkeypatch.setenv("MEDIATOOL_DAGSTER_URL", "http://dagster.example")
        shown = mediatool("alert")
        assert (shown.code, shown.out, hook.arrived) == (0, "webhook: configured\n", [])
        tested = mediatool("alert", "--test", "--json")
        assert (tested.code, json.loads(tested.out)) == (0, {"webhook": "posted"})
    [found] = hook.arrived
    assert (found["text"], found["severity"]) == ("Test of this channel", "information")
    assert found["links"] == {"Dagster": "http://dagster.example"}


def test_every_channel_is_tried_and_the_exit_code_says_why_one_fails(
    mediatool: Run, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4 for one that does not answer; the URL's secret is not told."""
    with receiver() as gone:
        monkeypatch.setenv("MEDIATOOL_ALERT_WEBHOOK_URL", gone.url)
    monkeypatch.setenv("MEDIATOOL_ALERT_LOG", "yes")
    tested = mediatool("alert", "--test")
    assert tested.code == 4
    told = "log: posted\nwebhook: the webhook at 127.0.0.1:"
    assert tested.out.startswith(told)
    assert "does not answer" in tested.out
    assert SECRET not in tested.out + tested.err


def test_no_channel_is_wrong_settings(mediatool: Run, nowhere: Path) -> None:
    """What can be set is named."""
    found = mediatool("alert", "--test")
    assert found.code == 2
    assert "set MEDIATOOL_ALERT_WEBHOOK_URL, MEDIATOOL_ALERT_SNS_TOPIC_ARN or" in found.err
