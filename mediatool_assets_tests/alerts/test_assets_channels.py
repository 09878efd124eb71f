"""Channels that are down, not configured, or without links: nothing is lost, or told twice."""

import pytest

from mediatool_assets_tests.fixtures.alert_platform import Platform
from mediatool_assets_tests.receiver import SECRET, Receiver, receiver


def test_a_dead_receiver_loses_nothing(
    platform: Platform, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tick says so, without the URL's secret; the alert comes when the receiver is back."""
    with receiver() as gone:
        monkeypatch.setenv("MEDIATOOL_ALERT_WEBHOOK_URL", gone.url)
        port = int(gone.url.split(":")[2].split("/")[0])
    platform.night("empty")
    said = platform.tick()
    assert said.startswith("webhook: 0 posted, 1 waiting: the webhook at 127.0.0.1")
    assert "does not answer" in said
    assert SECRET not in said
    assert SECRET not in (platform.cursor or "")
    platform.night("unreachable", day=25)
    assert platform.tick().startswith("webhook: 0 posted, 2 waiting")
    with receiver(port) as back:
        assert platform.tick() == "webhook: 2 posted, 0 waiting"
        assert back.kinds == ["check", "run"]
        assert platform.tick() == "webhook: 0 posted, 0 waiting"


def test_a_channel_that_is_down_does_not_hold_up_another(
    platform: Platform, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does the one that works tell it twice."""
    monkeypatch.setenv("MEDIATOOL_ALERT_LOG", "yes")
    hook.answers = [404]
    platform.night("empty")
    first, second = platform.tick(), platform.tick()
    assert first.startswith("log: 1 posted, 0 waiting; webhook: 0 posted, 1 waiting: the webhook")
    assert second == "log: 0 posted, 0 waiting; webhook: 1 posted, 0 waiting"


def test_nothing_is_kept_for_a_channel_that_is_not_configured(
    platform: Platform, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever configures one is not flooded with the past."""
    monkeypatch.delenv("MEDIATOOL_ALERT_WEBHOOK_URL")
    platform.night("empty")
    assert platform.tick() == "1 alert; no channel is configured"
    monkeypatch.setenv("MEDIATOOL_ALERT_WEBHOOK_URL", hook.url)
    assert platform.tick() == "webhook: 0 posted, 0 waiting"


def test_the_tick_says_that_links_are_missing(
    platform: Platform, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where alerts go somewhere, and nobody said where Dagster's UI is."""
    monkeypatch.delenv("MEDIATOOL_DAGSTER_URL")
    assert platform.tick().endswith(
        "; MEDIATOOL_DAGSTER_URL is not set: alerts have no links to the UI"
    )
    monkeypatch.delenv("MEDIATOOL_ALERT_WEBHOOK_URL")
    assert platform.tick() == "0 alerts; no channel is configured"
