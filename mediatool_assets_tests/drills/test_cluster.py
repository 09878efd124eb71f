"""The same work on a Dask cluster: a worker lost on the way costs its shares, and no byte."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mediatool_assets.archive.reader import stream
from mediatool_assets.core.errors import CheckFailed, Unreachable
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.settings import DaskCluster
from mediatool_assets.core.texts import SHIPPED_MODEL, Url
from mediatool_assets.core.version import Kind, Version, archive_key
from mediatool_assets.demo.seeding import seed
from mediatool_assets.export.flow import export
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.transform.flow import transform
from mediatool_assets.versions.catalog import StoredArchive
from mediatool_assets.work import worker_pool
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.certificates import certificate
from mediatool_assets_tests.twins import DirectoryObjects

VERSION = Version(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
WORKERS = 3


class Cluster(NamedTuple):
    """How its scheduler is reached, and the processes of its workers."""

    settings: DaskCluster
    workers: list[int]


@pytest.fixture
def cluster(stack: Stack, tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler and three workers with a thread each, every one a process of its own.

    Each has a temporary folder of its own, as on a machine of its own, and the stack's credentials.
    They talk to each other and to the coordinator by TLS alone.
    """
    from distributed import Client, Security  # noqa: PLC0415  # half a second, for this file alone

    pem, key = certificate(_folder(tmp_path / "tls"))
    tls = ["--tls-ca-file", str(pem), "--tls-cert", str(pem), "--tls-key", str(key)]
    known = tmp_path / "scheduler.json"
    quiet = {
        **os.environ,
        **stack.environment,
        "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "critical",
    }
    command = [sys.executable, "-m", "dask"]
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    worker = ["worker", "--nthreads", "1", "--no-dashboard", "--death-timeout", "60"]
    worker += ["--local-directory", str(tmp_path / "dask"), "--host", "127.0.0.1"]
    started = [
        subprocess.Popen(
            [*command, *arguments, *tls, "--scheduler-file", known],
            env={**quiet, "TMPDIR": str(_folder(tmp_path / f"machine-{number}"))},
            start_new_session=True,
        )
        for number, arguments in enumerate((scheduler, *([worker] * WORKERS)))
    ]
    try:
        security = Security(  # type: ignore[no-untyped-call]  # distributed has types in part
            tls_ca_file=str(pem), tls_client_cert=str(pem), tls_client_key=str(key)
        )
        with Client(  # type: ignore[no-untyped-call]  # as above
            scheduler_file=str(known), set_as_default=False, timeout=60, security=security
        ) as client:
            client.wait_for_workers(WORKERS, timeout=60)
            address = client.scheduler.address
            pids = list(client.run(os.getpid).values())
        yield Cluster(DaskCluster(address, pem, pem, key), pids)
    finally:
        for process in reversed(started):
            os.killpg(process.pid, signal.SIGKILL)  # with the workers that it nursed
            process.wait()


class Traffic:
    """Bytes of objects that this process sends to S3 and fetches from there."""

    def __init__(self) -> None:
        self.sent = self.fetched = 0

    @classmethod
    @contextmanager
    def of(cls, objects: S3Objects) -> Iterator["Traffic"]:
        """Listen to the client until the context is left: other tests have the same one."""
        traffic, events = cls(), objects.client.meta.events
        listened: dict[str, Callable[..., None]] = {
            "before-parameter-build.s3": traffic._send,
            "after-call.s3.GetObject": traffic._fetch,
        }
        for event, listener in listened.items():
            events.register(event, listener)
        try:
            yield traffic
        finally:
            for event, listener in listened.items():
                events.unregister(event, listener)

    def _send(self, params: dict[str, Any], **_: object) -> None:
        body = params.get("Body", b"")  # which the client has made a file of, if it was bytes
        self.sent += len(body.getbuffer() if isinstance(body, BytesIO) else body)

    def _fetch(self, parsed: dict[str, Any], **_: object) -> None:
        self.fetched += parsed["ContentLength"]


def test_a_lost_worker_costs_its_shares_and_no_byte(
    cluster: Cluster, pool: Workspace, postgres_database: Url, objects: S3Objects, tmp_path: Path
) -> None:
    """Export and transform end as those of local processes do, byte by byte.

    The workers share nothing but the bucket; no byte of a row goes through the coordinator, and
    nothing is left of what they staged.
    """
    seed(postgres_database, scale=0.01, full=False, day=0, schema="media_tool")
    url = replace(postgres_database, variable="MEDIATOOL_POSTGRES_URL")
    scratch, here = _folder(tmp_path / "coordinator"), DirectoryObjects(tmp_path / "here")
    left = list(cluster.workers)

    def lose_one(step: str, done: int, total: int, unit: str = "rows") -> None:
        if done and len(left) == WORKERS:
            os.kill(left.pop(), signal.SIGKILL)

    local = _export(url, here, pool)
    with Traffic.of(objects) as traffic, worker_pool(1, cluster.settings) as workers:
        assert cluster.settings.scheduler.startswith("tls://")
        workspace = Workspace(workers, scratch, lose_one)
        made = _export(url, objects, workspace)
        model = load_model(SHIPPED_MODEL)
        before = traffic.fetched
        transform(objects, workspace, VERSION, model)
    assert (traffic.sent, list(scratch.iterdir())) == (0, [])
    assert traffic.fetched - before < made.size / 4  # manifests, and the raw archive's schema
    assert len(left) == WORKERS - 1
    assert made.manifest.members == local.manifest.members
    end = made.manifest.members[-1].blocks[-1].offset  # behind it are names of two snapshots
    raw = _whole(objects, "raw")
    assert raw[:end] == _whole(here, "raw")[:end]
    again = DirectoryObjects(tmp_path / "again")
    again.put(archive_key("raw", VERSION), raw)
    transform(again, pool, VERSION, model)
    assert _whole(objects, "transformed") == _whole(again, "transformed")
    assert [info.key for info in objects.list("")] == [
        archive_key(kind, VERSION) for kind in ("raw", "transformed")
    ]


def _whole(objects: ObjectStore, kind: Kind) -> bytes:
    return b"".join(stream(objects.open(archive_key(kind, VERSION))))


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _export(url: Url, objects: ObjectStore, workspace: Workspace) -> StoredArchive:
    return export(PostgresSource(url, "media_tool"), objects, workspace, VERSION)


def test_a_share_that_ends_every_worker_is_told_of(cluster: Cluster) -> None:
    """Work that kills whoever does it ends in one line, and not in silence."""
    with (
        pytest.raises(CheckFailed, match="ended every Dask worker"),
        worker_pool(1, cluster.settings) as workers,
    ):
        workers.submit(os._exit, 1).result()


def test_no_scheduler_is_told_of() -> None:
    """The address, the setting and what to do."""
    with (
        pytest.raises(Unreachable, match="MEDIATOOL_DASK_SCHEDULER"),
        worker_pool(1, DaskCluster("tcp://127.0.0.1:9")),
    ):
        pass
