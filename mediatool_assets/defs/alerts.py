"""The alert sensor: posts new problems to the channels twice a minute.

The sensor's state is its cursor: how far it has read, what it has posted and when, which alerts are
waiting, and which problems are not resolved. It is not an object in the bucket, so that it is
available when the bucket is not. Dagster writes it with the tick, after the posts, and keeps it
over restarts. A process that is killed in between posts twice rather than not at all.
"""

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg
import msgspec

from mediatool_assets.defs.alert_news import EventPosition, WatchedInstance
from mediatool_assets.defs.layers import shown
from mediatool_assets.domain.alerts import Channel, Observations, OpenProblems
from mediatool_assets.domain.errors import Misuse, Unreachable
from mediatool_assets.domain.quantities import quantity
from mediatool_assets.domain.settings import Settings
from mediatool_assets.stores.environment import shared_settings

if TYPE_CHECKING:
    from mediatool_assets.stores.alert_channels import AlertChannel

_SECONDS = 10.0  # limit for one channel's posts; a tick has 60 in all; the rest waits


class AlertCursor(msgspec.Struct):
    """The sensor's cursor."""

    position: EventPosition
    open: OpenProblems
    channels: dict[str, Channel] = {}


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Posts problems to the configured alert channels. Starts no run.",
)
def alert_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Read new events, post alerts that are due, and report in the tick what was not posted."""
    from mediatool_assets.stores.alert_channels import channels  # noqa: PLC0415  # slow

    settings, now = shared_settings(), datetime.now(UTC)
    repository = context.repository_def
    if repository is None:
        raise Misuse("the sensor was given no definitions; evaluate it with repository_def")
    memory = _remembered(context.cursor, now)
    told = tick(
        memory, WatchedInstance(context.instance, repository, now), settings, channels(settings)
    )
    cursor = msgspec.json.encode(memory).decode()
    return dg.SensorResult(skip_reason=dg.SkipReason(told), cursor=cursor)


def _remembered(cursor: str | None, now: datetime) -> AlertCursor:
    """The state of the last tick. The first tick begins now: earlier events are not reported."""
    if cursor is None:
        return AlertCursor(EventPosition(now, now), OpenProblems())
    return msgspec.json.decode(cursor, type=AlertCursor)


def tick(
    memory: AlertCursor,
    instance: WatchedInstance,
    settings: Settings,
    posted_to: "Iterable[AlertChannel]",
) -> str:
    """Do the work of one tick on ``memory``; returns a summary."""
    alerts = [
        alert
        for news in instance.news(memory.position)
        for alert in memory.open.learn(_linked(news, settings))
    ]
    window = timedelta(hours=settings.alert_window_hours)
    told = []
    for channel in posted_to:
        kept = memory.channels.setdefault(channel.name, Channel())
        for alert in alerts:
            kept.take(alert)
        told.append(f"{channel.name}: {_post(channel, kept, instance.now, window)}")
        kept.forget(instance.now, window)
    if told and settings.dagster_url is None:
        told.append("MEDIATOOL_DAGSTER_URL is not set: alerts have no links to the UI")
    return "; ".join(told) or f"{quantity(len(alerts), 'alert')}; no channel is configured"


def _post(channel: "AlertChannel", kept: Channel, now: datetime, window: timedelta) -> str:
    """Post the alerts that are due; one that fails is kept and retried at the next tick."""
    posted, problems, end = 0, [], time.monotonic() + _SECONDS
    for alert in list(kept.due(now, window)):
        if time.monotonic() > end:
            break
        try:
            channel.post(alert)
        except Misuse as error:
            problems.append(str(error))
        except Unreachable as error:
            problems.append(str(error))
            break  # the other alerts would time out too
        else:
            kept.posted(alert, now)
            posted += 1
    left = sum(1 for _ in kept.due(now, window))
    told = f"{posted} posted, {left} waiting"
    return f"{told}: {problems[0]}" if problems else told


def _linked(news: Observations, settings: Settings) -> Observations:
    """Add links to Dagster's UI, if its URL is known."""
    return msgspec.structs.replace(news, links=ui_links(settings, news) | news.links)


def ui_links(settings: Settings, news: Observations) -> dict[str, str]:
    """URLs in Dagster's UI of the run, and of the first asset with a problem."""
    if settings.dagster_url is None:
        return {}
    base = settings.dagster_url.rstrip("/")
    links = {"run": f"{base}/runs/{news.run_id}"} if news.run_id else {}
    asset = next((p.asset for p in news.problems if p.asset is not None), None)
    if asset is not None:
        partition = f"&partition={news.partition}" if news.partition else ""
        name = shown(dg.AssetKey.from_user_string(asset))
        links[name] = f"{base}/assets/{asset}?view=checks{partition}"
    return links or {"Dagster": base}
