"""The sanitized copy as an asset: made by a job of its own, proved, and never without a key."""

import json
from pathlib import Path

import dagster as dg
import pytest

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import archive_key
from mediatool_assets.definitions import definitions
from mediatool_assets.orchestration import SANITIZED
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets_tests.fixtures.dagster_day import Day, environment
from mediatool_assets_tests.json_schemas import faults

KEY = bytes(i * 37 % 256 for i in range(32)).hex()
RULES = """
kinds: {account: title, campaign: token}
tables:
  accounts: {id: pseudonym campaign, name: pseudonym account}
  campaigns:
    id: pseudonym campaign
    account_id: pseudonym campaign
    budget: noise 20
    created_at: generalize month
  drafts: {id: keep}
"""


def run(day: Day, **variables: str) -> dg.ExecuteInProcessResult:
    """The job for the day's version, in an environment with these variables."""
    with environment(**variables), dg.DagsterInstance.ephemeral() as instance:
        return day.defs.resolve_job_def("sanitize_version").execute_in_process(
            partition_key=day.partition,
            instance=instance,
            tags={"mediatool/version": str(day.version)},  # other tests make newer ones
            raise_on_error=False,
        )


def failure(result: dg.ExecuteInProcessResult) -> str:
    """What the failed step says."""
    [event] = [e for e in result.all_node_events if e.is_step_failure]
    error = event.step_failure_data.error
    assert error is not None
    return (error.cause or error).message


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Rules for the day's small source."""
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


def copies(objects: ObjectStore) -> list[str]:
    """The keys of all that was made of sanitized versions."""
    return [info.key for info in objects.list("postgres-exports/sanitized/")]


def test_no_key_no_run(day: Day, bucket_objects: ObjectStore) -> None:
    """The step says in one line what is missing, is not tried again, and leaves nothing."""
    before = copies(bucket_objects)
    result = run(day, MEDIATOOL_MASKING_KEY="")
    assert not result.success
    assert "MEDIATOOL_MASKING_KEY is not set; `openssl rand -hex 32` makes one" in failure(result)
    assert not [e for e in result.all_events if e.is_step_up_for_retry]
    assert copies(bucket_objects) == before


def test_a_table_without_rules_ends_the_run(
    day: Day, bucket_objects: ObjectStore, rules: Path
) -> None:
    """A new column is named in the step's failure, and nothing is published."""
    before = copies(bucket_objects)
    rules.write_text(RULES.replace("    budget: noise 20\n", ""))
    result = run(day, MEDIATOOL_MASKING_KEY=KEY, MEDIATOOL_MASKING_RULES=str(rules))
    assert not result.success
    assert "campaigns.budget (numeric(12,2)) is not classified" in failure(result)
    assert copies(bucket_objects) == before


def test_the_copy_and_its_proof(day: Day, bucket_objects: ObjectStore, rules: Path) -> None:
    """At its key, both reports beside it; a second run adopts it, one with another key does not."""
    variables = {"MEDIATOOL_MASKING_KEY": KEY, "MEDIATOOL_MASKING_RULES": str(rules)}
    first = run(day, **variables)
    assert first.success
    key = archive_key("sanitized", day.version)
    assert key == f"postgres-exports/sanitized/{day.partition}/{day.version}-sanitized.tar.gz"
    stem = key.removesuffix(".tar.gz")
    assert copies(bucket_objects) == [f"{stem}-report.html", f"{stem}-report.json", key]
    assert faults(f"{stem}-report.json", bucket_objects.get(f"{stem}-report.json")[0]) == []
    report = json.loads(bucket_objects.get(f"{stem}-report.json")[0])
    assert report["proof"]["leaks"] == []
    [event] = first.get_asset_materialization_events()
    facts = {name: value.value for name, value in event.materialization.metadata.items()}
    assert (facts["dagster/uri"], facts["findings"]) == (bucket_objects.uri(key), 0)
    assert facts["key_id"] == report["key_id"]
    [check] = first.get_asset_check_evaluations()
    assert (check.asset_key, check.check_name, check.passed) == (SANITIZED, "proved", True)
    assert KEY not in repr(facts)
    manifest = ArchiveReader(bucket_objects.open(key)).manifest
    assert manifest.kind == "sanitized"

    assert run(day, **variables).success
    other = run(day, **{**variables, "MEDIATOOL_MASKING_KEY": KEY[::-1]})
    assert "was made with other rules or another key" in failure(other)
    assert ArchiveReader(bucket_objects.open(key)).manifest == manifest


@pytest.mark.parametrize("key", [None, KEY])
def test_the_daily_job_makes_it_only_with_a_key(key: str | None) -> None:
    """Where a key is set for Dagster, each day has its copy; else only who asks for one."""
    settings = Settings.parse({"MEDIATOOL_MASKING_KEY": key} if key else {})
    defs = definitions(settings)
    daily = defs.resolve_job_def("daily_export").asset_layer.executable_asset_keys
    assert (SANITIZED in daily) is (key is not None)
    own = defs.resolve_job_def("sanitize_version").asset_layer.executable_asset_keys
    assert set(own) == {SANITIZED}
    assert (
        SANITIZED not in defs.resolve_job_def("on_demand_export").asset_layer.executable_asset_keys
    )
