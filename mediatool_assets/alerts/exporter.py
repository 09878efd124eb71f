"""Metrics for Prometheus: the newest version, restore drills, waiting alerts, the daemon.

``python -m mediatool_assets.alerts.exporter HOST PORT`` serves them; with ``-`` as the host
they are printed once. Every scrape reads the bucket and Dagster's instance, and nothing else: a few
small objects. If the bucket does not answer, ``mediatool_bucket_up`` is 0 and the metrics of
versions are absent.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import get_args

import dagster as dg
import msgspec
from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mediatool_assets.alerts.assets import AlertCursor
from mediatool_assets.core.errors import MediatoolError, NotFound
from mediatool_assets.core.metadata import Metadata
from mediatool_assets.core.outcomes import Outcome
from mediatool_assets.orchestration.resources import ServersResource
from mediatool_assets.restore.flow import SCRATCH
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.versions import catalog
from mediatool_assets.versions.records import newest_records, standing_verdict


def gauge(name: str, says: str, value: float, **labels: str) -> GaugeMetricFamily:
    """A metric with one sample."""
    return gauges(name, says, [(labels, value)])


def gauges(
    name: str, says: str, samples: Iterable[tuple[dict[str, str], float]]
) -> GaugeMetricFamily:
    """A metric with one sample for each set of labels."""
    found = list(samples)
    labels = list(found[0][0]) if found else []
    family = GaugeMetricFamily(f"mediatool_{name}", says, labels=labels)
    for each, value in found:
        family.add_metric([each[label] for label in labels], value)
    return family


@dataclass(frozen=True, slots=True)
class PrometheusCollector(Collector):
    """Collects the metrics of the bucket, as the assets see it, and of Dagster's instance."""

    servers: ServersResource
    instance: dg.DagsterInstance

    def collect(self) -> Iterator[Metric]:
        """Every metric, read now."""
        now = datetime.now(UTC)
        try:
            found = list(self._bucket(self.servers.objects(), now))
        except MediatoolError:  # bucket_up reports it; the next run's log has the message
            found = [gauge("bucket_up", "1 if the bucket could be read", 0)]
        yield from found
        yield from self._alerts(now)
        yield from self._daemons()

    def _bucket(self, objects: ObjectStore, now: datetime) -> Iterator[Metric]:
        try:
            newest = catalog.latest(objects)
        except NotFound:
            newest = None
        if newest is not None:
            yield from _version(newest, now)
            yield from _verdict(objects, newest)
        drills = newest_records(objects, SCRATCH)
        says = "End of the last restore drill that was verified, and of the last that failed"
        yield gauges(
            "restore_drill_timestamp_seconds",
            says,
            (
                (
                    {"to": each.to, "verdict": each.verdict},
                    datetime.fromisoformat(each.began).timestamp() + each.seconds,
                )
                for each in drills
            ),
        )
        yield gauge("bucket_up", "1 if the bucket could be read", 1)

    def _alerts(self, now: datetime) -> Iterator[Metric]:
        """The alerts of each channel that wait to be posted, from the sensor's cursor."""
        window = timedelta(hours=self.servers.settings().alert_window_hours)
        for state in self.instance.all_instigator_state():
            if state.name == "alert_sensor" and state.instigator_data is not None:
                cursor = getattr(state.instigator_data, "cursor", None)  # schedules have none
                yield alerts_waiting(cursor, now, window)

    def _daemons(self) -> Iterator[Metric]:
        beats = self.instance.get_daemon_heartbeats()
        yield gauges(
            "daemon_heartbeat_timestamp_seconds",
            "Last heartbeat of each Dagster daemon",
            (({"daemon": name}, beat.timestamp) for name, beat in beats.items()),
        )


def alerts_waiting(cursor: str | None, now: datetime, window: timedelta) -> Metric:
    """The due alerts of each channel in the alert sensor's cursor."""
    memory = msgspec.json.decode(cursor or "null", type=AlertCursor | None)
    channels = memory.channels if memory else {}
    return gauges(
        "alerts_waiting",
        "Alerts that are due and not posted yet",
        (
            ({"channel": name}, sum(1 for _ in channel.due(now, window)))
            for name, channel in channels.items()
        ),
    )


def _version(newest: Metadata, now: datetime) -> Iterator[Metric]:
    """The metrics of the newest complete version."""
    exports, moment = newest.exports, newest.version.moment
    yield gauge(
        "newest_version_timestamp_seconds",
        "The newest complete version, by its name",
        moment.timestamp(),
        version=str(newest.version),
    )
    yield gauge("newest_version_age_seconds", "Age of the version", (now - moment).total_seconds())
    yield gauge("newest_version_rows", "Rows of its raw archive", exports.raw.record_count)
    yield gauge(
        "newest_version_documents",
        "Documents of its transformed archive",
        sum(exports.transformed.documents.values()),
    )
    yield gauges(
        "newest_version_bytes",
        "Bytes of its archives in the bucket",
        (({"archive": name}, export.size_bytes) for name, export in exports.by_archive.items()),
    )
    yield gauge(
        "newest_version_duration_seconds",
        "Time that the newest complete version took to make",
        newest.export_duration_minutes * 60,
    )


def _verdict(objects: ObjectStore, newest: Metadata) -> Iterator[Metric]:
    """The last verdict on the newest version; all 0 before the first verification."""
    verdict = standing_verdict(objects, newest.version)
    yield gauges(
        "newest_version_verdict",
        "1 for the verdict of its last verification",
        (
            ({"verdict": outcome}, float(verdict is not None and verdict.outcome == outcome))
            for outcome in get_args(Outcome)
        ),
    )


def exposition(servers: ServersResource, instance: dg.DagsterInstance) -> str:
    """All metrics in Prometheus's text format."""
    return generate_latest(registry(servers, instance)).decode()


def registry(servers: ServersResource, instance: dg.DagsterInstance) -> CollectorRegistry:
    """The registry that prometheus_client's server reads."""
    registry = CollectorRegistry()
    registry.register(PrometheusCollector(servers, instance))
    return registry


def main() -> None:
    """Serve the metrics until the process ends, or print them once."""
    host, port = sys.argv[1:]
    with dg.DagsterInstance.get() as instance:
        if host == "-":
            sys.stdout.write(exposition(ServersResource(), instance))
            return
        server, thread = start_http_server(int(port), host, registry(ServersResource(), instance))
        try:
            thread.join()
        finally:
            server.shutdown()


if __name__ == "__main__":
    main()
