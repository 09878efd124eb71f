"""Runs a Dagster job in a separate process, since the command line does not import Dagster.

The stores of a version, from the settings.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import msgspec

from mediatool_assets.cli import working
from mediatool_assets.cli.child_process import tethered
from mediatool_assets.core.errors import MediatoolError
from mediatool_assets.core.outcomes import RunOutcome, message_from_line
from mediatool_assets.core.texts import DAGSTER_YAML
from mediatool_assets.core.version import Version
from mediatool_assets.stores.user_files import owner_only, private_directory

if TYPE_CHECKING:
    from mediatool_assets.core.settings import Settings
    from mediatool_assets.stores.ports import Progress, Stores

_GRACE_SECONDS = 30.0  # time after an interrupt to abort an upload and record the run as canceled


class RunFailed(MediatoolError):
    """The Dagster run did not succeed; ``exit_code`` is that of the error that ended it."""

    def __init__(self, message: str, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class SuccessfulRun:
    """A successful run, the version that it made, and its failed checks."""

    run_id: str
    version: Version
    failed_checks: tuple[str, ...] = ()


def launch(
    job: str,
    partition: str | None,
    config: Mapping[str, str],
    home: Path,
    version: Version | None = None,
    task: str = "",
) -> SuccessfulRun:
    """Run ``job`` for ``partition`` to its end and return the result.

    Without ``partition`` it makes a version of now; ``version`` is an unfinished version to
    continue. ``config`` is the export's configuration: purpose and notes. ``task`` is the title of
    the progress. Dagster's log goes to a file under ``home``; so does its history, unless the
    environment sets ``DAGSTER_HOME``. An interrupt is passed on once, and waited for. Raises
    RunFailed with the run's reason.
    """
    for folder in (home, home / "logs", home / "dagster"):
        private_directory(folder)
    instance = home / "dagster" / "dagster.yaml"
    if "DAGSTER_HOME" not in os.environ and not instance.exists():
        shutil.copyfile(DAGSTER_YAML, instance)
    log = home / "logs" / f"{job}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.log"
    begun = str(version) if version else None
    request = {"job": job, "partition": partition, "version": begun, "config": dict(config)}
    with open(log, "xb", opener=owner_only) as stderr:
        process = subprocess.Popen(
            tethered([sys.executable, "-m", "mediatool_assets.defs.launch"], signal.SIGUSR1),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={"DAGSTER_HOME": str(home / "dagster"), **os.environ},
            process_group=0,  # a terminal's Ctrl-C reaches this process alone, which passes it on
        )
        outcome = _converse(
            process,
            json.dumps(request).encode(),
            task or f"exporting {begun or partition or 'now'}",
        )
    return _run_of(outcome, process.returncode, log)


def _converse(process: subprocess.Popen[bytes], request: bytes, task: str) -> RunOutcome | None:
    """Send the request, show the progress, and return the process's final answer."""
    requests, answers = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    with answers:
        try:
            with suppress(BrokenPipeError), requests:
                requests.write(request)
            with working(task) as progress:
                outcome = _last(answers, progress)
                process.wait()
        finally:
            stop(process)
    return outcome


def _last(answers: Iterable[bytes], progress: "Progress") -> RunOutcome | None:
    """The outcome, which is the last answer; None if the process ended without one."""
    for line in answers:
        try:
            message = message_from_line(line)
        except msgspec.MsgspecError:  # the process was killed while writing
            return None
        if isinstance(message, RunOutcome):
            return message
        progress(message.step, message.done, message.total, message.unit)
    return None


def stop(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """Interrupt a process and wait for it to clean up; kill it if that takes too long."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_GRACE_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _run_of(outcome: RunOutcome | None, returncode: int, log: Path) -> SuccessfulRun:
    if outcome is None:
        raise RunFailed(
            f"the Dagster process ended with {returncode} and no answer; its log is {log}", 1
        )
    if outcome.status != "SUCCESS":
        of = f"version {outcome.version}, " if outcome.version else ""
        reason = f"{outcome.error or 'the run failed'} ({of}log: {log})"
        raise RunFailed(reason, outcome.exit_code or 1)
    version = Version.parse(outcome.version or "")
    return SuccessfulRun(outcome.run_id or "", version, outcome.failed_checks)


def stores(own: "Settings") -> "Stores":
    """The bucket, and the servers that are set."""
    from mediatool_assets.stores.mongodb import MongoDocuments
    from mediatool_assets.stores.ports import Stores
    from mediatool_assets.stores.postgres_target import PostgresTarget
    from mediatool_assets.stores.s3 import S3Objects

    return Stores(
        S3Objects.of(own),
        MongoDocuments.of(own) if own.mongodb_url else None,
        PostgresTarget.of(own) if own.restore_postgres_url else None,
    )
