"""Two sources side by side, each from ten lines of YAML, and nothing of one taken for the other."""

import os
import warnings
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import boto3
import dagster as dg
import psycopg
import pytest
import yaml
from dagster.components.testing import create_defs_folder_sandbox
from psycopg import sql

from mediatool_assets import DAYS, PostgresToMongo
from mediatool_assets.core.errors import BadSettings, Misuse
from mediatool_assets.orchestration import Namespace
from mediatool_assets.query.handles import ArchiveHandle, TableRows
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets_tests.fixtures.dagster_day import DDL, MODEL, environment, today

REPORTS = ("_report", "_comparison")


@pytest.fixture(scope="module")
def project(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.Definitions]:
    """The definitions of a project's defs folder with two sources, each with a bucket."""
    s3 = boto3.client("s3", endpoint_url=stack.environment["MEDIATOOL_S3_ENDPOINT_URL"])
    server = stack.environment["MEDIATOOL_RESTORE_POSTGRES_URL"]
    shared = {**stack.environment, "MEDIATOOL_HOME": str(tmp_path_factory.mktemp("home"))}
    shared |= {"MEDIATOOL_WORKERS": "1"}
    with environment(**shared), create_defs_folder_sandbox() as sandbox:
        for hour, prefix in enumerate(("billing", "ads")):
            name = f"test-{prefix}-{uuid4().hex[:12]}"
            s3.create_bucket(Bucket=name)
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
            with psycopg.connect(url) as connection:
                connection.execute(DDL.encode())
                if prefix == "ads":
                    connection.execute("DELETE FROM media_tool.campaigns")
            folder = sandbox.defs_folder_path / prefix
            folder.mkdir()
            attributes = {
                "key_prefix": prefix,
                "settings": {
                    "postgres_url": "{{ env." + f"{prefix.upper()}_POSTGRES_URL" + " }}",
                    "s3_bucket": name,
                    "schedule_hour": hour,
                    "targets": "mongodb",
                },
            }
            os.environ[f"{prefix.upper()}_POSTGRES_URL"] = url
            document = {"type": "mediatool_assets.PostgresToMongo", "attributes": attributes}
            (folder / "defs.yaml").write_text(yaml.safe_dump(document))
            (folder / "model.yaml").write_text(MODEL)
        watch = sandbox.defs_folder_path / "watch"
        watch.mkdir()
        (watch / "defs.yaml").write_text("type: mediatool_assets.Watch\n")
        with warnings.catch_warnings():  # Dagster's own, of its links to the file
            warnings.simplefilter("ignore", dg.BetaWarning)
            with sandbox.build_all_defs() as defs:
                yield defs
        for prefix in ("billing", "ads"):
            del os.environ[f"{prefix.upper()}_POSTGRES_URL"]


def test_two_sources_are_one_location(project: dg.Definitions) -> None:
    """Every asset, job, schedule and sensor is there once for each of them."""
    dg.Definitions.validate_loadable(project)
    graph = project.resolve_asset_graph()
    found = {key.path[0] for key in graph.get_all_asset_keys()}
    assert found == {"billing", "ads"}
    assert dg.AssetKey(["ads", "raw", "accounts"]) in graph.get_all_asset_keys()
    repository = project.get_repository_def()
    ours = [name for name in repository.job_names if not name.startswith("__")]
    assert {"billing_daily_export", "ads_daily_export"} <= set(ours)
    assert {schedule.cron_schedule for schedule in repository.schedule_defs} >= {
        "0 0 * * *",
        "0 1 * * *",
    }
    assert [s.name for s in repository.sensor_defs].count("alert_sensor") == 1


def test_each_makes_versions_of_its_own_source(project: dg.Definitions) -> None:
    """Both in one instance: own assets, own tags, own rows; what is read is its own version."""

    @dg.asset(
        partitions_def=DAYS,
        ins={
            **{prefix: dg.AssetIn([prefix, "raw", "campaigns"]) for prefix in ("billing", "ads")},
            "dump": dg.AssetIn(["billing", "dump"]),
        },
    )
    def both(billing: TableRows, ads: TableRows, dump: ArchiveHandle) -> list[int]:
        """The tables of the same name of both sources, and all documents of one."""
        return [billing.rows, ads.rows, dump.collection("campaigns").rows]

    with dg.DagsterInstance.ephemeral() as instance:
        for prefix, campaigns in (("billing", 2), ("ads", 0)):
            job = project.resolve_job_def(f"{prefix}_daily_export")
            keys = job.asset_layer.executable_asset_keys
            result = job.execute_in_process(
                partition_key=today(),
                instance=instance,
                asset_selection=[key for key in keys if not key.path[-1].endswith(REPORTS)],
            )
            assert result.success
            made = result.get_asset_materialization_events()
            assert {each.asset_key.path[0] for each in made if each.asset_key} == {prefix}
            facts = {each.asset_key: each.materialization.metadata for each in made}
            table = facts[dg.AssetKey([prefix, "raw", "campaigns"])]
            assert table["dagster/row_count"].value == campaigns
            lineage = facts[dg.AssetKey([prefix, "transformed", "campaigns"])]
            columns = lineage["dagster/column_lineage"].value.deps_by_column  # type: ignore[union-attr]
            assert {d.asset_key.path[0] for deps in columns.values() for d in deps} == {prefix}
            checks = result.get_asset_check_evaluations()
            assert all(each.passed for each in checks)
            assert {each.asset_key.path[0] for each in checks} == {prefix}
            run = instance.get_run_by_id(result.run_id)
            assert run is not None
            tags = [tag for tag in run.tags if tag.startswith("mediatool/version")]
            assert tags == [f"mediatool/version.{prefix}"]
        whole = dg.Definitions.merge(
            project, dg.Definitions(assets=[both], resources={"io_manager": dg.mem_io_manager})
        )
        read = whole.resolve_implicit_global_asset_job_def().execute_in_process(
            partition_key=today(), instance=instance, asset_selection=[both.key]
        )
        assert read.output_for_node("both") == [2, 0, 2]


def test_a_setting_that_does_not_exist_is_named() -> None:
    """Loading names every mistake of the file."""
    component = PostgresToMongo(settings={"postgres_uri": "x", "bucket": "y"})
    with pytest.raises(BadSettings) as error:
        component.build_defs(dg.ComponentTree.for_test().load_context)
    assert "postgres_uri" in str(error.value)
    assert "bucket" in str(error.value)


def test_a_prefix_is_no_layer_and_a_name() -> None:
    """A prefix that keys begin with already would make two assets one."""
    with pytest.raises(Misuse, match="name of a layer"):
        Namespace("raw").assets([dg.AssetSpec(["raw", "accounts"])])
    with pytest.raises(Misuse, match="is invalid"):
        Namespace("Bill-ing")


def test_the_component_is_scaffolded() -> None:
    """``dg scaffold`` writes ten lines that name the source's own variables."""
    with create_defs_folder_sandbox() as sandbox:
        folder = sandbox.scaffold_component(
            component_cls=PostgresToMongo, defs_path="billing", scaffold_params={}
        )
        text = (folder / "defs.yaml").read_text()
    written = yaml.safe_load(text)
    assert written["type"] == "mediatool_assets.component.PostgresToMongo"
    assert written["attributes"]["key_prefix"] == "billing"
    assert written["attributes"]["settings"]["postgres_url"] == "{{ env.BILLING_POSTGRES_URL }}"
    assert len([line for line in text.splitlines() if line.strip()]) <= 10
