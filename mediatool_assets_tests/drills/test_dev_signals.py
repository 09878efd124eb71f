"""``mediatool dev`` is interrupted, ended or killed: nothing that it started is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from mediatool_assets.core.settings import Settings
from mediatool_assets.stores.local_processes import free_port
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.drills.test_dagster_ui import (
    _every_asset,
    _launched,
    _wait_for,
)
from mediatool_assets_tests.half_way import add_ballast, drop_ballast, uploads

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(1200),
]  # a start of Dagster takes half a minute on busy cores

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
EVERYTHING = {"pipelineName": "__ASSET_JOB"}


@contextmanager
def _started(log: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`mediatool dev` on a free port, and that address."""
    port = free_port()
    command = [sys.executable, "-m", "mediatool_assets.main", "dev", "--port", str(port)]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background job
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield f"http://127.0.0.1:{port}", process
        finally:
            for member in _family(process):
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            process.kill()
            process.wait()


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _starting(process: subprocess.Popen[bytes]) -> bool:
    """Whether Dagster has begun to start a service."""
    words = (" ".join(_command(member)) for member in _family(process))
    return any("dagster code-server" in line or "dagster_webserver" in line for line in words)


def _command(process: psutil.Process) -> list[str]:
    with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return process.cmdline()
    return []


def _is_zombie(process: psutil.Process) -> bool:
    """Whether it has ended, and whoever inherited it has not asked for its exit code yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _ended_by(process: subprocess.Popen[bytes], number: signal.Signals, log: Path) -> None:
    """Send the signal, and find that all that descends from the process ends too."""
    family = _family(process)
    assert family
    process.send_signal(number)
    process.wait(120)
    assert process.returncode == (-number if number == signal.SIGKILL else 0), log.read_text()
    at_once = 60 if number == signal.SIGKILL else 1  # else it has waited for them itself
    _, left = psutil.wait_procs(family, at_once)
    assert [(member.pid, _command(member)) for member in left if not _is_zombie(member)] == []


@pytest.mark.usefixtures("drill_source")
@pytest.mark.parametrize("number", SIGNALS)
def test_nothing_is_left_of_a_start(number: signal.Signals, tmp_path: Path) -> None:
    """Before the first page is answered."""
    with _started(log := tmp_path / "dev.log") as (_, process):
        deadline = time.monotonic() + 120
        while not _starting(process):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        _ended_by(process, number, log)


@contextmanager
def _in_a_run(log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`mediatool dev` with a run in the middle of an upload."""
    objects = S3Objects.of(Settings.parse(os.environ))
    add_ballast(os.environ["MEDIATOOL_POSTGRES_URL"])
    try:
        with _started(log) as (url, process):
            _launched(url, EVERYTHING | {"assetSelection": _every_asset()}, {})
            _wait_for("an upload", lambda: {"keys": keys} if (keys := uploads(objects)) else None)
            yield process
    finally:
        drop_ballast(os.environ["MEDIATOOL_POSTGRES_URL"])


@pytest.mark.usefixtures("drill_source")
@pytest.mark.parametrize("number", SIGNALS)
def test_nothing_is_left_of_a_run(number: signal.Signals, tmp_path: Path) -> None:
    """In the middle of an upload."""
    with _in_a_run(log := tmp_path / "dev.log") as process:
        _ended_by(process, number, log)
