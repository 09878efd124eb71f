"""A partition materialized from Dagster's UI: web server, daemon, queue, PostgreSQL, S3 logs."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version
from mediatool_assets.definitions import definitions
from mediatool_assets.stores.local_processes import free_port
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets_tests.fixtures.dagster_day import today

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(900),
]  # a minute alone, more beside other work

PATIENCE_SECONDS = 480  # on 2 busy cores; a run takes 10 s on idle ones

REPOSITORIES = """{
  repositoriesOrError {
    ... on RepositoryConnection { nodes { name location { name } } }
  }
}"""

LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}"""

RUN = """
query Run($id: ID!) {
  runOrError(runId: $id) { ... on Run { status tags { key value } } }
}"""

ASSET = """
query Asset($key: AssetKeyInput!, $partitions: [String!]) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      groupName
      assetPartitionStatuses {
        ... on TimePartitionStatuses { ranges { startKey endKey status } }
      }
      assetMaterializations(partitions: $partitions, limit: 1) {
        metadataEntries { label ... on IntMetadataEntry { intValue } }
      }
    }
  }
}"""


def _ask(url: str, query: str, **variables: object) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310  # our own http URL
        f"{url}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # as above
        content: dict[str, Any] = json.load(answer)
    assert "errors" not in content, content
    data: dict[str, Any] = content["data"]
    return data


def _wait_for(what: str, look: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(1)  # each look costs the web server a part of a core
    raise AssertionError(f"{what} took more than {PATIENCE_SECONDS} s")


@contextmanager
def _dagster_dev(log: Path, *, killed: bool = False) -> Iterator[str]:
    """`mediatool dev` on a free port; in the end it ends by itself, or all of it is killed."""
    port = free_port()
    command = [sys.executable, "-m", "mediatool_assets.main", "dev", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            family = psutil.Process(process.pid).children(recursive=True)
            if killed:
                for member in [*family, psutil.Process(process.pid)]:
                    with suppress(psutil.NoSuchProcess):
                        member.kill()
            else:
                process.terminate()
            process.wait(300)
            _, left = psutil.wait_procs(family, 30)
    assert left == []


def _loaded(url: str) -> dict[str, Any] | None:
    """The code location, once the web server answers and has loaded it."""
    try:
        nodes = _ask(url, REPOSITORIES)["repositoriesOrError"].get("nodes")
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None
    return nodes[0] if nodes else None


def _ended(url: str, run_id: str) -> dict[str, Any] | None:
    run: dict[str, Any] = _ask(url, RUN, id=run_id)["runOrError"]
    return run if run["status"] in ("SUCCESS", "FAILURE", "CANCELED") else None


def _ended_alone(url: str, run_id: str, waiting: str) -> dict[str, Any] | None:
    """The run once it has ended; until then the other one of its partition stays in the queue."""
    other = _ask(url, RUN, id=waiting)["runOrError"]["status"]
    run = _ended(url, run_id)
    assert run is not None or other == "QUEUED", other
    return run


def _launched(url: str, selector: dict[str, Any], config: dict[str, Any]) -> str:
    """The id of a run of today's partition, launched as the UI does it."""
    repository = _wait_for("the code location", lambda: _loaded(url))
    where = {
        "repositoryName": repository["name"],
        "repositoryLocationName": repository["location"]["name"],
    }
    params = {
        "selector": where | selector,
        "mode": "default",
        "runConfigData": config,
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": today()}]},
    }
    launched = _ask(url, LAUNCH, params=params)["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id: str = launched["run"]["runId"]
    return run_id


def _every_asset() -> list[dict[str, Any]]:
    """What is chosen by "Materialize all" in a day's layers."""
    daily = definitions(Settings.parse(os.environ)).resolve_job_def("daily_export")
    return [{"path": list(key.path)} for key in daily.asset_layer.selected_asset_keys]


def _version_of(run: dict[str, Any]) -> Version:
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    return Version.parse(tags["mediatool/version"])


@pytest.mark.usefixtures("drill_source")
def test_a_partition_materialized_from_the_ui_succeeds(tmp_path: Path) -> None:
    """A job, then all assets: each queued, run by the daemon when its partition is free, shown."""
    asked = {"ops": {"export": {"config": {"purpose": "testing", "notes": "from the UI"}}}}
    everything = {"pipelineName": "__ASSET_JOB", "assetSelection": _every_asset()}
    with _dagster_dev(log := tmp_path / "dagster-dev.log") as url:
        first = _launched(url, {"pipelineName": "on_demand_export"}, asked)
        second = _launched(url, everything, {})
        runs = [
            _wait_for("the job's run", lambda: _ended_alone(url, first, second)),
            _wait_for("the assets' run", lambda: _ended(url, second)),
        ]
        assert [run["status"] for run in runs] == ["SUCCESS"] * 2, log.read_text()[-4000:]
        for layer in ("raw", "transformed", "mongodb"):
            key = {"path": [layer, "campaigns"]}
            asset = _ask(url, ASSET, key=key, partitions=[today()])["assetNodeOrError"]
            ranges = asset["assetPartitionStatuses"]["ranges"]
            (status,) = {r["status"] for r in ranges if r["startKey"] <= today() <= r["endKey"]}
            assert status == "MATERIALIZED"
            (shown,) = asset["assetMaterializations"]
            counts = {e["label"]: e.get("intValue") for e in shown["metadataEntries"]}
            assert counts["dagster/partition_row_count"] == 2
    objects = S3Objects.of(Settings.parse(os.environ))
    made = [catalog.read(objects, _version_of(run)) for run in runs]
    assert [(version.purpose, version.notes) for version in made] == [
        ("testing", "from the UI"),
        ("daily_backup", ""),
    ]
    assert list(objects.list("dagster-logs/"))
