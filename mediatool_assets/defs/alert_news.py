"""What Dagster's instance tells since it was last asked: ended runs, checks, freshness, schedules.

Runs are read by their time of change, a few minutes back again each time, since a clock of another
host may be late; what was read is remembered by its id. Nothing is taken from a run's log but what
``domain.alerts.plain`` lets through, and no message of an error that may quote a row.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import msgspec
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickStatus
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord
from dagster._core.storage.tags import WILL_RETRY_TAG
from dagster._utils.schedules import get_latest_completed_cron_tick

from mediatool_assets.defs.freshness import ON_TIME
from mediatool_assets.defs.published import METADATA
from mediatool_assets.defs.runs import VERSION_TAG
from mediatool_assets.domain.alerts import Kind, News, Problem, Well, plain, wording

_RUNS = 50  # a tick; a backfill of a year is told of in a few minutes
_BACK = timedelta(minutes=5)
_SETTLED = timedelta(minutes=2)  # Dagster judges all assets within a minute: one alert, not many
_GRACE = timedelta(minutes=15)  # a schedule's tick may wait for its code location to load
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
_PAGE = 1000  # events
_FIGURES = 8

FRESHNESS = "freshness"

_TOLD = {
    "AlreadyExists",
    "BadArchive",
    "BadModel",
    "BadSettings",
    "CountMismatch",
    "InColdStorage",
    "Misuse",
    "NotFound",
    "Refused",
    "Unreachable",
}
"""Errors whose messages name things and figures only; BadValue and CheckFailed may tell values."""


class Position(msgspec.Struct):
    """How far the instance was read. ``seen`` are times by the ids of runs and evaluations."""

    began: datetime
    until: datetime
    seen: dict[str, datetime] = {}
    late: bool = False
    missed: dict[str, datetime] = {}


@dataclass(frozen=True, slots=True)
class Instance:
    """Dagster's instance, and the definitions that are watched in it, read at ``now``."""

    instance: dg.DagsterInstance
    repository: dg.RepositoryDefinition
    now: datetime

    def news(self, position: Position) -> Iterator[News]:
        """What there is since; moves the position on."""
        yield from self._runs(position)
        yield from self._freshness(position)
        yield from self._schedules(position)

    def _runs(self, position: Position) -> Iterator[News]:
        filters = dg.RunsFilter(statuses=_ENDED, updated_after=position.until - _BACK)
        records = self.instance.get_run_records(
            filters, order_by="update_timestamp", ascending=True
        )
        ours = set(self.repository.job_names)
        new = [
            record
            for record in records
            if record.dagster_run.job_name in ours
            and record.dagster_run.run_id not in position.seen
            and (record.end_time or 0) >= position.began.timestamp()
        ]
        for record in new[:_RUNS]:
            position.seen[record.dagster_run.run_id] = record.update_timestamp
            yield _Run(self.instance, record).news()
        if new:
            position.until = max(position.until, new[:_RUNS][-1].update_timestamp)
        for name in [n for n, at in position.seen.items() if at < position.until - 2 * _BACK]:
            del position.seen[name]

    def _freshness(self, position: Position) -> Iterator[News]:
        """Assets that Dagster's policies find late, and the day that has no version by 03:00."""
        keys = [
            key
            for key, made in self.repository.assets_defs_by_key.items()
            if made.get_asset_spec(key).freshness_policy is not None
        ]
        states = self.instance.get_freshness_state_records(keys)
        signs = [state.updated_at for state in states.values()]
        check = self._on_time()
        if check is not None:
            signs.append(datetime.fromtimestamp(check.create_timestamp, UTC))
        if signs and max(signs) > self.now - _SETTLED:
            return
        failed = FreshnessState.FAIL
        late = [k for k in keys if k in states and states[k].freshness_state is failed]
        problems = [] if position.late else _late(keys, late, self.now)
        well = [] if late else [Well("freshness", FRESHNESS, None, self.now)]
        position.late = bool(late)
        if check is not None and str(check.id) not in position.seen:
            made = datetime.fromtimestamp(check.create_timestamp, UTC)
            if made >= position.began and check.evaluation is not None:
                position.seen[str(check.id)] = made
                found = _checked(check.evaluation, check.partition, made, made)
                problems += [found] if isinstance(found, Problem) else []
                well += [found] if isinstance(found, Well) else []
        day = self.now.date().isoformat()
        yield News(self.now, tuple(problems), tuple(well), partition=day)

    def _on_time(self) -> AssetCheckExecutionRecord | None:
        """What was last found without a run; of runs it is read with all else."""
        storage = self.instance.event_log_storage
        record = storage.get_latest_asset_check_execution_by_key([ON_TIME]).get(ON_TIME)
        return record if record is not None and record.run_id == RUNLESS_RUN_ID else None

    def _schedules(self, position: Position) -> Iterator[News]:
        """Schedules that are on and have not asked for their run a while after it was due."""
        known = {
            state.name: state
            for state in self.instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
        }
        problems, well = [], []
        for schedule in self.repository.schedule_defs:
            due = _due(schedule, self.now - _GRACE)
            state = known.get(schedule.name)
            if due <= position.began or not _is_on(schedule, state):
                continue
            problem = self._missed(schedule.name, state, due)
            if problem is None:
                if position.missed.pop(schedule.name, None) is not None:
                    well.append(Well("schedule", schedule.name, None, self.now))
            elif position.missed.get(schedule.name) != due:
                position.missed[schedule.name] = due
                problems.append(problem)
        if problems or well:
            yield News(self.now, tuple(problems), tuple(well))

    def _missed(self, name: str, state: InstigatorState | None, due: datetime) -> Problem | None:
        after = due.timestamp() - 1
        ticks = (
            self.instance.get_ticks(state.instigator_origin_id, state.selector_id, after=after)
            if state is not None
            else ()
        )
        if any(tick.status in (TickStatus.SUCCESS, TickStatus.SKIPPED) for tick in ticks):
            return None
        failed = any(tick.status is TickStatus.FAILURE for tick in ticks)
        why = "its tick failed" if failed else "it did not tick"
        told = f"{why}, and was due at {due:%Y-%m-%d %H:%M} UTC; see Automation in Dagster's UI"
        return Problem("schedule", name, told, cause=why, began=self.now)


def _due(schedule: dg.ScheduleDefinition, before: datetime) -> datetime:
    """When it should have ticked last."""
    crons = schedule.cron_schedule
    zone = schedule.execution_timezone
    return max(
        get_latest_completed_cron_tick(cron, before, zone).astimezone(UTC)
        for cron in ([crons] if isinstance(crons, str) else crons)
    )


def _is_on(schedule: dg.ScheduleDefinition, state: InstigatorState | None) -> bool:
    """Whether it is switched on, in the UI or else by its definition."""
    if state is None or state.status is InstigatorStatus.DECLARED_IN_CODE:
        return schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    return state.status is InstigatorStatus.RUNNING


def _late(keys: Sequence[dg.AssetKey], late: Sequence[dg.AssetKey], now: datetime) -> list[Problem]:
    """One problem of all that is late, counted by the first part of its key."""
    if not late:
        return []
    everything = Counter(key.path[0] for key in keys)
    counts = sorted(Counter(key.path[0] for key in late).items())
    figures: dict[str, int | float] = {
        f"{layer} (of {everything[layer]})": count for layer, count in counts
    }
    reason = f"{len(late)} of {len(keys)} assets were not made in time"
    return [Problem("freshness", FRESHNESS, reason, figures=figures, began=now)]


def _checked(
    found: dg.AssetCheckEvaluation, partition: str | None, made: datetime, began: datetime
) -> Problem | Well:
    """What a check found: ``made`` when it did, ``began`` when its run did."""
    asset = found.asset_key.to_user_string()
    thing = f"{asset}: {found.check_name}"
    kind: Kind = "freshness" if found.asset_check_key == ON_TIME else "check"
    partition = found.partition or partition
    if found.passed:
        return Well(kind, thing, partition, began)
    return Problem(
        kind,
        thing,
        plain(found.description or "it did not say why"),
        severity="warning" if found.severity is dg.AssetCheckSeverity.WARN else "error",
        asset=asset,
        check=found.check_name,
        figures=_figures(found.metadata),
        partition=partition,
        began=made,
    )


def _figures(metadata: Mapping[str, dg.MetadataValue[Any]]) -> dict[str, int | float]:
    """The numbers of a check's metadata: a text of it might be anything."""
    values = {name: entry.value for name, entry in metadata.items()}
    numbers = {
        n: v
        for n, v in values.items()
        if isinstance(v, int | float) and v is not True and v is not False
    }
    return dict(list(numbers.items())[:_FIGURES])


@dataclass(frozen=True, slots=True)
class _Run:
    """One run that has ended."""

    instance: dg.DagsterInstance
    record: dg.RunRecord

    def news(self) -> News:
        """What failed in it, what its checks found, and what its version warns of."""
        run = self.record.dagster_run
        partition = run.tags.get("dagster/partition")
        ended = datetime.fromtimestamp(self.record.end_time or 0, UTC)
        found = [
            _checked(evaluation, partition, ended, self.record.create_timestamp)
            for evaluation in self._evaluations()
            if evaluation.passed or evaluation.asset_check_key != ON_TIME  # it is of the day
        ]
        problems = [one for one in found if isinstance(one, Problem)]
        well = [one for one in found if isinstance(one, Well)]
        if run.status is dg.DagsterRunStatus.SUCCESS:
            well.append(Well("run", run.job_name, partition, self.record.create_timestamp))
            problems += self._warnings()
        elif run.tags.get(WILL_RETRY_TAG) != "true":
            problems.append(self._failure(partition, ended))
        version = run.tags.get(VERSION_TAG)
        return News(ended, tuple(problems), tuple(well), version, partition, run.run_id)

    def _events(self, kind: dg.DagsterEventType) -> Iterator[dg.DagsterEvent]:
        """The run's events of a kind, page by page."""
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
        """The last evaluation of each check: a step that is retried asks again."""
        events = self._events(dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        found = [event.asset_check_evaluation_data for event in events]
        yield from {one.asset_check_key: one for one in found}.values()

    def _warnings(self) -> Iterator[Problem]:
        for event in self._events(dg.DagsterEventType.ASSET_MATERIALIZATION):
            made = event.step_materialization_data.materialization
            if made.asset_key == METADATA and (told := made.metadata.get("warnings")):
                warnings = told.value if isinstance(told.value, list) else []
                for warning in map(str, warnings):
                    text = plain(warning)
                    yield Problem("warnings", "warning", text, "warning", cause=wording(warning))

    def _failure(self, partition: str | None, ended: datetime) -> Problem:
        """The first step that failed, and by what; checks that were planned and never judged."""
        failures = list(self._events(dg.DagsterEventType.STEP_FAILURE))
        step = failures[0].step_key if failures else None
        error, reason = _reason(failures[0]) if failures else ("", "the run ended without a step")
        failed = {failure.step_key for failure in failures}
        judged = {one.asset_check_key for one in self._evaluations()}
        planned = [
            event.asset_check_planned_data.asset_check_key
            for event in self._events(dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED)
            if event.step_key in failed
        ]
        errored = len(set(planned) - judged)
        return Problem(
            "run",
            self.record.dagster_run.job_name,
            f"step {step}: {reason}" if step else reason,
            figures={"checks that could not be judged": errored} if errored else {},
            partition=partition,
            began=ended,
            cause=f"{step} {error}",
        )


def _reason(failure: dg.DagsterEvent) -> tuple[str, str]:
    """The error's class, and what may be told of it."""
    data = failure.step_failure_data
    said = data.user_failure_data
    if said is not None and "error" in said.metadata:
        name = str(said.metadata["error"].value)
        if name in _TOLD:
            return name, f"{name}: {plain(said.description or '')}"
        return name, f"{name}; the run's log has its message"
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    name = error.cls_name if error is not None and error.cls_name else "error"
    return name, f"{name}; the run's log has its message"
