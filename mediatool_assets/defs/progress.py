"""Progress of a step, for the run's log and for the process that started the run."""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import BinaryIO

import dagster as dg

from mediatool_assets.domain.progress import ProgressReport, encode
from mediatool_assets.flows.ports import Progress, silent

_LOG_SECONDS = 10.0  # an event in Dagster's log costs a round trip or two to its database
_REPORT_SECONDS = 0.1  # a person cannot read faster

WATCHER: ContextVar[Progress] = ContextVar("watcher", default=silent)
"""Receives the progress of the run in this process; the run's log gets it too."""


@dataclass(slots=True)
class LoggedProgress:
    """A Progress that writes to the run's log, at most every ten seconds, and tells the watcher."""

    context: dg.AssetExecutionContext | dg.OpExecutionContext
    _watcher: Progress = field(default_factory=WATCHER.get)
    _last: float = field(default_factory=time.monotonic)

    def __call__(self, step: str, done: int, total: int, unit: str = "rows") -> None:
        """``done`` of ``total`` of ``step`` are through."""
        self._watcher(step, done, total, unit)
        now = time.monotonic()
        if now - self._last >= _LOG_SECONDS:
            self._last = now
            self.context.log.info(f"{step}: {done:,} of {total:,} {unit}")


@dataclass(slots=True)
class RunReporter:
    """A Progress that writes a line of JSON for each report, for the process at the other end.

    ``step_began`` prefixes what follows with the name of Dagster's step. Nobody need listen.
    """

    out: BinaryIO
    _step: str = ""
    _last: float = 0.0

    def __call__(self, step: str, done: int, total: int, unit: str = "rows") -> None:
        """Write it, unless another one was written just before."""
        now = time.monotonic()
        if now - self._last >= _REPORT_SECONDS or done == total:
            self._last = now
            name = step if step in ("", self._step) else f"{self._step}: {step}"
            self._write(ProgressReport(name, done, total, unit))

    def step_began(self, entry: dg.EventLogEntry) -> None:
        """Tell of a step of the run; a listener of Dagster's instance."""
        event = entry.dagster_event
        if event is not None and event.event_type is dg.DagsterEventType.STEP_START:
            self._step = event.step_key or ""
            self._write(ProgressReport(self._step))

    def _write(self, report: ProgressReport) -> None:
        try:
            self.out.write(encode(report))
            self.out.flush()
        except BrokenPipeError:  # the run is interrupted in another way, and cleans up
            return


def report_steps(instance: dg.DagsterInstance, run_id: str) -> None:
    """Have the watcher told of each step of the run that begins in this process."""
    watcher = WATCHER.get()
    if isinstance(watcher, RunReporter):
        instance.add_event_listener(run_id, watcher.step_began)
