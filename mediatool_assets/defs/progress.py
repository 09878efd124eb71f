"""Reports the progress of a step to the run's log and to the process that started the run."""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import BinaryIO

import dagster as dg

from mediatool_assets.domain.progress import ProgressReport, message_to_line
from mediatool_assets.flows.ports import Progress, silent

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
