"""Work handed to an executor: in order, bounded, and never left running."""

import errno
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mediatool_assets.core.errors import BadValue, CheckFailed
from mediatool_assets.work import in_order, worker_pool
from mediatool_assets.work.scratch import Workspace


def test_results_come_in_the_order_of_the_shares(pool: Workspace) -> None:
    """Whatever ends first."""
    with in_order(pool.executor, abs, range(-50, 0)) as results:
        assert list(results) == list(range(50, 0, -1))


def test_workers_are_no_further_ahead_than_allowed() -> None:
    """Shares are drawn on as results are taken."""
    drawn: list[int] = []

    def shares() -> Iterator[int]:
        for share in range(10):
            drawn.append(share)
            yield share

    with ThreadPoolExecutor(2) as executor, in_order(executor, abs, shares(), ahead=3) as results:
        assert next(results) == 0
        assert drawn == [0, 1, 2, 3]
        assert list(results) == list(range(1, 10))


def test_nothing_runs_after_a_failure() -> None:
    """The first failure comes through when what had begun has ended; the rest never begins."""
    begun, failed = [], threading.Event()

    def work(share: int) -> None:
        begun.append(share)
        if share == 0:
            failed.set()
            raise ValueError
        failed.wait()

    with ThreadPoolExecutor(1) as executor:
        with pytest.raises(ValueError), in_order(executor, work, range(100)) as results:
            list(results)
        count = len(begun)
        executor.submit(int).result()
        assert len(begun) == count < 100


def _refuse(share: int) -> None:
    raise BadValue("campaigns", share, "budget", "x", "is no number")


def test_an_error_of_ours_crosses_processes(pool: Workspace) -> None:
    """Kind and message are those that the worker raised."""
    refused = pytest.raises(BadValue, match="campaigns 7: column budget")
    with refused, in_order(pool.executor, _refuse, [7]) as results:
        list(results)


def _die(share: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_a_failed_check() -> None:
    """The message says what to look at and what to change."""
    failed = pytest.raises(CheckFailed, match="MEDIATOOL_WORKERS lower")
    with worker_pool(1) as mortals, failed, in_order(mortals, _die, [1]) as results:
        list(results)


def _fill(_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told_of_with_the_place_and_the_step(pool: Workspace) -> None:
    """In one line, whichever process met it."""
    with (
        pytest.raises(CheckFailed, match="point TMPDIR at a larger disk"),
        in_order(pool.executor, _fill, [1]) as results,
    ):
        list(results)
