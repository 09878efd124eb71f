"""A partition materialized from Dagster's UI: web server, daemon, queue, PostgreSQL, S3 logs."""

import json
import os
import signal
import socket
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

from mediatool_assets.domain.settings import Settings
from mediatool_assets.domain.version import Version
from mediatool_assets.flows import catalog
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.defs.conftest import small_source, today

__all__ = ["small_source"]  # a fixture: pytest finds it here by its name

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 240  # on 2 busy cores; a run takes 10 s on idle ones

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
        time.sleep(0.5)
    raise AssertionError(f"{what} took more than {PATIENCE_SECONDS} s")


@contextmanager
def _dagster_dev(log: Path, *, killed: bool = False) -> Iterator[str]:
    """`dagster dev` on a free port; in the end interrupted as by Ctrl-C, or all of it killed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(ROOT / "workspace.yaml")]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "-h", "127.0.0.1", "-p", str(port)], stdout=output, stderr=output
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            if killed:
                _kill(process.pid)
            else:
                process.send_signal(signal.SIGINT)
            process.wait(60)


def _kill(pid: int) -> None:
    """SIGKILL to a process and to all that came of it, until none is left."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(family[1:], 30)


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


@pytest.mark.usefixtures("small_source")
def test_a_partition_materialized_from_the_ui_succeeds(tmp_path: Path) -> None:
    """Launched as the UI launches it: queued, run by the daemon, shown with its row counts."""
    with _dagster_dev(log := tmp_path / "dagster-dev.log") as url:
        repository = _wait_for("the code location", lambda: _loaded(url))
        selector = {
            "repositoryName": repository["name"],
            "repositoryLocationName": repository["location"]["name"],
            "pipelineName": "on_demand_export",
        }
        config = {"ops": {"export": {"config": {"purpose": "testing", "notes": "from the UI"}}}}
        params = {
            "selector": selector,
            "mode": "default",
            "runConfigData": config,
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": today()}]},
        }
        launched = _ask(url, LAUNCH, params=params)["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run = _wait_for("the run", lambda: _ended(url, launched["run"]["runId"]))
        assert run["status"] == "SUCCESS", log.read_text()[-4000:]
        for layer in ("raw", "transformed", "mongodb"):
            key = {"path": [layer, "campaigns"]}
            asset = _ask(url, ASSET, key=key, partitions=[today()])["assetNodeOrError"]
            ranges = asset["assetPartitionStatuses"]["ranges"]
            (status,) = {r["status"] for r in ranges if r["startKey"] <= today() <= r["endKey"]}
            assert status == "MATERIALIZED"
            (made,) = asset["assetMaterializations"]
            counts = {e["label"]: e.get("intValue") for e in made["metadataEntries"]}
            assert counts["dagster/partition_row_count"] == 2
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    objects = S3Objects.of(Settings.parse(os.environ))
    metadata = catalog.read(objects, Version.parse(tags["mediatool/version"]))
    assert (metadata.purpose, metadata.notes) == ("testing", "from the UI")
    assert list(objects.list("dagster-logs/"))
