"""How this package's errors end a Dagster step: with their reason, and retried where that helps."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from mediatool_assets.domain.errors import DamagedInput, MediatoolError, Misuse, Refused

RETRIES = dg.RetryPolicy(max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL)
"""For a server that does not answer for a moment; its client has tried for a while by then."""

EXIT_CODE = "exit_code"
"""The failure's metadata entry that holds the command line's exit code."""


@contextmanager
def explained() -> Iterator[None]:
    """Turn a MediatoolError into a Failure that says it all; what cannot change is not retried."""
    try:
        yield
    except MediatoolError as error:
        raise dg.Failure(
            description=str(error),
            metadata={EXIT_CODE: error.exit_code, "error": type(error).__name__},
            allow_retries=not isinstance(error, Misuse | DamagedInput | Refused),
        ) from error
