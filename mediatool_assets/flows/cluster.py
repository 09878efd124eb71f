"""A Dask cluster in the place of local worker processes: the same shares, on more machines."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from mediatool_assets.domain.errors import BadSettings, CheckFailed, Unreachable

P = ParamSpec("P")
Result = TypeVar("Result")

_TRIES = 2
"""More tries of a share whose worker was lost, on other workers; a share can be done again."""

_PATIENCE = 10  # seconds for the scheduler to answer


class Elsewhere(Executor):
    """An executor whose workers share no disk with the coordinator, nor with each other."""

    def __init__(self, workers: Executor) -> None:
        self._workers = workers

    def submit(
        self, work: Callable[P, Result], /, *arguments: P.args, **named: P.kwargs
    ) -> Future[Result]:
        """Hand out one call."""
        return self._workers.submit(work, *arguments, **named)


@contextmanager
def dask_cluster(scheduler: str) -> Iterator[Executor]:
    """The workers of the cluster at ``scheduler``, as an executor; they outlive the context.

    Each has this package and its extra ``dask``, one thread, reach of the servers with credentials
    of its own; what it makes for others goes through the bucket. A share whose worker is
    lost is done again elsewhere. Raises BadSettings (the extra is missing), Unreachable, and
    CheckFailed where a share has lost every worker that it was given to.
    """
    try:
        from distributed import Client, KilledWorker  # noqa: PLC0415  # an extra, and slow
    except ImportError as error:
        raise BadSettings(
            [f"MEDIATOOL_DASK_SCHEDULER needs pip install 'mediatool_assets[dask]' ({error})"]
        ) from error
    try:
        client = Client(  # type: ignore[no-untyped-call]  # distributed has types in part
            scheduler, set_as_default=False, timeout=_PATIENCE
        )
    except (OSError, ValueError) as error:
        raise Unreachable(
            f"no Dask scheduler answers at {scheduler} (MEDIATOOL_DASK_SCHEDULER): {error}; "
            "start one with `dask scheduler`, or unset it"
        ) from error
    with client:
        try:
            workers = client.get_executor(  # type: ignore[no-untyped-call]  # as above
                pure=False, retries=_TRIES
            )
            yield Elsewhere(workers)
        except KilledWorker as error:
            raise CheckFailed(
                f"a share of the work ended every Dask worker that it was given to ({error}); "
                "nothing was published: see the workers' logs for what ended them"
            ) from error
