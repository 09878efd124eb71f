"""The alert sensor: posts new problems to the channels twice a minute.

The sensor's state is its cursor: how far it has read, what it has posted and when, which alerts are
waiting, and which problems are not resolved. It is not an object in the bucket, so that it is
available when the bucket is not. Dagster writes it with the tick, after the posts, and keeps it
over restarts. A process that is killed in between posts twice rather than not at all.

The problems and successes of one ended run: its steps, checks and warnings.

Texts from the log are filtered by ``messages.without_private_data``. Messages of errors that
may quote a row are not used.

Reads new events of Dagster's instance for alerts: ended runs, checks, freshness.

Runs are read by their update time. Each tick also reads the last few minutes again, since another
host's clock may be slow. Runs that were already read are recognized by their id.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import dagster as dg
import msgspec

from mediatool_assets.alerts.messages import (
    Channel,
    Kind,
    Observations,
    OpenProblems,
    Problem,
    Success,
    without_private_data,
    wording,
)
from mediatool_assets.core.errors import Misuse, Unreachable
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import quantity
from mediatool_assets.core.version import REPORTS
from mediatool_assets.dagster_internals import (
    AUTO_RETRY_RUN_ID_TAG,
    RUNLESS_RUN_ID,
    WILL_RETRY_TAG,
)
from mediatool_assets.orchestration import METADATA, PLAIN, Namespace, is_on_time, shown
from mediatool_assets.orchestration.io_managers import report_asset
from mediatool_assets.orchestration.runs import REFUSED_TAG, VERSION_TAG
from mediatool_assets.stores.environment import shared_settings

if TYPE_CHECKING:
    from mediatool_assets.alerts.messages import AlertChannel

_PAGE = 1000  # events
_FIGURES = 8
_KILLED = "the run ended during this step: its process was killed, or its host stopped"

_OF_ROWS = {"BadValue", "CheckFailed"}
"""Errors of this package whose messages may contain a row's values, outside their quotes too."""


def checked(
    found: dg.AssetCheckEvaluation, partition: str | None, made: datetime, began: datetime
) -> Problem | Success:
    """The result of a check; ``made`` is its time, ``began`` that of its run."""
    asset = found.asset_key.to_user_string()
    thing = f"{shown(found.asset_key)}: {found.check_name}"
    kind: Kind = "freshness" if is_on_time(found.asset_check_key) else "check"
    partition = found.partition or partition
    if found.passed:
        return Success(kind, thing, partition, began)
    return Problem(
        kind,
        thing,
        without_private_data(found.description or "no reason was reported"),
        severity="warning" if found.severity is dg.AssetCheckSeverity.WARN else "error",
        asset=asset,
        check=found.check_name,
        figures=_figures(found.metadata),
        partition=partition,
        began=made,
    )


def _figures(metadata: Mapping[str, dg.MetadataValue[Any]]) -> dict[str, int | float]:
    """The numbers in a check's metadata; texts are left out, since they may contain anything."""
    values = {name: entry.value for name, entry in metadata.items()}
    numbers = {
        n: v
        for n, v in values.items()
        if isinstance(v, int | float) and v is not True and v is not False
    }
    return dict(list(numbers.items())[:_FIGURES])


@dataclass(frozen=True, slots=True)
class EndedRun:
    """One ended run."""

    instance: dg.DagsterInstance
    record: dg.RunRecord

    def news(self) -> Observations:
        """Return the failures of the run, the results of its checks, and its version's warnings.

        A canceled run is not reported, since its user knows; its failed checks are. A run that
        canceled itself because its day has no source is reported.
        """
        run = self.record.dagster_run
        partition = run.tags.get("dagster/partition")
        ended = datetime.fromtimestamp(self.record.end_time or 0, UTC)
        found = [
            checked(evaluation, partition, ended, self.record.create_timestamp)
            for evaluation in self._evaluations()
            if evaluation.passed or not is_on_time(evaluation.asset_check_key)  # about the day
        ]
        problems = [one for one in found if isinstance(one, Problem)]
        well = [one for one in found if isinstance(one, Success)]
        well += self._done(partition)
        if run.status is dg.DagsterRunStatus.SUCCESS:
            problems += self._warnings()
        elif self._is_failed and AUTO_RETRY_RUN_ID_TAG not in run.tags:
            problems += self._failures(partition, ended)
        version = run.tags.get(self._names.tag(VERSION_TAG))
        links = dict(self._reports())
        return Observations(
            ended, tuple(problems), tuple(well), version, partition, run.run_id, links
        )

    @property
    def may_be_retried(self) -> bool:
        """True if Dagster will retry the run and has not begun; terminal runs are never retried."""
        run = self.record.dagster_run
        return (
            run.tags.get(WILL_RETRY_TAG) == "true"
            and run.remote_job_origin is not None
            and AUTO_RETRY_RUN_ID_TAG not in run.tags
        )

    def _events(self, kind: dg.DagsterEventType) -> Iterator[dg.DagsterEvent]:
        """Yield the run's events of one type, page by page."""
        cursor = None
        while True:
            page = self.instance.get_records_for_run(
                self.record.dagster_run.run_id, cursor=cursor, of_type=kind, limit=_PAGE
            )
            for record in page.records:
                if (event := record.event_log_entry.dagster_event) is not None:
                    yield event
            if not page.has_more:
                return
            cursor = page.cursor

    def _evaluations(self) -> Iterator[dg.AssetCheckEvaluation]:
        """The last evaluation of each check; a retried step evaluates its checks again."""
        events = self._events(dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        found = [event.asset_check_evaluation_data for event in events]
        yield from {one.asset_check_key: one for one in found}.values()

    def _made(self) -> Iterator[dg.AssetMaterialization]:
        for event in self._events(dg.DagsterEventType.ASSET_MATERIALIZATION):
            yield event.step_materialization_data.materialization

    def _reports(self) -> Iterator[tuple[str, str]]:
        """The reports that this run wrote, with their URIs; those of other runs are left out."""
        names = {self._names.key(report_asset(report)): report for report in REPORTS}
        for made in self._made():
            if made.asset_key in names and "html" in made.metadata:
                yield names[made.asset_key], str(made.metadata["html"].value)

    def _warnings(self) -> Iterator[Problem]:
        for made in self._made():
            if made.asset_key == self._names.key(METADATA) and (
                told := made.metadata.get("warnings")
            ):
                warnings = told.value if isinstance(told.value, list) else []
                for warning in map(str, warnings):
                    text = without_private_data(warning)
                    yield Problem("warnings", "warning", text, "warning", cause=wording(warning))

    @property
    def _names(self) -> Namespace:
        """The names of the run's source, by the tag of its version."""
        plain = f"{VERSION_TAG}."
        named = (tag for tag in self.record.dagster_run.tags if tag.startswith(plain))
        return next((Namespace(tag.removeprefix(plain)) for tag in named), PLAIN)

    @property
    def _is_failed(self) -> bool:
        """True if the run failed, or canceled itself."""
        run = self.record.dagster_run
        return run.status is dg.DagsterRunStatus.FAILURE or REFUSED_TAG in run.tags

    def _steps(self, kind: dg.DagsterEventType) -> list[str]:
        return [f"step {event.step_key}" for event in self._events(kind)]

    def _done(self, partition: str | None) -> Iterator[Success]:
        """Each successful step, and the job: it made the partition of its assets."""
        things = self._steps(dg.DagsterEventType.STEP_SUCCESS)
        run = self.record.dagster_run
        if run.status is dg.DagsterRunStatus.SUCCESS and not run.job_name.startswith("__"):
            things.append(run.job_name)  # not for a selection of assets, which is no job
        for thing in things:
            yield Success("run", thing, partition, self.record.create_timestamp)

    def _failures(self, partition: str | None, ended: datetime) -> Iterator[Problem]:
        """Each failed step with its error; else the steps in progress; else the run itself."""
        failures = list(self._events(dg.DagsterEventType.STEP_FAILURE))
        unjudged = self._unjudged()
        for failure in failures:
            error, reason = _reason(failure)
            checks = unjudged[failure.step_key]
            figures: dict[str, int | float] = {"checks that could not be evaluated": checks}
            yield Problem(
                "run",
                f"step {failure.step_key}",
                reason,
                figures=figures if checks else {},
                partition=partition,
                began=ended,
                cause=error,
            )
        if not failures:
            done = set(self._steps(dg.DagsterEventType.STEP_SUCCESS))
            at_work = [s for s in self._steps(dg.DagsterEventType.STEP_START) if s not in done]
            for thing in at_work or [self.record.dagster_run.job_name]:
                yield Problem("run", thing, _KILLED, partition=partition, began=ended)

    def _unjudged(self) -> Counter[str | None]:
        """The number of planned checks of each step that were not evaluated."""
        judged = {one.asset_check_key for one in self._evaluations()}
        planned = {
            (event.step_key, event.asset_check_planned_data.asset_check_key)
            for event in self._events(dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED)
        }
        return Counter(step for step, check in planned if check not in judged)


def _reason(failure: dg.DagsterEvent) -> tuple[str, str]:
    """The error's class, and the part of its message that may be posted."""
    data = failure.step_failure_data
    said = data.user_failure_data
    if said is not None and "error" in said.metadata:
        name = str(said.metadata["error"].value)
        if name not in _OF_ROWS:
            return name, f"{name}: {without_private_data(said.description or '')}"
        return name, f"{name}; the run's log has its message"
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    name = error.cls_name if error is not None and error.cls_name else "error"
    return name, f"{name}; the run's log has its message"


_RUNS = 50  # per tick; a backfill of a year is reported within a few minutes
_FOUND = 100  # results of one day's check; each run of the day adds one
_BACK = timedelta(minutes=5)
_RETRY = timedelta(minutes=5)  # Dagster begins a retry within seconds, or never
_SETTLED = timedelta(minutes=2)  # Dagster judges all assets within a minute: one alert, not many
_ENDED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]

FRESHNESS = "freshness"


class EventPosition(msgspec.Struct):
    """How far the instance was read.

    ``seen`` maps run ids to times, ``judged`` is the last evaluation of the day's check.
    """

    began: datetime
    until: datetime
    seen: dict[str, datetime] = {}
    judged: int = 0
    late: bool = False


@dataclass(frozen=True, slots=True)
class WatchedInstance:
    """Dagster's instance and the watched definitions, read at ``now``."""

    instance: dg.DagsterInstance
    repository: dg.RepositoryDefinition
    now: datetime

    def news(self, position: EventPosition) -> Iterator[Observations]:
        """Yield what is new since the position, and advance the position."""
        yield from self._runs(position)
        yield from self._freshness(position)

    def _runs(self, position: EventPosition) -> Iterator[Observations]:
        filters = dg.RunsFilter(statuses=_ENDED, updated_after=position.until - _BACK)
        records = self.instance.get_run_records(
            filters, order_by="update_timestamp", ascending=True
        )
        ours = set(self.repository.job_names)
        first = max(position.began, position.until - _BACK).timestamp()  # a tag changes a run too
        new = [
            EndedRun(self.instance, record)
            for record in records
            if record.dagster_run.job_name in ours
            and record.dagster_run.run_id not in position.seen
            and (record.end_time or 0) >= first
        ]
        still = (self.now - _RETRY).timestamp()
        wait = [run for run in new if run.may_be_retried and (run.record.end_time or 0) > still]
        read = [run for run in new if run not in wait][:_RUNS]
        for run in read:
            position.seen[run.record.dagster_run.run_id] = run.record.update_timestamp
            yield run.news()
        if read:
            position.until = max(position.until, read[-1].record.update_timestamp)
        if wait:  # they are read again at the next tick
            position.until = min(position.until, wait[0].record.update_timestamp)
        for name in [n for n, at in position.seen.items() if at < position.until - 2 * _BACK]:
            del position.seen[name]

    def _freshness(self, position: EventPosition) -> Iterator[Observations]:
        """Report assets that are late by Dagster's policies, and a day with no version by 03:00."""
        keys = [
            key
            for key, made in self.repository.assets_defs_by_key.items()
            if made.get_asset_spec(key).freshness_policy is not None
        ]
        states = self.instance.get_freshness_state_records(keys)
        signs = [state.updated_at for state in states.values()]
        checks = list(self._on_time())
        signs += [datetime.fromtimestamp(check.create_timestamp, UTC) for check in checks]
        if signs and max(signs) > self.now - _SETTLED:
            return
        late = [k for k in keys if k in states and states[k].freshness_state == "FAIL"]
        problems = [] if position.late else _late(keys, late, self.now)
        well = [] if late else [Success("freshness", FRESHNESS, None, self.now)]
        position.late = bool(late)
        for check in checks:
            if check.id <= (position.judged):
                continue
            made = datetime.fromtimestamp(check.create_timestamp, UTC)
            began = position.began.replace(microsecond=0)  # SQLite keeps whole seconds
            if made >= began and check.evaluation is not None:
                found = checked(check.evaluation, check.partition, made, made)
                problems += [found] if isinstance(found, Problem) else []
                well += [found] if isinstance(found, Success) else []
        position.judged = max([position.judged, *(check.id for check in checks)])
        day = self.now.date().isoformat()
        yield Observations(self.now, tuple(problems), tuple(well), partition=day)

    def _on_time(self) -> Iterator[Any]:
        """The sensors' last results of the day's checks, one of each source.

        Results from runs are read with the runs.
        """
        for key in filter(is_on_time, self.repository.asset_graph.asset_check_keys):
            found = (r for r in self._results(key) if r.run_id == RUNLESS_RUN_ID)
            yield from islice(found, 1)

    def _results(self, key: dg.AssetCheckKey) -> Iterator[Any]:
        """The results of a check for today's partition, newest first, page by page."""
        midnight = self.now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        cursor = None
        while True:
            page = self.instance.event_log_storage.get_asset_check_execution_history(
                key, _FOUND, cursor
            )
            of_today = [r for r in page if r.create_timestamp >= midnight]
            yield from (r for r in of_today if r.partition == self.now.date().isoformat())
            if len(of_today) < _FOUND:  # older results are of earlier days
                return
            cursor = page[-1].id


def _late(keys: Sequence[dg.AssetKey], late: Sequence[dg.AssetKey], now: datetime) -> list[Problem]:
    """Combine all late assets into one problem, counted by the first part of their keys."""
    if not late:
        return []
    everything = Counter(key.path[0] for key in keys)
    counts = sorted(Counter(key.path[0] for key in late).items())
    figures: dict[str, int | float] = {
        f"{layer} (of {everything[layer]})": count for layer, count in counts
    }
    reason = f"{len(late)} of {len(keys)} assets were not made in time"
    return [Problem("freshness", FRESHNESS, reason, figures=figures, began=now)]


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
    from mediatool_assets.alerts.messages import channels  # noqa: PLC0415  # slow

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
