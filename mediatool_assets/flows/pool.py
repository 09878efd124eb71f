"""The processes that flows spread their work over."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from multiprocessing import connection
from typing import TypeVar

from mediatool_assets.domain.errors import CheckFailed

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def worker_pool(workers: int) -> Iterator[Executor]:
    """A pool of ``workers`` fresh processes; work that has not begun is dropped on an error.

    They are spawned, not forked: drivers' threads and sockets do not survive a fork. An interrupt
    is the coordinator's to answer, and workers whose coordinator was killed end themselves.
    """
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin
    )
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown(wait=True)


def in_order(
    executor: Executor, work: Callable[[T], R], items: Iterable[T], ahead: int
) -> Generator[R]:
    """What ``work`` gives for each item, in their order, done by workers up to ``ahead`` of it.

    ``items`` is drawn on as the results are. Close it (``contextlib.closing``): no work goes on
    after that, finished or failed. Raises what ``work`` raised, and CheckFailed for a dead worker.
    """
    source = iter(items)
    futures: deque[Future[R]] = deque()
    try:
        futures.extend(executor.submit(work, item) for item in islice(source, ahead))
        while futures:
            result = futures[0].result()
            futures.popleft()
            futures.extend(executor.submit(work, item) for item in islice(source, 1))
            yield result
    except BrokenExecutor as error:
        raise CheckFailed(
            "a worker process died, most often because memory ran out; nothing was published: "
            "see the system's log, set MEDIATOOL_WORKERS lower, and run again"
        ) from error
    finally:
        for future in futures:
            future.cancel()
        wait(futures)


def _begin() -> None:
    """Prepare a worker: leave Ctrl-C to the coordinator, and never outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """Wait for the coordinator's end, then leave at once: nothing here is worth keeping."""
    connection.wait([sentinel])
    os._exit(1)
