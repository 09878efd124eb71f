"""Backfills as the browser launches them from the asset graph, on Dagster's own servers."""

import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version
from mediatool_assets.definitions import definitions
from mediatool_assets.demo.demonstration import export_as_rds
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets_tests.drills.test_dagster_ui import _ask, _dagster_dev, _loaded, _wait_for
from mediatool_assets_tests.drills.test_ui_backfill import BACKFILL, ended
from mediatool_assets_tests.fixtures.dagster_day import today

pytestmark = pytest.mark.timeout(900)  # two minutes alone, more beside other work

ALONE, FIRST, SECOND = (Version(datetime(2025, 8, day, 3, tzinfo=UTC)) for day in (1, 2, 3))
NOTHING = "2025-08-09"  # a day of which there is neither archive nor export

LAYERS = ("raw", "transformed", "mongodb", "version", "reports", "postgres")

NEIGHBOURS = """
query Neighbours($keys: [AssetKeyInput!]!) {
  assetNodeAdditionalRequiredKeys(assetKeys: $keys) { path }
}"""

STATUSES = """
query Statuses($keys: [AssetKeyInput!]!) {
  assetNodes(assetKeys: $keys) {
    assetKey { path }
    assetPartitionStatuses {
      ... on TimePartitionStatuses { ranges { startKey endKey status } }
    }
    assetChecksOrError {
      ... on AssetChecks {
        checks {
          executionForLatestMaterialization { status }
          partitionStatuses {
            ... on AssetCheckTimePartitionStatuses { ranges { startKey endKey status } }
          }
        }
      }
    }
  }
}"""

RUNS = """
query Runs($backfill: String!) {
  runsOrError(filter: {tags: [{key: "dagster/backfill", value: $backfill}]}) {
    ... on Runs { results { status stepStats { stepKey status } } }
  }
}"""


def _keys(*groups: str) -> list[dict[str, Any]]:
    """The assets of these groups, as the browser names them."""
    specs = definitions(Settings.parse(os.environ)).resolve_all_asset_specs()
    assert {spec.group_name for spec in specs} >= set(groups)
    return [{"path": list(spec.key.path)} for spec in specs if spec.group_name in groups]


def _materialized(url: str, chosen: list[dict[str, Any]], partitions: Iterable[str]) -> str:
    """The id of a backfill of the chosen assets and of those that Dagster says go with them."""
    more = _ask(url, NEIGHBOURS, keys=chosen)["assetNodeAdditionalRequiredKeys"]
    params = {"assetSelection": [*chosen, *more], "partitionNames": list(partitions)}
    launched = _ask(url, BACKFILL, params=params | {"fromFailure": False})
    found = launched["launchPartitionBackfill"]
    assert found["__typename"] == "LaunchBackfillSuccess", found
    backfill: str = found["backfillId"]
    return backfill


def _statuses(url: str, day: str) -> tuple[dict[str, set[str]], set[str | None]]:
    """Of the layers' assets: those of each status that the day has; and of their checks the
    statuses that the day has, and those of their newest execution.
    """
    by_status: dict[str, set[str]] = {}
    checks: set[str | None] = set()
    for node in _ask(url, STATUSES, keys=_keys(*LAYERS))["assetNodes"]:
        for part in node["assetPartitionStatuses"]["ranges"]:
            if part["startKey"] <= day <= part["endKey"]:
                asset = "/".join(node["assetKey"]["path"])
                by_status.setdefault(part["status"], set()).add(asset)
        for check in node["assetChecksOrError"]["checks"]:
            checks.add((check["executionForLatestMaterialization"] or {}).get("status"))
            of_days = (check["partitionStatuses"] or {}).get("ranges", [])
            checks |= {p["status"] for p in of_days if p["startKey"] <= day <= p["endKey"]}
    return by_status, checks


@pytest.fixture
def dagster(drill_source: None, tmp_path: Path) -> Iterator[str]:
    """The address of Dagster's own servers, which have loaded the definitions."""
    with _dagster_dev(tmp_path / "dagster-dev.log") as url:
        _wait_for("the code location", lambda: _loaded(url))
        yield url


def _exported(*versions: Version) -> S3Objects:
    """The bucket, with RDS snapshot exports of these days."""
    objects = S3Objects.of(Settings.parse(os.environ))
    for version in versions:
        export_as_rds(Url(os.environ["MEDIATOOL_POSTGRES_URL"]), objects.put, version)
    return objects


def _ended_with(url: str, what: str, backfill: str) -> str:
    status: str = _wait_for(what, partial(ended, url, backfill))["status"]
    return status


def test_the_asset_graph_backfills_every_layer_or_refuses(dagster: str) -> None:
    """All layers of a day are made of its RDS export.

    A day that has nothing to be made from is refused by its first step, and nothing becomes red.
    """
    objects = _exported(ALONE)
    made, refused = (
        _materialized(dagster, _keys(*LAYERS), [day]) for day in (ALONE.partition, NOTHING)
    )
    assert _ended_with(dagster, "all layers", made) == "COMPLETED_SUCCESS"
    assert _ended_with(dagster, "the refusal", refused) == "COMPLETED_FAILED"
    by_status, _ = _statuses(dagster, ALONE.partition)
    assert set(by_status) == {"MATERIALIZED"}
    assert catalog.read(objects, ALONE).source.type == "rds"
    by_status, checks = _statuses(dagster, NOTHING)
    assert "FAILED" not in by_status
    assert not checks & {"FAILED", "EXECUTION_FAILED", "IN_PROGRESS"}
    [run] = _ask(dagster, RUNS, backfill=refused)["runsOrError"]["results"]
    failed = [step["stepKey"] for step in run["stepStats"] if step["status"] == "FAILURE"]
    assert (run["status"], failed) == ("CANCELED", ["export"])


@pytest.mark.nightly
def test_the_asset_graph_backfills_some_layers_and_one_asset(dagster: str) -> None:
    """Two layers, of a day that is there and one that is not; and one asset."""
    objects = _exported(FIRST, SECOND)
    first, second = FIRST.partition, SECOND.partition
    one = [{"path": ["transformed", "campaigns"]}, {"path": ["raw", "campaigns"]}]
    asked = {
        "all layers": _materialized(dagster, _keys(*LAYERS), [first]),
        "two layers": _materialized(dagster, _keys("raw", "transformed"), [first, second]),
        "one asset": _materialized(dagster, one, [today()]),
    }
    ends = {what: _ended_with(dagster, what, backfill) for what, backfill in asked.items()}
    assert set(ends.values()) == {"COMPLETED_SUCCESS"}, ends
    by_status, _ = _statuses(dagster, first)
    assert set(by_status) == {"MATERIALIZED"}
    assert catalog.latest(objects, first).version == FIRST
    by_kind = {
        k: list(objects.list(f"postgres-exports/{k}/{second}/")) for k in ("raw", "metadata")
    }
    assert (len(by_kind["raw"]), by_kind["metadata"]) == (1, [])
