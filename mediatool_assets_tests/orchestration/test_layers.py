"""One day through all layers, on real servers: what is made, and what Dagster is told of it."""

import os
import re
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from mediatool_assets.core import metadata as registry
from mediatool_assets.core.metadata import RestoreRecord
from mediatool_assets.core.version import archive_key
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.versions import catalog
from mediatool_assets.versions.records import restore_records
from mediatool_assets_tests.database_names import mongodb_database, postgres_database
from mediatool_assets_tests.fixtures.dagster_day import Day

HANDLED_OUTPUT = dg.DagsterEventType.HANDLED_OUTPUT
LOADED_INPUT = dg.DagsterEventType.LOADED_INPUT

ASSETS = [
    ("raw", "accounts"),
    ("raw", "campaigns"),
    ("postgres", "accounts"),
    ("postgres", "campaigns"),
    ("transformed", "accounts"),
    ("transformed", "campaigns"),
    ("mongodb", "accounts"),
    ("mongodb", "campaigns"),
    ("raw_archive",),
    ("transformed_archive",),
    ("mongodb_database",),
    ("postgres_database",),
    ("dump",),
    ("metadata",),
    ("daily_metrics_comparison",),
    ("version_comparison",),
    ("data_integrity_report",),
    ("report_site",),
    ("registry",),
]


def test_the_daily_job_makes_every_asset_once(day: Day) -> None:
    """One materialization of each asset, all in today's partition."""
    events = day.result.get_asset_materialization_events()
    made = [event.materialization.asset_key for event in events]
    assert sorted(tuple(key.path) for key in made) == sorted(ASSETS)
    assert {event.partition for event in events} == {day.partition}


@pytest.mark.parametrize("key", ASSETS[:-1], ids="/".join)
def test_every_asset_names_the_run_s_version(day: Day, key: tuple[str, ...]) -> None:
    """One run has one version for all its assets."""
    assert day.metadata(*key)["version"] == str(day.version)


@pytest.mark.parametrize("key", ASSETS[:-2], ids="/".join)
def test_what_is_stored_goes_through_an_io_manager(day: Day, key: tuple[str, ...]) -> None:
    """Each layer's IO manager has recorded where the asset is and the digest of its content."""
    handled = [e for e in day.result.all_events if e.event_type is HANDLED_OUTPUT]
    outputs = {e.event_specific_data.output_name for e in handled}  # type: ignore[union-attr]  # they have one
    assert dg.AssetKey(key).to_python_identifier() in outputs
    metadata = day.metadata(*key)
    assert "://" in str(metadata["dagster/uri"])
    assert re.fullmatch("[0-9a-f:]{32,}", str(metadata["digest"]))


def test_each_step_takes_its_input_from_an_io_manager(day: Day) -> None:
    """The whole of the layer before, once for a step; a table costs no input."""
    loaded = [e for e in day.result.all_events if e.event_type is LOADED_INPUT]
    assert sorted((e.step_key, e.event_specific_data.input_name) for e in loaded) == [  # type: ignore[union-attr]  # likewise
        ("dump", "mongodb_database"),
        ("load", "transformed_archive"),
        ("publish", "archive"),
        ("restore", "raw_archive"),
        ("transform", "raw_archive"),
    ]


@pytest.mark.parametrize("key", ASSETS[:8], ids="/".join)
def test_row_counts_are_plotted(day: Day, key: tuple[str, ...]) -> None:
    """The row counts stand under the names that Dagster's UI plots."""
    metadata = day.metadata(*key)
    assert metadata["dagster/row_count"] == metadata["dagster/partition_row_count"] == 2


def test_raw_assets_carry_the_source_s_columns(day: Day) -> None:
    """Names, exact types, keys and nullability come from the snapshot."""
    schema = day.metadata("raw", "campaigns")["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    found = [(c.name, c.type, c.constraints.nullable) for c in schema.columns]
    assert found == [
        ("id", "text", False),
        ("account_id", "text", True),
        ("budget", "numeric(12,2)", True),
        ("created_at", "timestamp with time zone", True),
    ]


def test_collections_carry_column_lineage(day: Day) -> None:
    """A looked-up field comes from the other table, by the columns that it was looked up by."""
    lineage = day.metadata("transformed", "campaigns")["dagster/column_lineage"]
    assert isinstance(lineage, dg.TableColumnLineage)
    sources = {
        (dep.asset_key.to_user_string(), dep.column_name)
        for dep in lineage.deps_by_column["accountName"]
    }
    assert ("raw/accounts", "name") in sources
    assert ("raw/campaigns", "account_id") in sources
    columns = day.metadata("transformed", "campaigns")["dagster/column_schema"]
    assert isinstance(columns, dg.TableSchema)
    assert {c.name: c.type for c in columns.columns}["budget"].startswith("decimal")
    described = {c.name: c.description for c in columns.columns}
    assert described["accountName"] == "from accounts.name, campaigns.account_id, accounts.id"


def test_a_table_that_the_model_does_not_know_is_a_warning(
    day: Day, bucket_objects: ObjectStore
) -> None:
    """It is exported and counted, becomes a collection, and is told of; it has no asset."""
    assert any("drafts" in w for w in day.metadata("raw", "campaigns")["warnings"])  # type: ignore[attr-defined]  # a list
    metadata = catalog.read(bucket_objects, day.version)
    assert metadata.exports.raw.rows["drafts"] == 1
    assert "drafts" in metadata.exports.transformed.collections
    assert any("drafts" in warning for warning in metadata.warnings)


def test_the_metadata_tells_what_was_asked_and_how_long_it_took(
    day: Day, bucket_objects: ObjectStore, local_registry: Path
) -> None:
    """Purpose, notes and the seconds of every step reach metadata and registry."""
    metadata = catalog.read(bucket_objects, day.version)
    assert (metadata.purpose, metadata.notes) == ("daily_backup", "before the migration")
    assert {"dump", "export", "load", "transform"} <= metadata.seconds.keys()
    assert {"check_raw", "check_transformed", "check_mongodb"} <= metadata.seconds.keys()
    entries = registry.registry_from_json(local_registry.read_bytes())
    assert str(day.version) in [entry.version for entry in entries]


def _of_its_database(day: Day, objects: ObjectStore) -> list[RestoreRecord]:
    """What is known of restoring the day; drills, of which others may have made some, left out."""
    database = postgres_database(day.version)
    return [each for each in restore_records(objects, day.version) if each.database == database]


def test_the_postgresql_database_is_restored_and_named(
    day: Day, bucket_objects: ObjectStore
) -> None:
    """Every table of the archive is in it, metadata and registry name it, and evidence is kept."""
    database = postgres_database(day.version)
    assert catalog.read(bucket_objects, day.version).databases_created.postgres == database
    [entry] = [e for e in catalog.registry(bucket_objects) if e.version == str(day.version)]
    assert entry.source_postgres_db == database
    server = os.environ["MEDIATOOL_RESTORE_POSTGRES_URL"].rpartition("/")[0]
    with psycopg.connect(f"{server}/{database}") as connection:
        found = connection.execute("SELECT name FROM media_tool.accounts ORDER BY id").fetchall()
    assert found == [("Åre",), ("",)]
    [evidence] = _of_its_database(day, bucket_objects)
    assert (evidence.to, evidence.database, evidence.verdict) == ("postgres", database, "verified")


def test_a_restored_database_is_adopted(day: Day, bucket_objects: ObjectStore) -> None:
    """Asked again, the step finds that the database holds the archive's rows, and makes nothing."""
    result = day.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        partition_key=day.partition,
        tags={"mediatool/version": str(day.version)},
        asset_selection=[dg.AssetKey(path) for path in ASSETS if path[0].startswith("postgres")],
        instance=day.instance,
    )
    assert result.success
    assert len(_of_its_database(day, bucket_objects)) == 1


def test_uris_say_where_it_is_and_hold_no_password(day: Day, bucket_objects: ObjectStore) -> None:
    """Archives by their keys, the database by server and name."""
    raw = day.metadata("raw", "accounts")["dagster/uri"]
    assert raw == bucket_objects.uri(archive_key("raw", day.version))
    uri = str(day.metadata("mongodb", "accounts")["dagster/uri"])
    assert uri.endswith("/" + mongodb_database(day.version))
    assert "@" not in uri
