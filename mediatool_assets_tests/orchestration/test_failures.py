"""How a step ends that fails, is stopped, or reads a cold tier: again, later, or at once."""

import os
import signal
from collections.abc import Iterator

import dagster as dg
import pytest

from mediatool_assets.core.errors import Unreachable
from mediatool_assets.definitions import defs
from mediatool_assets.orchestration import DAYS
from mediatool_assets.orchestration.resources import ServersResource
from mediatool_assets.orchestration.runs import ATTENDED, EXIT_CODE, retried
from mediatool_assets.query.handles import TableRows
from mediatool_assets.stores import s3
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.moto_server import QUIET, moto_bucket

pytestmark = QUIET


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Objects]:
    """A bucket of moto's with an object in GLACIER, whose copies take a second."""
    monkeypatch.setitem(s3.HOURS, "GLACIER", {"Standard": 1 / 3600})
    with moto_bucket() as objects:
        put = objects.client.put_object
        put(Bucket=objects.bucket, Key="archive", Body=b"content", StorageClass="GLACIER")
        yield objects


def _run(cold: S3Objects, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    @dg.asset
    def read() -> dg.MaterializeResult[None]:
        """Read what lies there."""
        with retried():
            return dg.MaterializeResult(metadata={"read": cold.open("archive").read(0, 7).decode()})

    return dg.materialize([read], instance=instance, raise_on_error=False)


def test_a_step_waits_for_a_copy(cold: S3Objects, instance: dg.DagsterInstance) -> None:
    """It is run again when the copy is there, in a run that may last so long."""
    result = _run(cold, instance)
    assert result.success
    (again,) = [event for event in result.all_events if event.is_step_up_for_retry]
    assert again.step_retry_data.seconds_to_wait == 1.0
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["dagster/max_runtime"] == "21601"


def test_who_waits_at_a_terminal_is_told_at_once(
    cold: S3Objects, instance: dg.DagsterInstance
) -> None:
    """The run ends with the exit code of a refusal, and says when to come back."""
    token = ATTENDED.set(True)
    try:
        result = _run(cold, instance)
    finally:
        ATTENDED.reset(token)
    assert not result.success
    assert not any(event.is_step_up_for_retry for event in result.all_events)
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    said = failed.step_failure_data.user_failure_data
    assert said is not None
    assert said.metadata[EXIT_CODE].value == 5
    assert "was requested (Standard) and is available by" in (said.description or "")


def test_a_copy_that_never_comes_fails_with_its_reason(
    cold: S3Objects, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some rounds the run says what is missing."""
    monkeypatch.setattr("mediatool_assets.orchestration.runs.COLD_RETRIES", 0)
    result = _run(cold, instance)
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    said = failed.step_failure_data.user_failure_data
    assert said is not None
    assert "is in GLACIER" in (said.description or "")


def test_a_step_whose_server_does_not_answer_is_run_again(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some seconds later, and in the end it fails with its reason."""
    monkeypatch.setattr("mediatool_assets.orchestration.runs.PAUSES", (0.0, 0.1))

    @dg.asset
    def ask() -> None:
        """Ask in vain."""
        with retried():
            raise Unreachable("no answer")

    result = dg.materialize([ask], instance=instance, raise_on_error=False)
    again = [event for event in result.all_events if event.is_step_up_for_retry]
    assert [event.step_retry_data.seconds_to_wait for event in again] == [0.0, 0.1]
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    said = failed.step_failure_data.user_failure_data
    assert said is not None
    assert (said.description, said.metadata[EXIT_CODE].value) == ("no answer", 4)


def test_an_input_whose_server_does_not_answer_is_loaded_again(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a step is: a platform's step, or a user's, gets its input some seconds later."""

    def objects(_: ServersResource) -> ObjectStore:
        raise Unreachable("no answer")

    @dg.asset(partitions_def=DAYS, ins={"users": dg.AssetIn(["raw", "users"])})
    def count(users: TableRows) -> int:
        return users.rows

    monkeypatch.setattr("mediatool_assets.orchestration.runs.PAUSES", (0.0, 0.1))
    monkeypatch.setattr(ServersResource, "objects", objects)
    resources = {"io_manager": dg.mem_io_manager}
    whole = dg.Definitions.merge(defs, dg.Definitions(assets=[count], resources=resources))
    result = whole.resolve_implicit_global_asset_job_def().execute_in_process(
        partition_key="2025-06-01",
        instance=instance,
        asset_selection=[count.key],
        raise_on_error=False,
    )
    again = [event for event in result.all_events if event.is_step_up_for_retry]
    assert [event.step_retry_data.seconds_to_wait for event in again] == [0.0, 0.1]
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert failed.step_failure_data.user_failure_data is not None
    assert failed.step_failure_data.user_failure_data.description == "no answer"


def test_a_step_that_is_stopped_is_not_run_again(instance: dg.DagsterInstance) -> None:
    """An interrupt, as the UI and Ctrl-C send it, ends the step and the run."""
    calls = []

    @dg.asset
    def work(context: dg.AssetExecutionContext) -> None:
        """Be stopped in the middle, as the UI does it."""
        with retried():
            calls.append(1)
            context.instance.report_run_canceling(context.run)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(dg.DagsterExecutionInterruptedError):
        dg.materialize([work], instance=instance)
    (run,) = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.CANCELED
    assert len(calls) == 1
