"""OpenLineage's receiver gets what Dagster knows of columns."""

import sys
import time
from typing import Any

import dagster as dg
import pytest

from mediatool_assets.orchestration import lineage_sensors
from mediatool_assets_tests.receiver import Receiver, receiver

_PATIENCE_SECONDS = 120.0

RAW, DOCUMENTS = dg.AssetKey(["raw", "accounts"]), dg.AssetKey(["transformed", "accounts"])


@dg.asset(key=RAW)
def table() -> dg.MaterializeResult[None]:
    """A table with its columns, as the raw layer has them."""
    columns = dg.TableSchema([dg.TableColumn("id", "int")])
    return dg.MaterializeResult(metadata={"dagster/column_schema": columns})


@dg.asset(key=DOCUMENTS, deps=[RAW])
def collection() -> dg.MaterializeResult[None]:
    """A collection, and what its field is made of."""
    lineage = dg.TableColumnLineage({"_id": [dg.TableColumnDep(RAW, "id")]})
    return dg.MaterializeResult(metadata={"dagster/column_lineage": lineage})


def _facets(found: Receiver) -> dict[str, Any]:
    """What arrived of each asset whose step has ended."""
    return {
        output["name"]: output["facets"]
        for event in list(found.arrived)
        if event["eventType"] == "COMPLETE"
        for output in event["outputs"]
    }


@pytest.mark.filterwarnings("ignore:.*get_event_records")  # by which the package reads events
def test_columns_and_their_lineage_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a real HTTP server: the schema of the table, and the column that the field is of."""
    for name in [name for name in sys.modules if name.startswith("dagster_openlineage")]:
        monkeypatch.delitem(sys.modules, name)  # it reads the URL when it is imported
    with receiver() as found, dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("OPENLINEAGE_URL", found.url.partition("/services")[0])
        [sensor] = lineage_sensors()
        defs = dg.Definitions([table, collection], sensors=[sensor])
        repository = defs.get_repository_def()
        first = sensor.evaluate_tick(
            dg.build_sensor_context(instance=instance, repository_def=repository)
        )
        job = defs.resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(instance=instance).success
        facets = _facets(found)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while len(facets) < len((RAW, DOCUMENTS)) and time.monotonic() < deadline:
            # the client sends later, and gives an event up whose receiver is slow: from the start
            context = dg.build_sensor_context(
                instance=instance, repository_def=repository, cursor=first.cursor
            )
            sensor.evaluate_tick(context)
            facets = _facets(found)
    assert [field["name"] for field in facets["raw/accounts"]["schema"]["fields"]] == ["id"]
    [source] = facets["transformed/accounts"]["columnLineage"]["fields"]["_id"]["inputFields"]
    assert (source["name"], source["field"]) == ("raw/accounts", "id")


def test_without_a_receiver_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is then not even loaded."""
    monkeypatch.delenv("OPENLINEAGE_URL", raising=False)
    assert lineage_sensors() == []
