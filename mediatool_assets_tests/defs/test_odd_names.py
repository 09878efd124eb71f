"""A day of a table whose name Dagster cannot take: every check is asked and answered of it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
import pytest
from pymongo import MongoClient

from mediatool_assets.alerts.assets import checked, ui_links
from mediatool_assets.alerts.messages import Observations, Problem
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version
from mediatool_assets.definitions import definitions
from mediatool_assets.defs.launch import failed_checks
from mediatool_assets.orchestration import key, name_of, shown, warnings_of
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.fixtures.dagster_day import source_of, today

ODD = "Weird Name/1"
ENCODED = "Weird-20Name-2F1"

MODEL = """
tables: {"Weird Name/1": , plain: }
collections:
  plain: plain
  "Weird Name/1":
    root: "Weird Name/1"
    add:
      label: {look_up: plain_id -> plain.id, take: label}
"""
DDL = """
CREATE SCHEMA media_tool;
SET search_path TO media_tool;
CREATE TABLE plain (id int PRIMARY KEY, label text);
CREATE TABLE "Weird Name/1" (id int PRIMARY KEY, plain_id int);
INSERT INTO plain VALUES (1, 'a');
INSERT INTO "Weird Name/1" VALUES (1, 1), (2, 1);
"""


@dataclass(frozen=True)
class OddDay:
    """A version of the odd source, and the job that made it."""

    version: Version
    defs: dg.Definitions
    instance: dg.DagsterInstance
    result: dg.ExecuteInProcessResult


@pytest.fixture(scope="module")
def odd_day(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OddDay]:
    """The daily job's run, in a source and a bucket of its own."""
    with (
        source_of(stack, tmp_path_factory.mktemp("odd"), DDL, MODEL),
        dg.DagsterInstance.ephemeral() as instance,
    ):
        defs = definitions(Settings.parse(os.environ))
        job = defs.resolve_job_def("daily_export")
        result = job.execute_in_process(partition_key=today(), instance=instance)
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        yield OddDay(Version.parse(run.tags["mediatool/version"]), defs, instance, result)


def test_every_layer_and_check_is_of_the_table(odd_day: OddDay) -> None:
    """Each layer is made and each of its checks is answered, under the encoded key."""
    events = odd_day.result.get_asset_materialization_events()
    made = {event.materialization.asset_key for event in events}
    layers = ("raw", "postgres", "transformed", "mongodb")
    assert {asset.path[0] for asset in made if asset.path[-1] == ENCODED} == set(layers)
    found = odd_day.result.get_asset_check_evaluations()
    of_it = {
        (one.asset_key.path[0], one.check_name) for one in found if name_of(one.asset_key) == ODD
    }
    assert of_it == {
        ("raw", "counted"), ("raw", "as_usual"), ("transformed", "as_usual"), ("mongodb", "loaded")
    }  # fmt: skip
    assert [one for one in found if not one.passed] == []


def test_its_red_check_is_told_by_the_tables_own_name(odd_day: OddDay) -> None:
    """Alert, link and command line say the name; the link's address is the key's."""
    url = os.environ["MEDIATOOL_MONGODB_URL"]
    with MongoClient[dict[str, object]](url) as client:
        client[mongodb_database(odd_day.version)][ODD].delete_one({"_id": 2})
    job = odd_day.defs.resolve_implicit_global_asset_job_def()
    check = dg.AssetCheckKey(key("mongodb", ODD), "loaded")
    alone = job.get_subset(asset_selection=set(), asset_check_selection={check})
    result = alone.execute_in_process(partition_key=today(), instance=odd_day.instance)
    [found] = result.get_asset_check_evaluations()
    now = datetime.now(UTC)
    problem = checked(found, today(), now, now)
    assert isinstance(problem, Problem)
    assert problem.thing == f"mongodb/{ODD}: loaded"
    [line] = failed_checks(result.all_events)
    assert line.startswith(f"mongodb/{ODD}: loaded: ")
    settings = Settings(dagster_url="http://dagster.example")
    links = ui_links(settings, Observations(now, (problem,)))
    assert links == {
        f"mongodb/{ODD}": f"http://dagster.example/assets/mongodb/{ENCODED}?view=checks"
    }


@pytest.mark.parametrize("name", [ODD, "Größe, in cm", "a-b", "a_b", "sales.orders", "50%", "-2F"])
def test_a_key_gives_its_name_back(name: str) -> None:
    """No two names share a key, and people read the name."""
    assert name_of(key("raw", name)) == name
    assert shown(key("raw", name)) == f"raw/{name}"


@pytest.mark.parametrize(
    ("name", "told"),
    [(ODD, [1, 3]), ("sales.orders", [2, 3]), ("orders", [3])],
)
def test_a_warning_is_of_the_table_that_it_names(name: str, told: list[int]) -> None:
    """By the whole name, odd or with its schema's; what names no table is told of all."""
    warnings = {
        1: f"{ODD}.plain_id: 2 references find nothing",
        2: "sales.orders: no rows are left",
        3: "the clocks differ",
    }
    found = warnings_of(name, warnings.values(), [ODD, "sales.orders", "orders"])
    assert found == {"warnings": [warnings[number] for number in told]}
