"""Turns this package's errors into failures of a Dagster step, with retries if they may help."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

import dagster as dg
from dagster import MAX_RUNTIME_SECONDS_TAG

from mediatool_assets.dagster_internals import current_execution_context
from mediatool_assets.domain.errors import (
    DamagedInput,
    InColdStorage,
    MediatoolError,
    Misuse,
    NothingOfDay,
    PastDay,
    Refused,
)

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
        context = current_execution_context.get()
        if not failure.allow_retries or context is None:
            raise
        pause = PAUSES[min(context.retry_number, len(PAUSES) - 1)]
        raise dg.RetryRequested(max_retries=len(PAUSES), seconds_to_wait=pause) from failure


def _cancel(reason: MediatoolError) -> None:
    """Have the current run end as canceled, once its step has failed."""
    context = current_execution_context.get()
    if context is not None:
        instance, run = context.instance, context.run
        instance.add_run_tags(run.run_id, {REFUSED_TAG: type(reason).__name__})
        instance.report_run_canceling(run, str(reason))


def _at(ready: datetime) -> dg.RetryRequested:
    """Request the step again at that time, and extend the run's time limit."""
    seconds = max(1.0, (ready - datetime.now(UTC)).total_seconds())
    if (context := current_execution_context.get()) is not None:
        longest = {MAX_RUNTIME_SECONDS_TAG: str(int(seconds) + _MARGIN_SECONDS)}
        context.instance.add_run_tags(context.run.run_id, longest)
        context.log.warning(f"waits until {ready:%Y-%m-%d %H:%M} UTC for a copy from cold storage")
    return dg.RetryRequested(max_retries=COLD_RETRIES, seconds_to_wait=seconds)
