"""A run whose steps are processes of their own: its version is one all the same."""

from collections.abc import Iterable
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository

from mediatool_assets_tests.fixtures.dagster_day import locked_out_of_mongodb, today


@pytest.mark.usefixtures("small_source")
def test_a_failed_step_is_retried_with_its_inputs() -> None:
    """A retry from failure reads what the failed run stored, and makes none of it again."""
    module = ReconstructableRepository.for_module(
        "mediatool_assets_tests.defs.apart", "defs", str(Path.cwd())
    )
    job = module.get_reconstructable_job("daily_export")
    tags = {"dagster/partition": today()}
    with dg.DagsterInstance.get() as instance:
        with (
            locked_out_of_mongodb(),
            dg.execute_job(job, instance, tags=tags) as failed,
        ):
            assert {e.step_key for e in failed.all_events if e.is_step_failure} == {"load"}
        again = dg.ReexecutionOptions.from_failure(failed.run_id, instance)
        with dg.execute_job(job, instance, tags=tags, reexecution_options=again) as result:
            assert result.success
    first, second = (_made(each.all_events) for each in (failed, result))
    assert {"export", "transform"} <= first.keys()
    assert {"load", "dump", "publish"} <= second.keys()
    assert second.keys().isdisjoint({"export", "transform"})
    assert first["transform"] == second["load"] == second["dump"]


def _made(events: Iterable[dg.DagsterEvent]) -> dict[str | None, set[object]]:
    """The versions that each step's assets are of."""
    versions: dict[str | None, set[object]] = {}
    for event in events:
        if event.is_step_materialization:
            made = event.step_materialization_data.materialization.metadata
            if "version" in made:
                versions.setdefault(event.step_key, set()).add(made["version"].value)
    return versions


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
    assert {one.asset_key.path[0] for one in made} == {
        "raw_archive",
        "raw",
        "transformed_archive",
        "transformed",
    }
    assert len({event.pid for event in events}) == 2
    assert {one.metadata["version"].value for one in made} == {run.tags["mediatool/version"]}
