"""A day of which MEDIATOOL_EXCLUDE_TABLES leaves a table out, from the source to the metadata."""

import os

import dagster as dg
import pytest

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version
from mediatool_assets.definitions import definitions
from mediatool_assets.export.flow import BY_SETTING
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets_tests.fixtures.dagster_day import DDL, environment, source_of, today

MODEL = "tables: {accounts: , campaigns: , drafts: }\none_to_one: [accounts, campaigns, drafts]\n"


@pytest.mark.parametrize(
    ("change", "reason", "rows"),
    [
        ("", BY_SETTING, 1),
        ("DROP TABLE drafts;", f"{BY_SETTING}; the source has no such table", 0),
    ],
    ids=["there", "dropped"],
)
def test_an_excluded_table_is_told_of_and_is_nowhere_else(
    stack: Stack,
    tmp_path_factory: pytest.TempPathFactory,
    change: str,
    reason: str,
    rows: int,
) -> None:
    """The metadata has its rows and the reason; no check takes it for lost or empty.

    A table that was dropped is left out so too, and the model may go on naming it.
    """
    with (
        source_of(stack, tmp_path_factory.mktemp("home"), DDL + change, MODEL),
        environment(MEDIATOOL_EXCLUDE_TABLES="drafts"),
        dg.DagsterInstance.ephemeral() as instance,
    ):
        settings = Settings.parse(os.environ)
        job = definitions(settings).resolve_job_def("daily_export")
        result = job.execute_in_process(partition_key=today(), instance=instance)
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        version = Version.parse(run.tags["mediatool/version"])
        metadata = catalog.read(S3Objects.of(settings), version)
    assert [one for one in result.get_asset_check_evaluations() if not one.passed] == []
    assert metadata.exports.raw.excluded == {"drafts": reason}
    assert metadata.exports.raw.excluded_rows == {"drafts": rows}
    assert metadata.exports.raw.rows == {"accounts": 2, "campaigns": 2}
    assert metadata.exports.transformed.collections == ("accounts", "campaigns")
    assert "drafts was excluded from the export: it has no rows here" in metadata.warnings


def test_a_renamed_table_is_told_with_its_new_name_and_the_model_s_lines(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The run says so at once, when the archive is there and before anything is made of it."""
    model = MODEL.replace("drafts: ", "drafts: {columns: [id]}")
    ddl = DDL + "ALTER TABLE drafts RENAME TO sketches;"
    with (
        source_of(stack, tmp_path_factory.mktemp("home"), ddl, model),
        dg.DagsterInstance.ephemeral() as instance,
    ):
        job = definitions(Settings.parse(os.environ)).resolve_job_def("daily_export")
        partition = today()
        result = job.execute_in_process(
            partition_key=partition, instance=instance, raise_on_error=False
        )
    [failed] = result.get_step_failure_events()
    data = failed.step_failure_data
    assert data.error is not None
    assert (
        "model.yaml:1: the source has no table drafts, and sketches is new and has its columns: if "
        "it was renamed, write sketches here and on line 2, else take it out of the model"
    ) in data.error.to_string()
