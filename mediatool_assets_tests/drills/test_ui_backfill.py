"""Partitions backfilled from Dagster's UI: a past day from its RDS snapshot export, and today."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mediatool_assets.defs.pools import initialize_pools
from mediatool_assets.domain.settings import Settings
from mediatool_assets.domain.version import Version
from mediatool_assets.flows import catalog
from mediatool_assets.seed.rds_export import export_as_rds
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.defs.conftest import small_source, today
from mediatool_assets_tests.drills.test_dagster_ui import _ask, _dagster_dev, _loaded, _wait_for

__all__ = ["small_source"]  # a fixture: pytest finds it here by its name

PAST = Version(datetime(2025, 6, 20, 3, tzinfo=UTC))

BACKFILL = """
mutation Backfill($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""

STATUS = """
query Status($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
}"""


def _ended(url: str, backfill: str) -> dict[str, Any] | None:
    found: dict[str, Any] = _ask(url, STATUS, id=backfill)["partitionBackfillOrError"]
    return None if found["status"] in ("REQUESTED", "CANCELING", "FAILING") else found


@pytest.mark.usefixtures("small_source")
def test_a_backfill_from_the_ui_makes_each_day_from_what_there_is_of_it(tmp_path: Path) -> None:
    """One run a partition, by the daemon; the past day has its snapshot's version."""
    objects = S3Objects.of(Settings.parse(os.environ))
    export_as_rds(os.environ["MEDIATOOL_POSTGRES_URL"], objects, PAST)
    with dg.DagsterInstance.get() as instance:
        initialize_pools(instance)  # as the first run of the command line does
    with _dagster_dev(log := tmp_path / "dagster-dev.log") as url:
        repository = _wait_for("the code location", lambda: _loaded(url))
        params = {
            "selector": {
                "partitionSetName": "daily_export_partition_set",
                "repositorySelector": {
                    "repositoryName": repository["name"],
                    "repositoryLocationName": repository["location"]["name"],
                },
            },
            "partitionNames": [PAST.partition, today()],
        }
        launched = _ask(url, BACKFILL, params=params)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        ended = _wait_for("the backfill", lambda: _ended(url, launched["backfillId"]))
        assert ended["status"] == "COMPLETED_SUCCESS", log.read_text()[-4000:]
    assert catalog.latest(objects, PAST.partition).version == PAST
    assert catalog.read(objects, PAST).source.type == "rds"
    assert catalog.latest(objects, today()).source.type == "postgres"
