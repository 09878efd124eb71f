"""A Dask cluster in place of local worker processes: the same shares, on more machines."""

import copyreg
import io
import os
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from mediatool_assets.domain.errors import BadSettings, CheckFailed, Unreachable
from mediatool_assets.domain.masking.key import MaskingKey
from mediatool_assets.domain.settings.workers import DaskCluster
from mediatool_assets.domain.urls import Url

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
