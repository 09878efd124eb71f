"""Submits shares to an executor and returns their results in order, or the first failure."""

import errno
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from mediatool_assets.domain.errors import OutOfResources

Share = TypeVar("Share")
Result = TypeVar("Result")


@contextmanager
def in_order(
    executor: Executor,
    work: Callable[[Share], Result],
    shares: Iterable[Share],
    *,
    ahead: int | None = None,
) -> Iterator[Iterator[Result]]:
    """Yield the results of ``work`` on every share, in the order of the shares.

    Workers are at most ``ahead`` shares ahead of the next result; by default all shares are
    submitted at once. At the end of the context, pending shares are cancelled and running ones are
    waited for. Raises the errors of ``work``, or OutOfResources if a worker process died or the
    disk is full.
    """
    futures: deque[Future[Result]] = deque()
    waiting = iter(shares)
    try:
        futures.extend(executor.submit(work, share) for share in islice(waiting, ahead))
        yield _results(executor, work, waiting, futures)
    except BrokenExecutor as error:
        raise OutOfResources(
            "a worker process died, most often because memory ran out; nothing was published: "
            "look at the system's log, set MEDIATOOL_WORKERS lower, and run again"
        ) from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise OutOfResources(
            f"no space is left for temporary files in {tempfile.gettempdir()}; nothing was "
            "published: free space there, or point TMPDIR at a larger disk, and run again"
        ) from error
    finally:
        wait([future for future in futures if not future.cancel()])


def _results(
    executor: Executor,
    work: Callable[[Share], Result],
    shares: Iterator[Share],
    futures: deque[Future[Result]],
) -> Iterator[Result]:
    """Keep ``futures`` filled, and yield results from its left end as they complete."""
    while futures:
        result = futures[0].result()
        futures.popleft()
        futures.extend(executor.submit(work, share) for share in islice(shares, 1))
        yield result
