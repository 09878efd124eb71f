"""What Prometheus reads of the platform, and the rules that are shipped for it."""

import re
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import msgspec
import pytest
import yaml
from dagster._daemon.types import DaemonHeartbeat  # what a daemon leaves behind
from prometheus_client import start_http_server
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from mediatool_assets.alerts.assets import AlertCursor, EventPosition
from mediatool_assets.alerts.exporter import alerts_waiting, exposition, registry
from mediatool_assets.alerts.messages import Channel, OpenProblems, sample_alert
from mediatool_assets.orchestration.resources import ServersResource
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.versions import catalog
from mediatool_assets_tests.defs.operated import run
from mediatool_assets_tests.documents import ROOT
from mediatool_assets_tests.fixtures.dagster_day import Day, environment

RULES = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"][0]["rules"]
DEAD = next(rule["expr"] for rule in RULES if rule["alert"] == "MediatoolDaemonDead")

Found = dict[str, Metric]


def read(text: str) -> Found:
    """The metrics by name, as Prometheus parses them."""
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(found: Found, name: str, **labels: str) -> float:
    """One sample."""
    [sample] = [s for s in found[f"mediatool_{name}"].samples if labels.items() <= s.labels.items()]
    return float(sample.value)


@pytest.fixture(scope="module")
def watched(day: Day, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """An instance in which a daemon was at work, and the bucket of a day after its drill."""
    assert run(day, "weekly_restore_drill").success
    with dg.instance_for_test(temp_dir=str(tmp_path_factory.mktemp("dagster"))) as instance:
        _beat(instance, time.time())
        yield instance


def _beat(instance: dg.DagsterInstance, at: float) -> None:
    instance.add_daemon_heartbeat(DaemonHeartbeat(at, "SENSOR", None))


def dead(found: Found) -> bool:
    """What the shipped rule says of these metrics."""
    match = re.fullmatch(r"time\(\) - max\((\w+)\) > (\d+)", DEAD)
    assert match is not None
    newest = max(sample.value for sample in found[match[1]].samples)
    return time.time() - newest > int(match[2])


def test_a_scrape_says_how_the_platform_is(
    watched: dg.DagsterInstance, bucket_objects: ObjectStore
) -> None:
    """Over HTTP: age, rows, bytes, duration, verdict and drill of the newest version."""
    server, thread = start_http_server(0, "127.0.0.1", registry(ServersResource(), watched))
    try:
        url = f"http://127.0.0.1:{server.server_port}/metrics"
        with urllib.request.urlopen(url) as answer:
            found = read(answer.read().decode())
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    newest = catalog.latest(bucket_objects)
    assert value(found, "bucket_up") == 1
    moment = newest.version.moment.timestamp()
    assert value(found, "newest_version_timestamp_seconds", version=str(newest.version)) == moment
    assert value(found, "newest_version_age_seconds") >= 0
    assert value(found, "newest_version_rows") == newest.exports.raw.record_count
    dump = newest.exports.by_archive["dump"]
    assert value(found, "newest_version_bytes", archive="dump") == dump.size_bytes
    assert value(found, "newest_version_duration_seconds") > 0
    assert value(found, "restore_drill_timestamp_seconds", to="mongodb", verdict="verified") > 0
    assert value(found, "newest_version_verdict", verdict="failed") == 0


def test_the_rule_finds_a_dead_daemon(watched: dg.DagsterInstance) -> None:
    """Silent while it is at work; after five minutes without it the expression is true."""
    assert not dead(read(exposition(ServersResource(), watched)))
    _beat(watched, time.time() - 301)
    assert dead(read(exposition(ServersResource(), watched)))


def test_alerts_wait_until_they_are_posted() -> None:
    """Each channel's, as the sensor's cursor has them; none before its first tick."""
    now = datetime.now(UTC)
    channel = Channel()
    channel.take(sample_alert(now, {}))
    memory = AlertCursor(EventPosition(now, now), OpenProblems(), {"webhook": channel})
    cursor = msgspec.json.encode(memory).decode()
    [sample] = alerts_waiting(cursor, now, timedelta(hours=1)).samples
    assert (sample.labels, sample.value) == ({"channel": "webhook"}, 1)
    assert alerts_waiting(None, now, timedelta(hours=1)).samples == []


def test_a_bucket_that_does_not_answer_is_a_metric(watched: dg.DagsterInstance) -> None:
    """The scrape succeeds, and says so; what is known of the daemon is there."""
    with environment(MEDIATOOL_S3_BUCKET="no-such-bucket-of-ours"):
        found = read(exposition(ServersResource(), watched))
    assert value(found, "bucket_up") == 0
    assert "mediatool_newest_version_rows" not in found
    assert "mediatool_daemon_heartbeat_timestamp_seconds" in found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_rules_are_of_metrics_that_there_are(
    watched: dg.DagsterInstance, rule: dict[str, str]
) -> None:
    """Each metric of each rule is documented, and one that a scrape has."""
    documented = (ROOT / "docs/how-to/metrics.md").read_text()
    for name in re.findall(r"mediatool_\w+", rule["expr"]):
        assert f"`{name}`" in documented
