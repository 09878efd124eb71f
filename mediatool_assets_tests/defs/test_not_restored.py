"""An object that no restore can make: the version is complete without its restored database."""

import os
from pathlib import Path

import dagster as dg

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version
from mediatool_assets.definitions import definitions
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets_tests.database_names import postgres_database
from mediatool_assets_tests.fixtures.dagster_day import DDL, MODEL, environment, source_of, today

ELSEWHERE = """
CREATE SCHEMA auth; CREATE TABLE auth.users (id int PRIMARY KEY);
CREATE VIEW media_tool.people AS SELECT id FROM auth.users;
ALTER TABLE media_tool.drafts ADD FOREIGN KEY (id) REFERENCES auth.users NOT VALID;
"""


def made(instance: dg.DagsterInstance) -> tuple[dg.ExecuteInProcessResult, Version]:
    """A version that the daily job makes."""
    job = definitions(Settings.parse(os.environ)).resolve_job_def("daily_export")
    result = job.execute_in_process(partition_key=today(), instance=instance)
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    return result, Version.parse(run.tags["mediatool/version"])


def restored_check(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    """The check of the version's PostgreSQL database."""
    checks = result.get_asset_check_evaluations()
    [found] = [check for check in checks if check.check_name == "restored"]
    return found


def test_a_version_is_complete_without_its_restored_database(
    stack: Stack, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """A red check says why, and how to leave the object out; with the setting it is restored."""
    with source_of(stack, tmp_path, DDL + ELSEWHERE, MODEL):
        objects = S3Objects.of(Settings.parse(os.environ))
        result, version = made(instance)
        metadata = catalog.read(objects, version)
        problem = metadata.databases_created.postgres_problem or ""
        assert metadata.databases_created.postgres is None
        assert 'VIEW people: relation "auth.users" does not exist' in problem
        assert "leave it out with --skip 'VIEW people' (MEDIATOOL_RESTORE_SKIP" in problem
        assert any(problem in warning for warning in metadata.warnings)
        assert any("add auth to MEDIATOOL_POSTGRES_SCHEMA" in w for w in metadata.warnings)
        check = restored_check(result)
        assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
        assert problem in str(check.description)
        assert not PostgresTarget.of(Settings.parse(os.environ)).exists(postgres_database(version))

        with environment(MEDIATOOL_RESTORE_SKIP="VIEW people"):
            result, version = made(instance)
        databases = catalog.read(objects, version).databases_created
        assert databases.postgres == postgres_database(version)
        assert databases.postgres_left_out == (
            "VIEW people: MEDIATOOL_RESTORE_SKIP names it",
            "FK CONSTRAINT drafts drafts_id_fkey: it refers to auth.users, which is not restored",
        )
        assert restored_check(result).passed
