"""Retention as the job of the daemon runs it: a plan, and nothing gone unless it is asked for."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets_tests.database_names import mongodb_database, postgres_database
from mediatool_assets_tests.defs.operated import postgres_databases, run, told
from mediatool_assets_tests.fixtures.dagster_day import Day, environment


@pytest.fixture
def pinned(day: Day, bucket_objects: S3Objects) -> Iterator[None]:
    """The day's version is pinned: another test may have made a newer one of the same day."""
    catalog.change(bucket_objects, lambda m: m.keeping(day.version, datetime.now(UTC), "me"))
    yield
    catalog.change(bucket_objects, lambda m: m.letting_go(day.version))


@pytest.mark.usefixtures("pinned")
def test_retention_only_tells_by_default(day: Day, live_database: Any) -> None:
    """The plan, every keep and drop with its reason; nothing is gone."""
    unknown = "mediatool_20200101-000000"
    live_database.client[unknown]["_mediatool_version"].insert_one({"_id": "20200101-000000"})
    facts = told(run(day, "daily_retention"))
    assert (facts["dry_run"], facts["dropped"]) == (True, 0)
    to_drop = facts["to_drop"]  # and what other tests left on the server
    plan = {record.data["name"]: record.data for record in facts["plan"]}
    assert plan[unknown]["does"] == "drop"
    assert plan[postgres_database(day.version)]["does"] == "keep"
    assert unknown in live_database.client.list_database_names()
    with environment(MEDIATOOL_PRUNE_DAILY="yes"):
        result = run(day, "daily_retention")
    assert (told(result)["dry_run"], told(result)["dropped"]) == (False, to_drop)
    assert all(check.passed for check in result.get_asset_check_evaluations())
    names = live_database.client.list_database_names()
    assert unknown not in names
    assert mongodb_database(day.version) in names
    assert postgres_database(day.version) in postgres_databases()
