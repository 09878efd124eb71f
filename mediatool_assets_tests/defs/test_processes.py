"""A run whose steps are processes of their own: its version is one all the same."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository

from mediatool_assets_tests.defs.conftest import today


@pytest.mark.usefixtures("small_source")
def test_a_run_has_one_version_across_processes() -> None:
    """The second process takes the version that the first one made, by the run's tag."""
    module = ReconstructableRepository.for_module(
        "mediatool_assets_tests.defs.apart", "defs", str(Path.cwd())
    )
    tags = {"dagster/partition": today()}
    with (
        dg.DagsterInstance.get() as instance,
        dg.execute_job(module.get_reconstructable_job("apart"), instance, tags=tags) as result,
    ):
        assert result.success
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        events = [event for event in result.all_events if event.is_step_materialization]
    made = [event.step_materialization_data.materialization for event in events]
    assert {one.asset_key.path[0] for one in made} == {"raw_archive", "raw", "transformed"}
    assert len({event.pid for event in events}) == 2
    assert {one.metadata["version"].value for one in made} == {run.tags["mediatool/version"]}
