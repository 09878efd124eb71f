"""Reads new events of Dagster's instance for alerts: ended runs, checks, freshness.

Runs are read by their update time. Each tick also reads the last few minutes again, since another
host's clock may be slow. Runs that were already read are recognized by their id.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
import msgspec

from mediatool_assets.dagster_internals import (
    RUNLESS_RUN_ID,
    AssetCheckExecutionRecord,
    FreshnessState,
    PartitionKeyFilter,
)
from mediatool_assets.defs.alert_runs import EndedRun, checked
from mediatool_assets.defs.layers import is_on_time
from mediatool_assets.domain.alerts import Observations, Problem, Success

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
        failed = FreshnessState.FAIL
        late = [k for k in keys if k in states and states[k].freshness_state is failed]
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

    def _on_time(self) -> Iterator[AssetCheckExecutionRecord]:
        """The sensors' last results of the day's checks, one of each source.

        Results from runs are read with the runs.
        """
        today = PartitionKeyFilter(key=self.now.date().isoformat())
        for key in filter(is_on_time, self.repository.asset_graph.asset_check_keys):
            found = self.instance.event_log_storage.get_asset_check_execution_history(
                key, _FOUND, partition_filter=today
            )
            yield from [record for record in found if record.run_id == RUNLESS_RUN_ID][:1]


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
