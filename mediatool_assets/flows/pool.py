"""The processes that flows spread their work over."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection


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
