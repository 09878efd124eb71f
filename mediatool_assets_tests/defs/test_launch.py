"""The launcher, as the command line starts it: a process that answers in one JSON document."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from mediatool_assets.domain.version import Version
from mediatool_assets.flows import catalog
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets_tests.defs.conftest import today

_LAUNCH = [sys.executable, "-m", "mediatool_assets.defs.launch"]


@pytest.fixture
def instance(small_source: None) -> Iterator[dg.DagsterInstance]:
    """The instance of the stack, in PostgreSQL, that the launched processes use too."""
    with dg.DagsterInstance.get() as instance:
        yield instance


def _start(request: dict[str, Any]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        _LAUNCH, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(request).encode())
    process.stdin.close()
    process.stdin = None
    return process


def _answer(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    out, err = process.communicate()
    answer: dict[str, Any] = json.loads(out or err)
    assert answer["exit_code"] == process.returncode
    return answer


def test_two_runs_of_one_partition_at_once_make_two_versions(
    instance: dg.DagsterInstance, bucket_objects: ObjectStore
) -> None:
    """Both succeed, each with a version of its own, and the registry loses neither."""
    asked = {"purpose": "testing", "notes": "at once"}
    request = {"job": "on_demand_export", "partition": today(), "config": asked}
    answers = [_answer(process) for process in [_start(request), _start(request)]]
    assert [(answer["status"], answer["error"]) for answer in answers] == [("SUCCESS", None)] * 2
    versions = {answer["version"] for answer in answers}
    assert len(versions) == 2
    assert versions <= {entry.version for entry in catalog.registry(bucket_objects)}
    for answer in answers:
        metadata = catalog.read(bucket_objects, Version.parse(answer["version"]))
        assert (metadata.purpose, metadata.notes) == ("testing", "at once")
        run = instance.get_run_by_id(answer["run_id"])
        assert run is not None
        assert run.status is dg.DagsterRunStatus.SUCCESS
        assert run.tags["dagster/partition"] == today()


@pytest.mark.parametrize(
    ("request_", "exit_code", "reason"),
    [
        (
            {"job": "weekly", "partition": today()},
            2,
            "there is no job weekly; there are daily_export",
        ),
        ({"job": "daily_export", "partition": "1999-01-01"}, 2, "1999-01-01 is no partition"),
        ({"job": "daily_export", "partition": "2025-06-02"}, 5, "can be exported only for today"),
        (
            {"job": "daily_export", "partition": today(), "tags": {"mediatool/purpose": "fun"}},
            2,
            "write daily_backup or testing",
        ),
    ],
)
def test_a_refused_request_says_why(
    small_source: None,
    instance: dg.DagsterInstance,
    request_: dict[str, Any],
    exit_code: int,
    reason: str,
) -> None:
    """The exit code is the command line's, and the reason is one message."""
    answer = _answer(_start(request_))
    assert (answer["status"], answer["exit_code"]) == ("FAILURE", exit_code)
    assert reason in answer["error"]
