"""What should have happened and did not: late versions."""

import time
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.instance.utils import RUNLESS_RUN_ID

from mediatool_assets.orchestration import METADATA, ON_TIME
from mediatool_assets_tests.fixtures.alert_platform import Platform
from mediatool_assets_tests.receiver import Receiver


def _becomes(instance: dg.DagsterInstance, state: FreshnessState) -> None:
    for key in (METADATA, dg.AssetKey(["raw", "users"])):
        change = FreshnessStateChange(
            key=key,
            new_state=state,
            previous_state=FreshnessState.UNKNOWN,
            state_change_timestamp=time.time(),
        )
        instance._report_runless_asset_event(change)  # as Dagster's daemon does


def _looks(instance: dg.DagsterInstance, day: str, run_id: str = RUNLESS_RUN_ID) -> None:
    """The check of a day looks, and finds no version."""
    found = dg.AssetCheckEvaluation(
        asset_key=ON_TIME.asset_key,
        check_name=ON_TIME.name,
        passed=False,
        description=f"{day} has no version",
        metadata={},
        partition=day,
    )
    event = dg.DagsterEvent(
        dg.DagsterEventType.ASSET_CHECK_EVALUATION.value, "x", event_specific_data=found
    )
    instance.report_dagster_event(event, run_id)


def test_what_is_late_is_one_alert(platform: Platform, hook: Receiver) -> None:
    """Of all assets, and of the day's check; told when Dagster has judged them all; and its end.

    Runs of a backfill look at their own days meanwhile, and of this day one looks too.
    """
    _becomes(platform.instance, FreshnessState.FAIL)
    now = datetime.now(UTC)
    day = (now + timedelta(minutes=3)).date().isoformat()
    _looks(platform.instance, day)
    platform.tick()
    assert hook.arrived == []  # it is a moment ago
    _looks(platform.instance, "2025-06-24", run_id="of a backfill")
    _looks(platform.instance, day, run_id="of the day")
    platform.later(now + timedelta(minutes=3))
    platform.later(now + timedelta(minutes=4))
    platform.later(now + timedelta(hours=9))
    [found] = hook.arrived
    assert found["kind"] == "freshness"
    late, check = found["problems"]
    assert late["figures"] == {"metadata (of 1)": 1, "raw (of 1)": 1}
    assert (check["check"], check["reason"]) == ("on_time", f"{day} has no version")
