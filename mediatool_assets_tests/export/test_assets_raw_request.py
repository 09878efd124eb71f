"""What a version is made for, where nobody says so."""

import dagster as dg
import pytest

from mediatool_assets.export.assets import ExportRequest, version_request
from mediatool_assets.orchestration.runs import RunVersion
from mediatool_assets_tests.fixtures.dagster_day import today


@pytest.mark.parametrize(
    ("job", "day", "purpose"),
    [
        ("on_demand_export", today(), "testing"),
        ("on_demand_export", "2025-06-01", "daily_backup"),
        ("daily_export", today(), "daily_backup"),
        ("__ASSET_JOB", today(), "daily_backup"),
    ],
)
def test_the_launchpad_and_the_command_line_have_one_default(
    instance: dg.DagsterInstance, job: str, day: str, purpose: str
) -> None:
    """A version of now that people ask for is for testing; every other one is kept as a backup."""
    run = RunVersion(instance, dg.DagsterRun(job_name=job), day)
    assert version_request(run, ExportRequest()).purpose == purpose
    assert version_request(run, ExportRequest(purpose="testing")).purpose == "testing"
