"""A planted defect, found by Dagster's own daemon and told once."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mediatool_assets.main import main
from mediatool_assets_tests.drills.test_dagster_ui import (
    LAUNCH,
    _ask,
    _dagster_dev,
    _ended,
    _loaded,
    _wait_for,
)
from mediatool_assets_tests.fixtures.dagster_day import environment, today
from mediatool_assets_tests.receiver import Receiver, receiver

TICKS = """
query Ticks($selector: SensorSelector!) {
  sensorOrError(sensorSelector: $selector) {
    ... on Sensor { sensorState { ticks(limit: 20) { status skipReason timestamp } } }
  }
}"""


def _ticked(url: str, selector: dict[str, Any], since: float, said: str) -> dict[str, Any] | None:
    """A tick of the alert sensor since then that says so."""
    sensor = _ask(url, TICKS, selector=selector)["sensorOrError"]
    for tick in sensor["sensorState"]["ticks"]:
        if tick["timestamp"] >= since and said in (tick["skipReason"] or ""):
            found: dict[str, Any] = tick
            return found
    return None


def _now() -> float:
    return datetime.now(UTC).timestamp()


def _run(url: str, repository: dict[str, Any]) -> dict[str, Any]:
    """Make today's version as the UI does, and wait for its run."""
    params = {
        "selector": {
            "repositoryName": repository["name"],
            "repositoryLocationName": repository["location"]["name"],
            "pipelineName": "on_demand_export",
        },
        "mode": "default",
        "runConfigData": {},
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": today()}]},
    }
    launched = _ask(url, LAUNCH, params=params)["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return _wait_for("the run", lambda: _ended(url, launched["run"]["runId"]))


@pytest.mark.nightly
@pytest.mark.usefixtures("drill_source")
def test_a_table_that_was_emptied_turns_its_check_red_and_one_alert_arrives(
    tmp_path: Path,
) -> None:
    """By the daemon's own run and sensor; the next ticks are silent."""
    with receiver() as hook, environment(MEDIATOOL_ALERT_WEBHOOK_URL=hook.url):
        assert main(["export"]) == 0
        with psycopg.connect(os.environ["MEDIATOOL_POSTGRES_URL"]) as connection:
            connection.execute("DELETE FROM media_tool.accounts")
        with _dagster_dev(log := tmp_path / "dagster-dev.log") as url:
            repository = _wait_for("the code location", lambda: _loaded(url))
            selector = {
                "repositoryName": repository["name"],
                "repositoryLocationName": repository["location"]["name"],
                "sensorName": "alert_sensor",
            }
            _wait_for("the first tick", lambda: _ticked(url, selector, 0, "webhook: 0 posted"))
            run = _run(url, repository)
            assert run["status"] == "SUCCESS", log.read_text()[-4000:]  # a red check fails no run
            _wait_for("the alert", lambda: _ticked(url, selector, 0, "webhook: 1 posted"))
            since = _now()
            _wait_for("one tick more", lambda: _ticked(url, selector, since, "webhook: 0 posted"))
        _is_told(hook, {tag["key"]: tag["value"] for tag in run["tags"]})


def _is_told(hook: Receiver, tags: dict[str, str]) -> None:
    """One alert, of the version, its partition, asset and check, with the figures."""
    [alert] = hook.arrived
    assert (alert["kind"], alert["severity"], alert["suppressed"]) == ("check", "error", 0)
    assert (alert["version"], alert["partition"]) == (tags["mediatool/version"], today())
    found = {(p.get("asset"), p.get("check")): p for p in alert["problems"]}
    empty = found["raw/accounts", "as_usual"]
    assert empty["reason"] == "accounts: is empty, and had 2 rows"
    assert (empty["figures"]["rows"], empty["figures"]["rows_before"]) == (0, 2)
