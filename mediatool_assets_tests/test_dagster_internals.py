"""What is used of Dagster beyond its public API is in one module, and does what it did."""

import gc
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

import dagster as dg
import pytest
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.storage import tags

from mediatool_assets import dagster_internals as internals
from mediatool_assets.dagster_internals import TRIED, keep_key_sets
from mediatool_assets_tests.documents import ROOT


def made(name: str, *order: str) -> dg.AssetsDefinition:
    """A step of two assets, ``b`` of ``a``, which yields them in this order."""
    a, b = dg.AssetKey([name, "a"]), dg.AssetKey([name, "b"])

    @dg.multi_asset(
        name=name,
        specs=[dg.AssetSpec(a), dg.AssetSpec(b, deps=[a])],
        check_specs=[dg.AssetCheckSpec("c", asset=a)],
        can_subset=True,
    )
    def step() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        for each in order:
            yield dg.MaterializeResult(asset_key=dg.AssetKey([name, each]))
        yield dg.AssetCheckResult(asset_key=a, check_name="c", passed=True)

    return step


def test_the_keys_of_a_step_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not twice for each of its outputs."""
    asked = []
    plain = dg.StepExecutionContext.get_output_asset_keys
    plain = getattr(plain, "__wrapped__", plain)

    def counted(self: dg.StepExecutionContext) -> AbstractSet[dg.AssetKey]:
        asked.append(self.step.key)
        return plain(self)

    monkeypatch.setattr(dg.StepExecutionContext, "get_output_asset_keys", counted)
    keep_key_sets()
    keep_key_sets()  # as every import of the definitions does
    assert dg.materialize([made("one", "a", "b")]).success
    assert asked == ["one"]


@pytest.mark.parametrize("name", internals.MODULES)
def test_a_private_name_is_where_it_was(name: str) -> None:
    """It is imported when it is used; another name is not there."""
    assert getattr(internals, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Unknown'"):
        getattr(internals, "Unknown")  # noqa: B009  # no checker knows it


@pytest.mark.parametrize(
    "name",
    [
        *("AUTO_RETRY_RUN_ID_TAG", "BACKFILL_ID_TAG", "MAX_RETRIES_TAG", "PARTITION_NAME_TAG"),
        *("PRIORITY_TAG", "WILL_RETRY_TAG"),
    ],
)
def test_a_tag_is_that_of_dagster(name: str) -> None:
    """And so is the id of events without a run."""
    assert getattr(internals, name) == getattr(tags, name)
    assert internals.RUNLESS_RUN_ID == RUNLESS_RUN_ID


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_each_step_has_the_keys_of_its_own() -> None:
    """Of two in one run, each is held to the order of its assets.

    Dagster's generator of the failed step complains when it is collected: that must not happen in
    another test.
    """
    keep_key_sets()
    right, wrong = made("right", "a", "b"), made("wrong", "b", "a")
    found = dg.materialize([right, wrong], raise_on_error=False)
    keys = [event.asset_key for event in found.get_asset_materialization_events()]
    assert {key.path[0] for key in keys if key is not None} == {"right", "wrong"}
    assert not found.success
    [failed] = [event for event in found.all_events if event.is_step_failure]
    assert failed.step_key == "wrong"
    with pytest.raises(dg.DagsterInvariantViolationError, match="topological order"):
        dg.materialize([wrong])
    del found, failed
    gc.collect()


def test_the_release_of_dagster_is_one_that_was_tried() -> None:
    """Another one may have moved what dagster_internals.py imports: try it, then raise TRIED."""
    assert dg.__version__.startswith(f"{TRIED}."), (
        f"Dagster {dg.__version__} was not tried: run all tests, correct "
        "mediatool_assets/dagster_internals.py, and write its release there"
    )


def test_no_other_module_uses_what_dagster_keeps_to_itself() -> None:
    """Private imports are in dagster_internals.py only."""
    package = ROOT / "mediatool_assets"
    using = [path.name for path in package.rglob("*.py") if "dagster._" in path.read_text("utf-8")]
    assert using == ["dagster_internals.py"]
