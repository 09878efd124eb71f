"""A version that is made and is not as it should be: exit code 1, and what checks say so."""

import json
import os
from collections.abc import Iterator

import dagster as dg
import psycopg
import pytest

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version
from mediatool_assets.definitions import definitions
from mediatool_assets.export.command import DayMade
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.fixtures.dagster_day import a_small_source, today

pytestmark = pytest.mark.usefixtures("as_any_other_process")


@pytest.fixture
def small_source(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Three tables, a model and a bucket."""
    with a_small_source(stack, tmp_path_factory):
        yield


@pytest.mark.usefixtures("small_source")
def test_a_red_check_is_exit_code_1(mediatool: Run) -> None:
    """The version is there, and stderr names the checks."""
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions(Settings.parse(os.environ)).resolve_job_def("on_demand_export")
        assert job.execute_in_process(partition_key=today(), instance=instance).success
    with psycopg.connect(os.environ["MEDIATOOL_POSTGRES_URL"]) as connection:
        connection.execute("DELETE FROM media_tool.accounts")
    red = mediatool("export", "--json")
    assert red.code == 1
    assert "the version is complete, but checks failed: raw/accounts: as_usual" in red.err
    found = "raw/accounts: as_usual: accounts: is empty, and had 2 rows"
    assert found in json.loads(red.out)["failed_checks"]
    objects = S3Objects.of(Settings.parse(os.environ))
    assert catalog.read(objects, Version.parse(json.loads(red.out)["version"]))


def test_a_day_of_a_range_names_them_too() -> None:
    """Below the day that was made."""
    made = DayMade("2026-11-24", "made", "20261124-020000", failed_checks=("dump: dumped: x",))
    assert str(made) == "2026-11-24: 20261124-020000 is made\n  failed: dump: dumped: x"
