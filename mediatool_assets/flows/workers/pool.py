"""The processes that flows spread their work over."""

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
from multiprocessing import connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from types import ModuleType
from typing import Any

from mediatool_assets.domain.masking.key import MaskingKey
from mediatool_assets.domain.settings import DaskCluster
from mediatool_assets.domain.urls import Url
from mediatool_assets.flows.workers.cluster import dask_cluster
from mediatool_assets.flows.workers.memory_arenas import keep_heaps_few

# Secrets go through the pipes of a process to its own workers, and into no other pickle.
ForkingPickler.register(Url, lambda url: (Url, (url.reveal(), url.variable)))
ForkingPickler.register(MaskingKey, lambda key: (MaskingKey, (key.secret,)))


def worker_pool(
    workers: int, cluster: DaskCluster | None = None
) -> AbstractContextManager[Executor]:
    """``workers`` processes of this machine, or those of a Dask cluster."""
    keep_heaps_few()
    return _local(workers) if cluster is None else dask_cluster(cluster)


@contextmanager
def _local(workers: int) -> Iterator[Executor]:
    """A pool of ``workers`` fresh processes; work that has not begun is dropped on an error.

    They are forked from a process that has imported what this one has of ours and done nothing:
    drivers' threads and sockets do not survive a fork of this one, and a fresh interpreter takes
    half a second to import them. An interrupt is the coordinator's to answer, and workers whose
    coordinator was killed end themselves.
    """
    context = _Context()
    context.set_forkserver_preload([name for name in sys.modules if name.startswith(_OURS)])
    pool = ProcessPoolExecutor(workers, context, _begin, (dict(os.environ),))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown(wait=True)


_OURS = tuple(f"mediatool_assets.{floor}." for floor in ("domain", "archive", "stores", "flows"))
"""What workers may need; the command line and Dagster are not among it."""


class _Worker(ForkServerProcess):
    """A process that does not import the program which started it.

    By default the child runs the parent's main module again, for functions defined there. Ours are
    in modules, and the main module may be Dagster: seconds and 150 MB a worker, for nothing.
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


class _NoPandas(MetaPathFinder):
    """Arrow looks for pandas when it is given a list: 0.4 s and 40 MB a worker, for nothing."""

    def find_spec(self, name: str, *_: object) -> None:
        """Have an import of pandas fail, as where it is not installed."""
        if name == "pandas":
            raise ModuleNotFoundError("workers do without pandas", name=name)


_ALLOCATIONS = 20_000
"""From one search for cycles to the next: rows have none, and each search walks what is kept."""


def _begin(environment: dict[str, str]) -> None:
    """Prepare a worker: leave Ctrl-C to the coordinator, and never outlive it.

    The process that it was forked from has the environment of the first pool's time.
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
    """Wait for the coordinator's end, then leave at once: nothing here is worth keeping."""
    connection.wait([sentinel])
    os._exit(1)
