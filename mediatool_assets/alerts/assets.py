"""The problems and successes of one ended run: its steps, checks and warnings.

Texts from the log are filtered by ``domain.alerts.without_private_data``. Messages of errors that
may quote a row are not used.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from mediatool_assets.dagster_internals import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG
from mediatool_assets.defs.failures import REFUSED_TAG
from mediatool_assets.defs.layers import METADATA, is_on_time, shown
from mediatool_assets.defs.namespace import PLAIN, Namespace
from mediatool_assets.defs.reports import report_asset
from mediatool_assets.defs.runs import VERSION_TAG
from mediatool_assets.domain.alerts import (
    Kind,
    Observations,
    Problem,
    Success,
    without_private_data,
    wording,
)
from mediatool_assets.domain.keys import REPORTS

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
