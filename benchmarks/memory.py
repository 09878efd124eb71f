"""The peak memory of this process and all of its workers, sampled while a step runs."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import thread_time

import psutil

_EVERY = 0.1  # seconds between samples: workers hold their batches longer than that
_SHARE = 10  # a sample reads the page tables: at most a tenth of one core's time goes to it


@dataclass
class Peak:
    """The most that was seen, in bytes: pages shared between processes count once."""

    bytes: int = 0


@contextmanager
def peak_memory(but: Iterable[int]) -> Iterator[Peak]:
    """Sample this process and its descendants but ``but``, the servers' among them, and theirs.

    This process may be one of ``but`` itself: its descendants are sampled all the same.
    """
    peak, done, others = Peak(), threading.Event(), frozenset(but)

    def sample() -> None:
        took = 0.0
        while not done.wait(max(_EVERY, _SHARE * took)):
            start = thread_time()
            peak.bytes = max(peak.bytes, sum(map(_bytes, _family(others))))
            took = thread_time() - start

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _family(others: frozenset[int]) -> Iterator[psutil.Process]:
    waiting = [psutil.Process(os.getpid())]
    while waiting:
        process = waiting.pop()
        if process.pid not in others:
            yield process
        try:
            waiting.extend(child for child in process.children() if child.pid not in others)
        except psutil.NoSuchProcess:
            continue  # it ended between two samples


def _bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0  # it ended between two samples
