"""The alert sensor: posts new problems to the channels twice a minute.

All that it remembers (how far it has read, what it has posted and when, what waits, what is not
well yet) is its cursor, and no object in the bucket: Dagster writes it with the tick, keeps it over
restarts, and it is there when the bucket is what is down. It is written after the posts, so that
a process that is killed between the two posts again rather than not at all.
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
from mediatool_assets.stores.environment import read_settings

if TYPE_CHECKING:
    from mediatool_assets.stores.alert_channels import AlertChannel

_SECONDS = 10.0  # for a channel to post in; a tick has 60 in all, and the rest waits for the next


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
    """Read what is new, post what is due, and say in the tick what could not be posted."""
    from mediatool_assets.stores.alert_channels import channels  # noqa: PLC0415  # slow

    settings, now = read_settings(), datetime.now(UTC)
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
    """Do one tick's work on ``memory``, and say what became of it."""
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
    return "; ".join(told) or f"{quantity(len(alerts), 'alert')}, and no channel is configured"


def _post(channel: "AlertChannel", kept: Channel, now: datetime, window: timedelta) -> str:
    """Post what is due; what is not taken is kept, and tried again at the next tick."""
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
            break  # the others would wait as long
        else:
            kept.posted(alert, now)
            posted += 1
    left = sum(1 for _ in kept.due(now, window))
    told = f"{posted} posted, {left} waiting"
    return f"{told}: {problems[0]}" if problems else told


def _linked(news: Observations, settings: Settings) -> Observations:
    """The news with links to Dagster's UI too, where its URL is known."""
    return msgspec.structs.replace(news, links=ui_links(settings, news) | news.links)


def ui_links(settings: Settings, news: Observations) -> dict[str, str]:
    """The run, and the first asset that is not well, in Dagster's UI."""
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
