"""Work handed to an executor: every share of it in order, or the first failure in peace."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, wait
from contextlib import contextmanager
from typing import TypeVar

from mediatool_assets.domain.errors import CheckFailed

Share = TypeVar("Share")
Result = TypeVar("Result")


@contextmanager
def in_order(
    executor: Executor, work: Callable[[Share], Result], shares: Iterable[Share]
) -> Iterator[Iterator[Result]]:
    """The results of ``work`` on every share, in the order of the shares, as they come.

    When the context is left, nothing of it runs any more: what had not begun is cancelled, what had
    is waited for. Raises what ``work`` raised, or CheckFailed where a worker process died.
    """
    futures = [executor.submit(work, share) for share in shares]
    try:
        yield (future.result() for future in futures)
    except BrokenExecutor as error:
        raise CheckFailed(
            "a worker process died, perhaps killed for its memory; nothing was published, "
            "run the step again, with a smaller MEDIATOOL_WORKERS if it returns"
        ) from error
    finally:
        wait([future for future in futures if not future.cancel()])
