"""The worker processes of flows."""

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from importlib.abc import MetaPathFinder
from multiprocessing import connection, forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from types import ModuleType
from typing import Any

from mediatool_assets.domain.masking.key import MaskingKey
from mediatool_assets.domain.settings.workers import DaskCluster
from mediatool_assets.domain.urls import Url
from mediatool_assets.flows.workers.cluster import dask_cluster
from mediatool_assets.flows.workers.memory_arenas import keep_heaps_few

# Secrets may be pickled only for the pipes between a process and its own workers.
ForkingPickler.register(Url, lambda url: (Url, (url.reveal(), url.variable)))
ForkingPickler.register(MaskingKey, lambda key: (MaskingKey, (key.secret,)))


def worker_pool(
    workers: int, cluster: DaskCluster | None = None
) -> AbstractContextManager[Executor]:
    """Start ``workers`` processes on this machine, or use those of a Dask cluster."""
    keep_heaps_few()
    return _local(workers) if cluster is None else dask_cluster(cluster)


def begin_imports() -> None:
    """Start the process that workers are forked from, which imports our modules meanwhile."""
    _context()
    forkserver.ensure_running()


@contextmanager
def _local(workers: int) -> Iterator[Executor]:
    """A pool of ``workers`` new processes; pending work is dropped after an error.

    They are forked from a server process that has imported our modules and done nothing else. This
    process cannot be forked, since drivers' threads and sockets do not survive it, and a new
    interpreter would need half a second for imports. Workers leave interrupts to the coordinator,
    and end when it is killed.
    """
    pool = ProcessPoolExecutor(workers, _context(), _begin, (dict(os.environ),))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown(wait=True)


_OURS = tuple(f"mediatool_assets.{floor}." for floor in ("domain", "archive", "stores", "flows"))
"""Modules that workers may need, without the command line and Dagster."""

_READERS = "mediatool_assets.flows.query."
"""Modules that no worker needs: they import pandas."""


class _Worker(ForkServerProcess):
    """A process that does not import the main module of the program that started it.

    By default the child imports the parent's main module, for functions defined there. Our
    functions are in other modules, and the main module may be Dagster: it would cost seconds and
    150 MB per worker.
    """

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:  # noqa: N802  # multiprocessing's own name
        program = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            return ForkServerProcess._Popen(process_obj)
        finally:
            sys.modules["__main__"] = program


class _Context(ForkServerContext):
    Process = _Worker


def _context() -> _Context:
    """The context in which workers start, with our modules that are loaded now."""
    context = _Context()
    context.set_forkserver_preload(
        [name for name in sys.modules if name.startswith(_OURS) and not name.startswith(_READERS)]
    )
    return context


class _NoPandas(MetaPathFinder):
    """Hides pandas: Arrow imports it to convert a list, which costs 0.4 s and 40 MB per worker."""

    def find_spec(self, name: str, *_: object) -> None:
        """Make an import of pandas fail, as if it were not installed."""
        if name == "pandas":
            raise ModuleNotFoundError("workers do without pandas", name=name)


_ALLOCATIONS = 20_000
"""Allocations between two cycle collections: rows have no cycles, and each scans all objects."""


def _begin(environment: dict[str, str]) -> None:
    """Prepare a worker: it ignores Ctrl-C, and ends with the coordinator.

    The server process that it was forked from has the environment of the first pool.
    """
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.meta_path.insert(0, _NoPandas())
    gc.set_threshold(_ALLOCATIONS, 20, 20)
    keep_heaps_few()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """Wait for the coordinator's end, then exit at once, without cleanup."""
    connection.wait([sentinel])
    os._exit(1)
