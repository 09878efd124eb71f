"""Runs one job for one partition to its end: ``python -m mediatool_assets.defs.launch``.

The command line starts it, since it does not import Dagster itself. stdin receives one JSON
document: ``{"job", "partition", "version", "tags", "config"}``. Without ``partition`` the day is
that of the snapshot. ``version`` is a version to continue. ``config`` is the configuration of the
export step (purpose, notes and source). stdout gets lines of JSON (domain/progress.py): progress,
and finally the outcome; the process ends with its exit code. The run is recorded in the instance of
``DAGSTER_HOME`` under the code location of workspace.yaml, so that the UI shows it like any other
run.
"""

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NoReturn

import dagster as dg
import msgspec
from dagster_shared.error import SerializableErrorInfo

from mediatool_assets.core.errors import MediatoolError, Misuse
from mediatool_assets.core.outcomes import RunOutcome, message_to_line
from mediatool_assets.core.version import Version
from mediatool_assets.dagster_internals import (
    MAX_RETRIES_TAG,
    LoadableTargetOrigin,
    ManagedGrpcPythonEnvCodeLocationOrigin,
    ReconstructableRepository,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
    execute_run,
)
from mediatool_assets.orchestration import DAYS, Namespace, is_on_time, shown
from mediatool_assets.orchestration.runs import (
    ATTENDED,
    EXIT_CODE,
    PROCESS_TAG,
    REFUSED_TAG,
    VERSION_TAG,
    WATCHER,
    RunReporter,
    release_dead_runs,
    report_steps,
    this_process,
)
from mediatool_assets.stores.environment import shared_settings
from mediatool_assets.work import begin_imports

DEFINITIONS = "mediatool_assets.definitions"  # by name, as workspace.yaml has it
LOCATION = "mediatool_assets"  # likewise


class LaunchRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The job to run, and its arguments."""

    job: str
    partition: str | None = None
    version: str | None = None
    tags: dict[str, str] = {}
    config: dict[str, str] = {}


def main() -> int:
    """Answer the request on stdin; other output goes to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    ATTENDED.set(True)
    WATCHER.set(RunReporter(answers))
    signal.signal(signal.SIGUSR1, _interrupt_once)
    try:
        request = msgspec.json.decode(sys.stdin.buffer.read(), type=LaunchRequest)
        with dg.DagsterInstance.get() as instance:
            outcome = launch(instance, request)
    except MediatoolError as error:
        outcome = RunOutcome("FAILURE", error=str(error), exit_code=error.exit_code)
    with answers:
        answers.write(message_to_line(outcome))
    return outcome.exit_code


def _interrupt_once(_number: int, _frame: object) -> None:
    """The command line has ended: interrupt once, since a second one would stop the cleanup."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.raise_signal(signal.SIGTERM)


def _today() -> date:
    return datetime.now(UTC).date()


def launch(
    instance: dg.DagsterInstance, request: LaunchRequest, today: Callable[[], date] = _today
) -> RunOutcome:
    """Run the job in this process; raises Misuse if the job or partition does not exist.

    Without a day, today is run. If midnight passes before the snapshot, the next day is run.
    """
    day = request.partition or _day_of(request.version) or today().isoformat()
    outcome = _run(instance, request, day)
    is_now = request.partition is None and request.version is None
    if is_now and _is_refused(instance, outcome) and (next_day := today().isoformat()) != day:
        return _run(instance, request, next_day)
    return outcome


def _day_of(version: str | None) -> str | None:
    return Version.parse(version).partition if version is not None else None


def _is_refused(instance: dg.DagsterInstance, outcome: RunOutcome) -> bool:
    run = instance.get_run_by_id(outcome.run_id) if outcome.run_id else None
    return run is not None and REFUSED_TAG in run.tags


def _run(instance: dg.DagsterInstance, request: LaunchRequest, day: str) -> RunOutcome:
    if not DAYS.has_partition_key(day):
        raise Misuse(
            f"{day} is not a day that can be exported; choose {DAYS.start:%Y-%m-%d} to today"
        )
    repository = ReconstructableRepository.for_module(DEFINITIONS, "defs", str(Path.cwd()))
    jobs, names = repository.get_definition().job_names, _names()
    if shared_settings().cluster is None:
        begin_imports()
    name = names.name(request.job)
    if name not in jobs:
        known = ", ".join(name for name in jobs if not name.startswith("__"))
        raise Misuse(f"there is no job {name}; choose one of {known}")
    release_dead_runs(instance)
    job = repository.get_reconstructable_job(name)
    definition = job.get_definition()
    config: Any = definition.run_config
    if request.config:
        config = {"ops": {names.name("export"): {"config": request.config}}}
    tags = {
        **request.tags,
        **({names.tag(VERSION_TAG): request.version} if request.version else {}),
        "dagster/partition": day,
        PROCESS_TAG: this_process(),
        MAX_RETRIES_TAG: "0",  # the user at the terminal can retry; Dagster could not
    }
    run = instance.create_run_for_job(
        definition,
        run_config=config,
        tags={**definition.run_tags, **tags},
        job_code_origin=job.get_python_origin(),
        remote_job_origin=_origin(repository.get_definition().name, name),
    )
    report_steps(instance, run.run_id)
    with execute_run(job, run, instance) as result:
        return _outcome(instance, result)


def _names() -> Namespace:
    """The names of the source that this process serves."""
    return Namespace(shared_settings().source or "")


def _origin(repository: str, job: str) -> RemoteJobOrigin:
    """The origin by which the UI finds the job; ``dg.execute_job`` does not set it."""
    target = LoadableTargetOrigin(executable_path=sys.executable, module_name=DEFINITIONS)
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, LOCATION)
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, repository), job)


def _outcome(instance: dg.DagsterInstance, result: dg.JobExecutionResult) -> RunOutcome:
    run = instance.get_run_by_id(result.run_id)
    tags = run.tags if run is not None else {}
    status = run.status.value if run is not None else "FAILURE"
    version = tags.get(_names().tag(VERSION_TAG))
    if result.success:
        red = tuple(failed_checks(result.all_events))
        return RunOutcome(status, result.run_id, version, None, 1 if red else 0, red)
    error, exit_code = failure_of(result.run_id, result.all_events)
    return RunOutcome(status, result.run_id, version, error, exit_code)


def failure_of(run_id: str, events: Sequence[dg.DagsterEvent]) -> tuple[str, int]:
    """The error of the first step that failed, else that of the run; and the exit code."""
    for event in events:
        if event.is_step_failure:
            said = event.step_failure_data.user_failure_data
            if said is not None and EXIT_CODE in said.metadata:
                return said.description or "", int(str(said.metadata[EXIT_CODE].value))
            found = "; ".join(_red_checks(events, event.step_key))
            return f"{event.step_key}: {found or _cause(event.step_failure_data.error)}", 1
    for event in events:
        if event.event_type is dg.DagsterEventType.RUN_FAILURE:
            return _cause(event.job_failure_data.error), 1
    return f"run {run_id} ended without an error message; see its log in Dagster's UI", 1


def failed_checks(events: Iterable[dg.DagsterEvent]) -> Iterator[str]:
    """The version's checks that have not passed at the end of the run; warnings are left out.

    ``on_time`` is left out too. It is about the day: another version of it may be in progress.
    """
    found = {
        event.asset_check_evaluation_data.asset_check_key: event.asset_check_evaluation_data
        for event in events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    }
    for check, one in found.items():
        is_red = not one.passed and one.severity is dg.AssetCheckSeverity.ERROR
        if is_red and not is_on_time(check):
            said = f": {one.description}" if one.description else ""
            yield f"{shown(check.asset_key)}: {check.name}{said}"


def _red_checks(events: Sequence[dg.DagsterEvent], step: str | None) -> Iterator[str]:
    """The findings of a step's failed checks; a blocking check's own error does not name them."""
    for event in events:
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            found = event.asset_check_evaluation_data
            if event.step_key == step and not found.passed:
                yield found.description or found.check_name


def _cause(error: SerializableErrorInfo | None) -> str:
    """The message of the innermost error, without Dagster's wrappers."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "Dagster recorded no error"


def _leave(code: int) -> NoReturn:
    """End the process after its exit functions; to free each object would take another second."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _leave(main())
