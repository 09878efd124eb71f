"""Worker processes on this machine or in a Dask cluster, and the results of their shares in order.

The worker processes of flows.

A Dask cluster in place of local worker processes: the same shares, on more machines.

Limits the number of heaps of the C library to that of active threads.

Submits shares to an executor and returns their results in order, or the first failure.

Splits a large collection into ranges of ``_id``, for several workers.
"""

import copyreg
import ctypes
import errno
import gc
import io
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from itertools import islice
from multiprocessing import connection, forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

from mediatool_assets.core.errors import BadSettings, CheckFailed, OutOfResources, Unreachable
from mediatool_assets.core.settings import DaskCluster
from mediatool_assets.core.signing import MaskingKey
from mediatool_assets.core.texts import Url
from mediatool_assets.stores.ports import DocumentStore

P = ParamSpec("P")
Result = TypeVar("Result")

_TRIES = 2
"""Retries of a share on other workers after its worker was lost; shares can be repeated."""

_PATIENCE = 10  # seconds for the scheduler to answer


class RemoteExecutor(Executor):
    """An executor whose workers share no disk with the coordinator or with each other."""

    def __init__(self, workers: Executor) -> None:
        self._workers = workers

    def submit(
        self, work: Callable[P, Result], /, *arguments: P.args, **named: P.kwargs
    ) -> Future[Result]:
        """Submit one call, without the secrets in its arguments.

        The scheduler and the network see a pickle in which secrets are names of the workers' own
        settings.
        """
        return self._workers.submit(_call, pickled_call((work, arguments, named)))


def pickled_call(call: object) -> bytes:
    """Pickle a call; a secret becomes the name of the setting that each worker has."""
    out = io.BytesIO()
    _Pickler(out).dump(call)
    return out.getvalue()


class _Pickler(pickle.Pickler):
    dispatch_table = copyreg.dispatch_table | {
        Url: lambda url: (_own_url, (_named(url), url.hosts, url.database)),
        MaskingKey: lambda key: (_own_key, (key.id,)),
    }


def _named(url: Url) -> str:
    if url.variable is None:
        raise BadSettings([f"{url} is not from a setting; Dask workers use only settings"])
    return url.variable


def _call(call: bytes) -> Any:
    """On a worker: execute a submitted call."""
    work, arguments, named = pickle.loads(call)  # noqa: S301  # as Dask itself does
    return work(*arguments, **named)


def _own_url(variable: str, hosts: str, database: str) -> Url:
    """On a worker: return its own URL of the coordinator's server."""
    found = Url(_own(variable), variable)
    if found.hosts != hosts:
        raise BadSettings(
            [
                f"{variable} is {found.hosts} on the Dask worker and {hosts} on the coordinator; "
                "set both to the same server"
            ]
        )
    return found if found.database == database else found.to(database)


def _own_key(identity: str) -> MaskingKey:
    """On a worker: return its own masking key, which must equal the coordinator's."""
    found = MaskingKey.parse(_own("MEDIATOOL_MASKING_KEY"))
    if found.id != identity:
        raise BadSettings(
            ["MEDIATOOL_MASKING_KEY of a Dask worker is not the coordinator's; set the same key"]
        )
    return found


def _own(variable: str) -> str:
    text = os.environ.get(variable, "").strip()
    if not text:
        raise BadSettings([f"{variable} is not set in the environment of a Dask worker"])
    return text


@contextmanager
def dask_cluster(cluster: DaskCluster) -> Iterator[Executor]:
    """Provide the workers of the cluster as an executor; they outlive the context.

    Each worker needs this package with its extra ``dask``, one thread, access to the servers, and
    in its own environment their URLs and AWS's credentials. Results for others go through the
    bucket. A share whose worker is lost is repeated on another worker. Raises BadSettings (the
    extra is missing), Unreachable, and CheckFailed if every worker that a share was given to was
    lost.
    """
    try:
        from distributed import Client, KilledWorker, Security  # noqa: PLC0415  # an extra, slow
    except ImportError as error:
        raise BadSettings(
            [f"MEDIATOOL_DASK_SCHEDULER needs pip install 'mediatool_assets[dask]' ({error})"]
        ) from error
    files = {
        "tls_ca_file": cluster.ca,
        "tls_client_cert": cluster.cert,
        "tls_client_key": cluster.key,
    }
    encrypted = Security(  # type: ignore[no-untyped-call]  # distributed has types in part
        require_encryption=cluster.ca is not None,
        **{name: str(path) for name, path in files.items() if path is not None},
    )
    try:
        client = Client(  # type: ignore[no-untyped-call]  # as above
            cluster.scheduler,
            set_as_default=False,
            timeout=_PATIENCE,
            security=encrypted,
        )
    except (OSError, ValueError) as error:
        raise Unreachable(
            f"no Dask scheduler answers at {cluster.scheduler} (MEDIATOOL_DASK_SCHEDULER): "
            f"{error}; start one with `dask scheduler`, or unset it"
        ) from error
    with client:
        try:
            workers = client.get_executor(  # type: ignore[no-untyped-call]  # as above
                pure=False, retries=_TRIES
            )
            yield RemoteExecutor(workers)
        except KilledWorker as error:
            raise CheckFailed(
                f"a share of the work ended every Dask worker that it was given to ({error}); "
                "nothing was published: see the workers' logs for what ended them"
            ) from error


_ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h


def keep_heaps_few(most: int = 2) -> None:
    """Limit this process to at most ``most`` heaps; only glibc supports it.

    glibc gives each thread its own heap, up to eight per core, and threads do not share free
    memory. For the threads of DuckDB, Arrow and uploads this saves some 200 MB.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, most)


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


_COORDINATOR = {
    *("assets", "check", "cli", "command", "component", "configure", "dagster_internals"),
    *("definitions", "defs", "exporter", "instance_queue", "instance_storage", "main"),
    *("orchestration", "query"),
}
"""Parts of names of modules that no worker needs: the command line, Dagster, readers of tables."""


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
        [
            name
            for name in sys.modules
            if name.startswith("mediatool_assets.") and _COORDINATOR.isdisjoint(name.split("."))
        ]
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


Share = TypeVar("Share")


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


_RANGE_BYTES = 1 << 24  # of BSON: far longer than a request (2 ms), far shorter than a collection
_BATCH_BYTES = 1 << 21  # of BSON in an answer: the memory of the one before is used again
_SMALLEST = 5  # bytes of a BSON document


@dataclass(frozen=True, slots=True)
class IdRange:
    """The documents of a collection from ``first`` up to ``end``, for one worker to read.

    ``first`` is included and ``end`` is excluded; None means that this side is open.
    """

    documents: DocumentStore
    database: str
    collection: str
    first: bytes | None
    end: bytes | None
    batch: int
    """How many documents mongod returns at a time."""

    def batches(self) -> Iterator[bytes]:
        """Whole documents, one after the other, in order of ``_id``."""
        return self.documents.documents(
            self.database, self.collection, self.first, self.end, self.batch
        )


def id_ranges(
    documents: DocumentStore, database: str, collection: str, rows: int, size: int
) -> list[IdRange]:
    """Split a collection into ranges, in order; ``rows`` and ``size`` (bytes) are expected values.

    The boundaries depend only on these and on the ``_id`` values, so equal content has equal
    ranges.
    """
    step = max(1, rows * _RANGE_BYTES // max(size, 1))
    bounds = documents.bounds(database, collection, step) if rows > step else []
    batch = min(max(2, rows * _BATCH_BYTES // max(size, 1)), _BATCH_BYTES // _SMALLEST)
    return [
        IdRange(documents, database, collection, first, end, batch)
        for first, end in zip([None, *bounds], [*bounds, None], strict=True)
    ]
