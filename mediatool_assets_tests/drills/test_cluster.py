"""The same work on a Dask cluster: a worker lost on the way costs its shares, and no byte."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from distributed import Client

from mediatool_assets.domain.errors import CheckFailed, Unreachable
from mediatool_assets.domain.keys import archive_key
from mediatool_assets.domain.settings import SHIPPED_MODEL, Url
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.archives import Archived, stream
from mediatool_assets.flows.export import export
from mediatool_assets.flows.model_file import load_model
from mediatool_assets.flows.pool import worker_pool
from mediatool_assets.flows.ports import Progress, silent
from mediatool_assets.flows.transform import transform
from mediatool_assets.seed import seed
from mediatool_assets.stores.postgres import PostgresSource
from mediatool_assets_tests.twins import DirectoryObjects

VERSION = Version(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
WORKERS = 3


class Cluster(NamedTuple):
    """Where its scheduler listens, and the processes of its workers."""

    address: str
    workers: list[int]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler and three workers with a thread each, every one a process of its own."""
    known = tmp_path / "scheduler.json"
    quiet = {**os.environ, "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "critical"}
    command = [sys.executable, "-m", "dask"]
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    worker = ["worker", "--nthreads", "1", "--no-dashboard", "--death-timeout", "60"]
    worker += ["--local-directory", str(tmp_path / "dask"), "--host", "127.0.0.1"]
    started = [
        subprocess.Popen(
            [*command, *arguments, "--scheduler-file", known], env=quiet, start_new_session=True
        )
        for arguments in (scheduler, *([worker] * WORKERS))
    ]
    try:
        with Client(  # type: ignore[no-untyped-call]  # distributed has types in part
            scheduler_file=str(known), set_as_default=False, timeout=60
        ) as client:
            client.wait_for_workers(WORKERS, timeout=60)
            address = client.scheduler.address
            pids = list(client.run(os.getpid).values())
        yield Cluster(address, pids)
    finally:
        for process in reversed(started):
            os.killpg(process.pid, signal.SIGKILL)  # with the workers that it nursed
            process.wait()


def test_a_lost_worker_costs_its_shares_and_no_byte(
    cluster: Cluster, pool: Executor, postgres_database: Url, tmp_path: Path
) -> None:
    """Export and transform end as those of local processes do, byte by byte."""
    seed(postgres_database, scale=0.01, full=False, day=0, schema="media_tool")
    left = list(cluster.workers)

    def lose_one(step: str, done: int, total: int) -> None:
        if done and len(left) == WORKERS:
            os.kill(left.pop(), signal.SIGKILL)

    here, there = DirectoryObjects(tmp_path / "here"), DirectoryObjects(tmp_path / "there")
    local = _export(postgres_database, here, pool, tmp_path)
    with worker_pool(1, cluster.address) as workers:
        made = _export(postgres_database, there, workers, tmp_path, lose_one)
        assert made.manifest.members == local.manifest.members
        shutil.copytree(tmp_path / "here", tmp_path / "there", dirs_exist_ok=True)
        model = load_model(SHIPPED_MODEL)
        transform(there, workers, VERSION, model, _folder(tmp_path / "cluster"))
    transform(here, pool, VERSION, model, _folder(tmp_path / "local"))
    key = archive_key("transformed", VERSION)
    assert len(left) == WORKERS - 1
    here_bytes, there_bytes = (b"".join(stream(objects.open(key))) for objects in (here, there))
    assert there_bytes == here_bytes


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _export(
    url: Url,
    objects: DirectoryObjects,
    executor: Executor,
    scratch: Path,
    progress: Progress = silent,
) -> Archived:
    source = PostgresSource(url, "media_tool")
    return export(source, objects, executor, VERSION, scratch, progress=progress)


def test_a_share_that_ends_every_worker_is_told_of(cluster: Cluster) -> None:
    """Work that kills whoever does it ends in one line, and not in silence."""
    with (
        pytest.raises(CheckFailed, match="ended every Dask worker"),
        worker_pool(1, cluster.address) as workers,
    ):
        workers.submit(os._exit, 1).result()


def test_no_scheduler_is_told_of() -> None:
    """The address, the setting and what to do."""
    with (
        pytest.raises(Unreachable, match="MEDIATOOL_DASK_SCHEDULER"),
        worker_pool(1, "tcp://127.0.0.1:9"),
    ):
        pass
