"""A user's own downstream assets get tables, collections and documents by asking for them."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import dagster as dg
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mediatool_assets import (
    DAYS,
    ArchiveHandle,
    Documents,
    LiveDatabase,
    LiveDocuments,
    RestoredDatabase,
    TableRows,
    Version,
)
from mediatool_assets.orchestration.io_managers import Stored
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.fixtures.dagster_day import Day


@dg.asset(partitions_def=DAYS, ins={"campaigns": dg.AssetIn(key=["raw", "campaigns"])})
def budgets(campaigns: pd.DataFrame) -> dict[str, Decimal]:
    """A table as a data frame."""
    return dict(campaigns.set_index("id")["budget"].dropna())


@dg.asset(partitions_def=DAYS, ins={"campaigns": dg.AssetIn(key=["raw", "campaigns"])})
def polars_ids(campaigns: pl.DataFrame) -> list[str]:
    """A table as a polars frame."""
    return list(campaigns["id"].sort())


@dg.asset(partitions_def=DAYS, ins={"campaigns": dg.AssetIn(key=["raw", "campaigns"])})
def duckdb_sum(campaigns: duckdb.DuckDBPyRelation) -> Decimal:
    """A table as a DuckDB relation."""
    ((total,),) = campaigns.aggregate("sum(budget::DECIMAL(18,2))").fetchall()
    return Decimal(total)


@dg.asset(partitions_def=DAYS, ins={"campaigns": dg.AssetIn(key=["raw", "campaigns"])})
def moments(campaigns: pa.Table) -> list[datetime | None]:
    """A table as an Arrow table."""
    return list(campaigns.column("created_at").to_pylist())


@dg.asset(partitions_def=DAYS, ins={"accounts": dg.AssetIn(key=["raw", "accounts"])})
def names(accounts: TableRows) -> dict[str, Any]:
    """A table as a handle that streams."""
    lines = [line for batch in accounts.batches() for line in batch]
    return {"rows": accounts.rows, "lines": len(lines), "names": [r["name"] for r in accounts]}


@dg.asset(partitions_def=DAYS, ins={"campaigns": dg.AssetIn(key=["transformed", "campaigns"])})
def account_names(campaigns: pd.DataFrame) -> list[str]:
    """A collection of the transformed archive as a data frame."""
    return list(campaigns.sort_values("_id")["accountName"].fillna("nobody"))


@dg.asset(partitions_def=DAYS, ins={"campaigns": dg.AssetIn(key=["transformed", "campaigns"])})
def streamed(campaigns) -> int:  # type: ignore[no-untyped-def]  # unannotated on purpose
    """A collection without an annotation is a lazy handle."""
    assert isinstance(campaigns, Documents)
    return sum(len(batch) for batch in campaigns.batches())


@dg.asset(partitions_def=DAYS, ins={"accounts": dg.AssetIn(key=["mongodb", "accounts"])})
def live(accounts: LiveDocuments) -> list[object]:
    """A collection of the MongoDB database, read from the server."""
    return [document["_id"] for document in accounts]


@dg.asset(partitions_def=DAYS)
def dumped(dump: ArchiveHandle) -> int:
    """The dump as a whole, and a collection of it."""
    return len(dump.collection("accounts").to_pandas())


@dg.asset(partitions_def=DAYS)
def exported(raw_archive: ArchiveHandle) -> dict[str, int]:
    """The raw archive as a whole, and a table of it."""
    return {"rows": raw_archive.rows, "accounts": raw_archive.table("accounts").rows}


@dg.asset(partitions_def=DAYS)
def documents(metadata: dict[str, Any], registry: list[Any]) -> tuple[str, list[str]]:
    """The metadata of the version and the registry, as parsed JSON."""
    return metadata["timestamp"], [entry["version"] for entry in registry]


@dg.asset(
    partitions_def=DAYS,
    ins={
        "recent": dg.AssetIn(
            key=["raw", "accounts"],
            partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-2, end_offset=0),
        )
    },
)
def week(recent: Mapping[str, TableRows]) -> list[str]:
    """Several partitions: those that have a version, by partition."""
    return list(recent)


@dg.asset(
    partitions_def=DAYS,
    io_manager_key="json_documents",
    metadata={"mediatool/key": "comparison-reports/{partition}/of-a-user.json"},
)
def report() -> dict[str, int]:
    """A JSON document of the user's own, at a key of its partition."""
    return {"rows": 2}


@dg.asset(partitions_def=DAYS)
def reported(report: dict[str, int]) -> int:
    """The document, read back."""
    return report["rows"]


@dg.asset(partitions_def=DAYS, io_manager_key="tables")
def misplaced() -> int:
    """A user's value under an IO manager of the platform's."""
    return 1


def _asked(day: Day, *assets: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
    """The user's assets beside the platform's, materialized alone for the day's version."""
    defs = dg.Definitions.merge(
        day.defs, dg.Definitions(assets=assets, resources={"io_manager": dg.mem_io_manager})
    )
    with dg.DagsterInstance.ephemeral() as instance:
        return defs.resolve_implicit_global_asset_job_def().execute_in_process(
            partition_key=day.partition,
            instance=instance,
            asset_selection=[asset.key for asset in assets],
            tags={"mediatool/version": str(day.version)},
            raise_on_error=False,
        )


def test_the_user_s_assets_get_what_they_ask_for(day: Day) -> None:
    """Annotated inputs come typed and whole, others as handles that stream; no value changed."""
    assets = [budgets, moments, names, account_names, streamed, live, dumped, exported]
    assets = [*assets, week, documents, polars_ids, duckdb_sum]
    result = _asked(day, *assets)
    assert result.success
    values = {asset.key.path[-1]: result.output_for_node(asset.op.name) for asset in assets}
    versions = values["documents"][1]
    assert values == {
        "budgets": {"1": Decimal("1.50")},
        "polars_ids": ["1", "2"],
        "duckdb_sum": Decimal("1.50"),
        "moments": [datetime(2025, 6, 1, 10, 0, 0, 123456, UTC), None],
        "names": {"rows": 2, "lines": 2, "names": ["Åre", ""]},
        "account_names": ["Åre", "nobody"],
        "streamed": 2,
        "live": ["a", "b"],
        "dumped": 2,
        "exported": {"rows": 5, "accounts": 2},
        "week": [day.partition],
        "documents": (str(day.version), versions),
    }
    assert str(day.version) in versions


def test_a_value_of_the_user_s_is_refused(day: Day) -> None:
    """The platform's IO managers keep the platform's assets only, and say so."""
    result = _asked(day, misplaced)
    assert not result.success
    (failure,) = [e.step_failure_data for e in result.all_events if e.is_step_failure]
    assert "give the asset an IO manager of its own" in str(failure)


WRONG = Stored(Version.parse("20250101-000000"), "s3://b/k", 3, 4, "digest")


@pytest.mark.parametrize(
    ("manager", "key"),
    [
        ("tables", ["raw", "accounts"]),
        ("collections", ["transformed", "accounts"]),
        ("archives", ["raw_archive"]),
        ("archives", ["transformed_archive"]),
        ("archives", ["dump"]),
        ("database", ["mongodb", "accounts"]),
        ("database", ["mongodb_database"]),
        ("restored_tables", ["postgres", "accounts"]),
        ("restored_database", ["postgres_database"]),
        ("json_documents", ["metadata"]),
    ],
)
def test_what_the_store_does_not_have_is_not_recorded(
    day: Day, manager: str, key: list[str]
) -> None:
    """A step that says that it stored something else fails with both."""
    assert day.defs.resources is not None
    context = dg.build_output_context(asset_key=key, definition_metadata={})
    says = r"the step stored 3 rows, 4 bytes, .*, but the store has "
    with pytest.raises(dg.Failure, match=says):
        day.defs.resources[manager].handle_output(context, replace(WRONG, version=day.version))


def test_the_databases_and_archives_are_inputs_as_a_whole(day: Day) -> None:
    """Their handles say where they are and what is in them."""

    @dg.asset(partitions_def=DAYS)
    def wholes(
        transformed_archive: ArchiveHandle,
        mongodb_database: LiveDatabase,
        postgres_database: RestoredDatabase,
    ) -> list[object]:
        return [
            transformed_archive.version,
            len(transformed_archive.collection("accounts").to_pandas()),
            mongodb_database.rows,
            [document["name"] for document in mongodb_database.collection("accounts")],
            dict(postgres_database.rows),
            postgres_database.uri,
        ]

    value = _asked(day, wholes).output_for_node("wholes")
    database = f"media_tool_{day.version}"
    rows = {"accounts": 2, "campaigns": 2, "drafts": 1}
    assert value[:-1] == [day.version, 2, 5, ["Åre", ""], rows]
    assert value[-1].endswith(f"/{database}")
    assert "@" not in value[-1]


def test_a_json_document_is_written_and_read_at_its_key(
    day: Day, bucket_objects: S3Objects
) -> None:
    """The document lies where its asset says; making it again replaces it."""
    key = f"comparison-reports/{day.partition}/of-a-user.json"
    for _ in range(2):
        result = _asked(day, report, reported)
        assert result.success
        assert result.output_for_node("reported") == 2
    data, _ = bucket_objects.get(key)
    assert json.loads(data) == {"rows": 2}
    bucket_objects.client.delete_object(Bucket=bucket_objects.bucket, Key=key)


def test_outside_of_a_run_the_newest_version_is_read(day: Day) -> None:
    """A notebook can load an asset's value by its partition."""
    with dg.DagsterInstance.ephemeral() as instance:
        value = day.defs.load_asset_value(
            ["raw", "accounts"], partition_key=day.partition, instance=instance
        )
    assert isinstance(value, TableRows)
    assert value.rows == 2


@dg.asset(partitions_def=DAYS, ins={"campaigns": dg.AssetIn(key=["raw", "campaigns"])})
def wrongly_annotated(campaigns: set) -> int:  # type: ignore[type-arg]  # wrong on purpose
    """A table as something that it cannot be."""
    return len(campaigns)


@dg.asset(partitions_def=DAYS)
def wrongly_framed(dump: pd.DataFrame) -> int:
    """An archive as a table."""
    return len(dump)


@dg.asset(partitions_def=DAYS, io_manager_key="parquet")
def wrongly_made() -> list[int]:
    """A value that is no table."""
    return [1]


@pytest.mark.parametrize(
    ("asset", "says"),
    [
        (wrongly_annotated, "raw/campaigns cannot be given as set; annotate the parameter as "),
        (wrongly_annotated, "pandas.DataFrame, pyarrow.Table, polars.DataFrame, duckdb.DuckDBPyR"),
        (wrongly_annotated, "or as mediatool_assets.TableRows, a handle"),
        (wrongly_framed, "dump cannot be given as pandas.*; annotate the parameter as mediatool_"),
        (wrongly_made, "wrongly_made returned list; the IO manager `parquet` stores pandas.DataF"),
    ],
)
def test_a_wrong_annotation_is_told_the_right_ones(
    day: Day, asset: dg.AssetsDefinition, says: str
) -> None:
    """The step fails with what may be written instead."""
    result = _asked(day, asset)
    (failure,) = [e.step_failure_data for e in result.all_events if e.is_step_failure]
    assert failure.user_failure_data is not None
    assert re.search(says, failure.user_failure_data.description or "")


@dg.asset(partitions_def=DAYS, io_manager_key="parquet")
def of_pandas() -> pd.DataFrame:
    """Nothing but nulls, of a type."""
    return pd.DataFrame({"n": pd.array([None, None], dtype="Int64"), "t": ["a", "b"]})


@dg.asset(partitions_def=DAYS, io_manager_key="parquet")
def of_polars(of_pandas: pl.DataFrame) -> pl.DataFrame:
    """The same frame by polars."""
    return of_pandas


@dg.asset(partitions_def=DAYS, io_manager_key="parquet")
def of_arrow(of_polars: pa.Table) -> pa.Table:
    """The same frame by Arrow, without its rows."""
    return of_polars.slice(0, 0)


@dg.asset(partitions_def=DAYS, io_manager_key="parquet")
def of_duckdb(of_arrow: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The same frame by DuckDB."""
    return of_arrow


@dg.asset(
    partitions_def=DAYS,
    ins={
        "of_duckdb": dg.AssetIn(
            partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=0),
            metadata={"allow_missing_partitions": True},
        )
    },
)
def of_days(of_duckdb: dict[str, pa.Table]) -> dict[str, list[str]]:
    """Several partitions, of which one was made: its columns."""
    return {day: [str(f.type) for f in table.schema] for day, table in of_duckdb.items()}


def test_tables_go_through_parquet_in_every_form(day: Day, bucket_objects: ObjectStore) -> None:
    """Types are those of the columns, with all values null or no row at all."""
    result = _asked(day, of_pandas, of_polars, of_arrow, of_duckdb, of_days)
    assert result.success
    assert result.output_for_node("of_days") == {day.partition: ["int64", "string"]}
    for name, rows in (("of_pandas", 2), ("of_polars", 2), ("of_arrow", 0), ("of_duckdb", 0)):
        (made,) = result.asset_materializations_for_node(name)
        assert made.metadata["dagster/row_count"].value == rows
        key = f"user-assets/{name}/{day.partition}.parquet"
        assert made.metadata["dagster/uri"].value == bucket_objects.uri(key)
        assert bucket_objects.head(key) is not None
