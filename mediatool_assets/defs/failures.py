"""Turns this package's errors into failures of a Dagster step, with retries if they can help."""

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
    Refused,
)
from mediatool_assets.flows.export.origin import PastDay

PAUSES = (2.0, 6.0)
"""Seconds before a step is run again: for a server that does not answer for a moment, whose client
has tried for a while by then."""

EXIT_CODE = "exit_code"
"""The failure's metadata entry that holds the command line's exit code."""


REFUSED_TAG = "mediatool/refused"
"""The error by whose name a run was canceled that could not begin."""

ATTENDED: ContextVar[bool] = ContextVar("attended", default=False)
"""True if a user waits for the run at a terminal: an error is shown instead of hours of waiting."""

COLD_RETRIES = 3
"""How often a step waits for a copy out of cold storage, which may lie in several objects."""

_MARGIN_SECONDS = 6 * 3600  # what is left of a run after its wait: max_runtime_seconds of old


@contextmanager
def errors_as_failures() -> Iterator[None]:
    """Turn a MediatoolError into a Failure that says it all; what cannot change is not retried.

    A copy out of cold storage that is on its way is waited for: the step ends, its pool is free,
    and it is run again when the copy is there, unless somebody waits for the run.

    Where its day has nothing to work from, the step fails and its run is canceled: of a failed run,
    Dagster would show every asset and check as failed that it had planned.
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
    """``errors_as_failures``, in a step that is run again some seconds later where that helps.

    Not by a RetryPolicy: Dagster takes an interrupt for a failure that the policy retries, so that
    a run that was stopped, by Ctrl-C or in the UI, would go on.
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
    """Have the run that is at work end as canceled, once its step has failed."""
    context = current_execution_context.get()
    if context is not None:
        instance, run = context.instance, context.run
        instance.add_run_tags(run.run_id, {REFUSED_TAG: type(reason).__name__})
        instance.report_run_canceling(run, str(reason))


def _at(ready: datetime) -> dg.RetryRequested:
    """The step again at that time, in a run that is given so long."""
    seconds = max(1.0, (ready - datetime.now(UTC)).total_seconds())
    if (context := current_execution_context.get()) is not None:
        longest = {MAX_RUNTIME_SECONDS_TAG: str(int(seconds) + _MARGIN_SECONDS)}
        context.instance.add_run_tags(context.run.run_id, longest)
        context.log.warning(
            f"waits until {ready:%Y-%m-%d %H:%M} UTC for a copy out of cold storage"
        )
    return dg.RetryRequested(max_retries=COLD_RETRIES, seconds_to_wait=seconds)
