"""Runs a Dagster job in a process of its own, since the command line does not import Dagster."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from mediatool_assets.cli.child_process import tethered
from mediatool_assets.cli.output import working
from mediatool_assets.domain.errors import MediatoolError
from mediatool_assets.domain.settings import DAGSTER_YAML
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import Progress
from mediatool_assets.stores.private_files import private_directory

_GRACE_SECONDS = 30.0  # to abort an upload and record the run as canceled, when interrupted
_STEP = 'Started execution of step "'  # Dagster's own words in its log
_ROWS = re.compile(
    r"(\w+): ([\d,]+) of ([\d,]+) (?:rows|percent)$"
)  # and those of a step's progress


class RunFailed(MediatoolError):
    """The Dagster run did not succeed; ``exit_code`` is that of the error that ended it."""

    def __init__(self, message: str, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class LaunchedRun:
    """A run that succeeded, the version that it made, and what checks of it failed."""

    run_id: str
    version: Version
    failed_checks: tuple[str, ...] = ()


def launch(
    job: str,
    partition: str | None,
    config: Mapping[str, str],
    home: Path,
    version: Version | None = None,
) -> LaunchedRun:
    """Run ``job`` for ``partition`` to its end and return what it made.

    Without ``partition`` it is of now; ``version`` is one that was begun, and is gone on with.
    ``config`` is the export's: its purpose and notes. Dagster's log goes to a file under ``home``;
    so does its history, where the environment names no ``DAGSTER_HOME``. An interrupt is passed on
    once, and waited for. Raises RunFailed with the reason that the run gave.
    """
    for folder in (home, home / "logs", home / "dagster"):
        private_directory(folder)
    instance = home / "dagster" / "dagster.yaml"
    if "DAGSTER_HOME" not in os.environ and not instance.exists():
        shutil.copyfile(DAGSTER_YAML, instance)
    log = home / "logs" / f"{job}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.log"
    begun = str(version) if version else None
    request = {"job": job, "partition": partition, "version": begun, "config": dict(config)}
    task = f"{job} {begun or partition or 'of now'}"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            tethered([sys.executable, "-m", "mediatool_assets.defs.launch"], signal.SIGUSR1),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={"DAGSTER_HOME": str(home / "dagster"), **os.environ},
            process_group=0,  # a terminal's Ctrl-C reaches this process alone, which passes it on
        )
        answer = _converse(process, json.dumps(request).encode(), task, log)
    return _run_of(answer, process.returncode, log)


def _converse(process: subprocess.Popen[bytes], request: bytes, task: str, log: Path) -> bytes:
    """Send the request, draw the progress, and return what the process answered."""
    unsent: bytes | None = request
    try:
        with working(task) as progress, log.open(errors="replace") as events:
            while True:
                try:
                    return process.communicate(unsent, timeout=0.2)[0]
                except subprocess.TimeoutExpired:
                    unsent = None  # communicate keeps what is left of it
                    _follow(events, progress)
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """Interrupt a process and wait for it to clean up; kill it when that takes too long."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_GRACE_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _follow(events: IO[str], progress: Progress) -> None:
    """Tell ``progress`` what the lines written since the last call say."""
    for line in events:
        if (rows := _ROWS.search(line.rstrip())) is not None:
            step, done, total = rows.groups()
            progress(step, int(done.replace(",", "")), int(total.replace(",", "")))
        elif _STEP in line:
            progress(line.partition(_STEP)[2].strip(' ".\n'), 0, 0)


def _run_of(answer: bytes, returncode: int, log: Path) -> LaunchedRun:
    try:
        outcome = json.loads(answer)
    except ValueError:
        raise RunFailed(
            f"the Dagster process ended with {returncode} and no answer; its log is {log}", 1
        ) from None
    if outcome["status"] != "SUCCESS":
        code = int(outcome.get("exit_code") or 1)
        raise RunFailed(f"{outcome.get('error') or 'the run failed'} (log: {log})", code)
    failed_checks = tuple(outcome["failed_checks"])
    return LaunchedRun(outcome["run_id"], Version.parse(outcome["version"]), failed_checks)
