"""Runs: their version, their process, their progress, and their failures.

The version of a run, in the run's tags: a run and all its retries have the same version.

``mediatool/version`` names the version. The tag is set by the launcher of the run, or by the first
step that needs it, so that steps in other processes, retries and people find it.

Finds runs whose process was killed; Dagster's launcher leaves them as started forever.

Such a run would block its partition and its pools for every other run. Steps record their process
in a run tag. If that process is gone, the run is reported as failed, and Dagster retries it.

Reports the progress of a step to the run's log and to the process that started the run.

Turns this package's errors into failures of a Dagster step, with retries if they may help.
"""

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, cast, get_args

import dagster as dg
import psutil
from dagster import MAX_RUNTIME_SECONDS_TAG

from mediatool_assets.core.errors import (
    DamagedInput,
    InColdStorage,
    MediatoolError,
    Misuse,
    NotFound,
    NothingOfDay,
    PastDay,
    Refused,
)
from mediatool_assets.core.metadata import Purpose
from mediatool_assets.core.outcomes import ProgressReport, message_to_line
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.orchestration import PLAIN, Namespace, namespace_of
from mediatool_assets.stores.ports import ObjectStore, Progress, silent
from mediatool_assets.versions import catalog

PROCESS_TAG = "mediatool/process"

_SECONDS_APART = 5  # psutil adds a process's age to the boot time, which shifts with the clock
_AT_WORK = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def this_process() -> str:
    """A unique name of this process: ``host pid start``, the start in seconds."""
    pid = os.getpid()
    return f"{socket.gethostname()} {pid} {int(psutil.Process(pid).create_time())}"


def record_process(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Tag the run with its current process, unless it is tagged already."""
    if run.tags.get(PROCESS_TAG) != (process := this_process()):
        instance.add_run_tags(run.run_id, {PROCESS_TAG: process})


def release_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fail the runs of this host whose process is gone, free their pools, and return their ids."""
    dead = [
        run
        for run in _runs(instance, dg.RunsFilter(statuses=_AT_WORK))
        if _is_dead(run.tags.get(PROCESS_TAG, "")) and not _inherited(instance, run)
    ]
    for run in dead:
        instance.report_run_failed(
            run, "The run's process is gone: it was killed, or the host stopped."
        )
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in dead]


def _runs(instance: dg.DagsterInstance, wanted: dg.RunsFilter) -> list[dg.DagsterRun]:
    """The runs of the filter, newest first."""
    return [record.dagster_run for record in instance.get_run_records(wanted)]


def _inherited(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """True if the process is that of the run that this one retries: Dagster copies its tags.

    Before its first step a run has no known process; ``run_monitoring`` ends it later.
    """
    parent = instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None
    return parent is not None and parent.tags.get(PROCESS_TAG) == run.tags.get(PROCESS_TAG)


def _is_dead(process: str) -> bool:
    """True if the process ran on this host and has ended; unknown for other hosts."""
    host, _, rest = process.partition(" ")
    if host != socket.gethostname():
        return False
    pid, _, started = rest.partition(" ")
    try:
        apart = psutil.Process(int(pid)).create_time() - int(started)
    except psutil.NoSuchProcess:
        return True
    return abs(apart) > _SECONDS_APART


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Marks runs whose process was killed as failed, so that their partition is free.",
)
def dead_run_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Release dead runs. It launches nothing, since Dagster retries failed runs itself."""
    released = release_dead_runs(context.instance)
    return dg.SkipReason(f"released {', '.join(released)}" if released else "no dead run")


VERSION_TAG = "mediatool/version"
PURPOSE_TAG = "mediatool/purpose"
NOTES_TAG = "mediatool/notes"


@dataclass(frozen=True, slots=True)
class VersionRequest:
    """What a version is made for: its purpose and notes."""

    purpose: Purpose
    notes: str


@dataclass(frozen=True, slots=True)
class RunVersion:
    """Finds the version of one run of one partition, and pins it to the run."""

    instance: dg.DagsterInstance
    run: dg.DagsterRun
    partition: str
    names: Namespace = PLAIN

    @classmethod
    def of(cls, context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> "RunVersion":
        """Build it for the run of a step, and record the process that runs the step."""
        record_process(context.instance, context.run)
        return cls(context.instance, context.run, context.partition_key, namespace_of(context))

    def named(self) -> Version | None:
        """The version in the tags of the run or its root; raises Misuse if it is of another day."""
        text = self._tag(self.names.tag(VERSION_TAG))
        if text is None:
            return None
        version = Version.parse(text)
        if version.partition != self.partition:
            raise Misuse(
                f"version {version} belongs to partition {version.partition}, and the run is of "
                f"{self.partition}; launch it for {version.partition}, or change "
                f"{self.names.tag(VERSION_TAG)}"
            )
        return version

    def to_make(self, objects: ObjectStore) -> Version:
        """The version for an export: the named one, else that of the root run's creation time.

        If another run already uses that second, it is the next free one.
        """
        if (version := self.named()) is not None:
            return version
        version = Version.at(self._created())
        while self._runs_of(version) or objects.head(archive_key("raw", version)) is not None:
            version = Version(version.moment + timedelta(seconds=1))
        return self.pin(version)

    def to_read(self, objects: ObjectStore) -> Version:
        """The version for a downstream step: the named one, else the partition's newest complete
        one.

        Raises NothingOfDay if the partition has none.
        """
        if (version := self.named()) is not None:
            return version
        try:
            return self.pin(catalog.latest(objects, self.partition).version)
        except NotFound as error:
            raise NothingOfDay(
                f"partition {self.partition} has no complete version to work from; materialize all "
                f"its layers, or name an unfinished version with the run tag "
                f"{self.names.tag(VERSION_TAG)}"
            ) from error

    def keep(self, request: VersionRequest) -> None:
        """Store the request in the run's tags, unless an earlier run of the version did."""
        version = self.named()
        if version is not None and self._asked(version) is None:
            tags = {PURPOSE_TAG: request.purpose, NOTES_TAG: request.notes}
            own = {self.names.tag(tag): value for tag, value in tags.items()}
            self.instance.add_run_tags(self.run.run_id, own)

    def request(self, version: Version) -> VersionRequest:
        """The request of a version, from the first of its runs that has one.

        A version without any remaining run counts as a daily backup, which is kept longest.
        """
        return self._asked(version) or VersionRequest("daily_backup", "")

    def asked(self) -> VersionRequest | None:
        """The request in this run's own tags; raises Misuse on an unknown purpose."""
        return self._request(self.run.tags)

    def seconds(self, version: Version) -> dict[str, float]:
        """Seconds of each step's first success, over all runs of the version."""
        seconds: dict[str, float] = {}
        for run in reversed(self._runs_of(version)):
            for step in self.instance.get_run_step_stats(run.run_id):
                if (
                    step.status is not None
                    and step.status.value == "SUCCESS"
                    and step.start_time
                    and step.end_time
                ):
                    seconds.setdefault(step.step_key, round(step.end_time - step.start_time, 3))
        return seconds

    def _asked(self, version: Version) -> VersionRequest | None:
        runs = reversed(self._runs_of(version))
        return next((found for run in runs if (found := self._request(run.tags))), None)

    def _runs_of(self, version: Version) -> list[dg.DagsterRun]:
        """The runs that are tagged with the version, newest first."""
        tags = {self.names.tag(VERSION_TAG): str(version)}
        return _runs(self.instance, dg.RunsFilter(tags=tags))

    def _tag(self, name: str) -> str | None:
        """The current value of the tag on the run, else on its root."""
        for run_id in (self.run.run_id, self.run.root_run_id):
            run = self.instance.get_run_by_id(run_id) if run_id else None
            if run is not None and (value := run.tags.get(name)):
                return value
        return None

    def _created(self) -> datetime:
        for run_id in (self.run.root_run_id, self.run.run_id):
            record = self.instance.get_run_record_by_id(run_id) if run_id else None
            if record is not None:
                return record.create_timestamp
        return datetime.now(UTC)

    def pin(self, version: Version) -> Version:
        """Make it the version of the run and its root, for later steps and retries."""
        for run_id in (self.run.run_id, self.run.root_run_id):
            if run_id and self.instance.get_run_record_by_id(run_id) is not None:
                tags = {self.names.tag(VERSION_TAG): str(version)}
                self.instance.add_run_tags(run_id, tags)
        return version

    def _request(self, tags: Mapping[str, str]) -> VersionRequest | None:
        """The request in the tags of a run, or None."""
        tag = self.names.tag(PURPOSE_TAG)
        purpose = tags.get(tag)
        if purpose is None:
            return None
        if purpose not in get_args(Purpose):
            known = " or ".join(get_args(Purpose))
            raise Misuse(f"the run tag {tag} is {purpose!r}; write {known}")
        return VersionRequest(cast(Purpose, purpose), tags.get(self.names.tag(NOTES_TAG), ""))


_LOG_SECONDS = 10.0  # an event in Dagster's log costs a round trip or two to its database
_REPORT_SECONDS = 0.1  # a person cannot read faster

WATCHER: ContextVar[Progress] = ContextVar("watcher", default=silent)
"""Receives the progress of the run in this process; the run's log gets it too."""


@dataclass(slots=True)
class LoggedProgress:
    """A Progress that writes to the run's log every ten seconds, and to the watcher always."""

    context: dg.AssetExecutionContext | dg.OpExecutionContext
    _watcher: Progress = field(default_factory=WATCHER.get)
    _last: float = field(default_factory=time.monotonic)

    def __call__(self, step: str, done: int, total: int, unit: str = "rows") -> None:
        """Report that ``done`` of ``total`` units of ``step`` are done."""
        self._watcher(step, done, total, unit)
        now = time.monotonic()
        if now - self._last >= _LOG_SECONDS:
            self._last = now
            self.context.log.info(f"{step}: {done:,} of {total:,} {unit}")


@dataclass(slots=True)
class RunReporter:
    """A Progress that writes one line of JSON per report, for the process that reads the pipe.

    ``step_began`` sets the prefix, the name of Dagster's step. It works without a reader too.
    """

    out: BinaryIO
    _step: str = ""
    _last: float = 0.0

    def __call__(self, step: str, done: int, total: int, unit: str = "rows") -> None:
        """Write the report, unless another was written within the last tenth of a second."""
        now = time.monotonic()
        if now - self._last >= _REPORT_SECONDS or done == total:
            self._last = now
            name = step if step in ("", self._step) else f"{self._step}: {step}"
            self._write(ProgressReport(name, done, total, unit))

    def step_began(self, entry: dg.EventLogEntry) -> None:
        """Report that a step of the run began; called by Dagster's instance for each event."""
        event = entry.dagster_event
        if event is not None and event.event_type is dg.DagsterEventType.STEP_START:
            self._step = event.step_key or ""
            self._write(ProgressReport(self._step))

    def _write(self, report: ProgressReport) -> None:
        try:
            self.out.write(message_to_line(report))
            self.out.flush()
        except BrokenPipeError:  # the run is interrupted by a signal, and cleans up
            return


def report_steps(instance: dg.DagsterInstance, run_id: str) -> None:
    """Report each step of the run that begins in this process to the watcher."""
    watcher = WATCHER.get()
    if isinstance(watcher, RunReporter):
        instance.add_event_listener(run_id, watcher.step_began)


PAUSES = (2.0, 6.0)
"""Seconds before a step is retried, for a short outage of a server; by then the client has retried
for a while itself."""

EXIT_CODE = "exit_code"
"""The failure's metadata entry that holds the command line's exit code."""


REFUSED_TAG = "mediatool/refused"
"""The tag with the name of the error that canceled a run before it could begin."""

ATTENDED: ContextVar[bool] = ContextVar("attended", default=False)
"""True if a user waits for the run at a terminal: an error is then shown instead of a long wait."""

COLD_RETRIES = 3
"""How often a step waits for copies out of cold storage; it may need several objects."""

_MARGIN_SECONDS = 6 * 3600  # time for the run after its wait, as in max_runtime_seconds


@contextmanager
def errors_as_failures() -> Iterator[None]:
    """Turn a MediatoolError into a Failure with the full message; permanent errors are not retried.

    If a copy out of cold storage was requested, the step ends, so that its pool is free, and is run
    again when the copy is ready, unless a user waits for the run.

    If the day has no data to work from, the step fails and its run is canceled. Dagster would show
    every planned asset and check of a failed run as failed.
    """
    try:
        yield
    except MediatoolError as error:
        failure = dg.Failure(
            description=str(error),
            metadata={EXIT_CODE: error.exit_code, "error": type(error).__name__},
            allow_retries=not isinstance(error, Misuse | DamagedInput | Refused),
        )
        if isinstance(error, InColdStorage) and error.ready and not ATTENDED.get():
            raise _at(error.ready) from failure
        if isinstance(error, PastDay | NothingOfDay):
            _cancel(error)
        raise failure from error


@contextmanager
def retried() -> Iterator[None]:
    """``errors_as_failures``, and retry the step some seconds later if that may help.

    This does not use a RetryPolicy: Dagster treats an interrupt as a failure that the policy
    retries, so that a run that was stopped, by Ctrl-C or in the UI, would continue.
    """
    try:
        with errors_as_failures():
            yield
    except dg.Failure as failure:
        context = _step()
        if not failure.allow_retries or context is None:
            raise
        pause = PAUSES[min(context.retry_number, len(PAUSES) - 1)]
        raise dg.RetryRequested(max_retries=len(PAUSES), seconds_to_wait=pause) from failure


def _step() -> dg.OpExecutionContext | None:
    """The context of the step that runs here; None outside of a run."""
    try:
        return dg.OpExecutionContext.get()
    except dg.DagsterInvariantViolationError:
        return None


def _cancel(reason: MediatoolError) -> None:
    """Have the current run end as canceled, once its step has failed."""
    context = _step()
    if context is not None:
        instance, run = context.instance, context.run
        instance.add_run_tags(run.run_id, {REFUSED_TAG: type(reason).__name__})
        instance.report_run_canceling(run, str(reason))


def _at(ready: datetime) -> dg.RetryRequested:
    """Request the step again at that time, and extend the run's time limit."""
    seconds = max(1.0, (ready - datetime.now(UTC)).total_seconds())
    if (context := _step()) is not None:
        longest = {MAX_RUNTIME_SECONDS_TAG: str(int(seconds) + _MARGIN_SECONDS)}
        context.instance.add_run_tags(context.run.run_id, longest)
        context.log.warning(f"waits until {ready:%Y-%m-%d %H:%M} UTC for a copy from cold storage")
    return dg.RetryRequested(max_retries=COLD_RETRIES, seconds_to_wait=seconds)
