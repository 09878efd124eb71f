"""Runs that failed, were killed or retried are told of once, and nothing private of them."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import msgspec
import pytest
from dagster._core.remote_origin import RemoteJobOrigin
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG

from mediatool_assets.alerts.assets import AlertCursor, EndedRun
from mediatool_assets.orchestration import METADATA
from mediatool_assets_tests.fixtures.alert_platform import HERE, RUN, Platform
from mediatool_assets_tests.receiver import Receiver


@pytest.mark.parametrize(
    ("goes", "reason"),
    [
        ("unreachable", "Unreachable: postgresql://me:***@db does not answer; start it"),
        ("bad value", "BadValue; the run's log has its message"),
        ("past", "PastDay: the live database can be exported only for today"),
        ("broken", "RuntimeError; the run's log has its message"),
    ],
)
def test_a_run_that_failed_is_told_without_anything_private(
    platform: Platform, hook: Receiver, goes: str, reason: str
) -> None:
    """The step and the error; the message only of errors that name things alone.

    It has no link to a report, which it did not come to write.
    """
    assert not (run := platform.night(goes)).success
    platform.tick()
    [found] = hook.arrived
    assert (found["kind"], found["version"]) == ("run", "20250624-020000")
    assert found["links"] == {"run": RUN + run.run_id}
    [problem] = found["problems"]
    assert (problem["thing"], problem["reason"]) == ("step made", reason)
    assert problem["figures"] == {"checks that could not be evaluated": 2}
    assert not [word for word in ("secret", "ann@", "Ann") if word in str(hook.arrived)]


def test_a_run_is_told_once_whatever_happens_to_it_later(
    platform: Platform, hook: Receiver
) -> None:
    """A retry tags its root long after that was told of; the window is over by then."""
    run = platform.night("empty")
    platform.tick()
    platform.night("well")
    platform.tick()
    assert hook.kinds == ["check", "recovery"]
    memory = msgspec.json.decode(platform.cursor or "", type=AlertCursor)
    memory.position.until += timedelta(minutes=20)
    memory.position.seen.clear()
    platform.cursor = msgspec.json.encode(memory).decode()
    platform.instance.add_run_tags(run.run_id, {"some": "tag"})
    platform.tick()
    assert hook.kinds == ["check", "recovery"]


def _killed(instance: dg.DagsterInstance, origin: RemoteJobOrigin | None) -> str:
    """A run whose process was killed, which Dagster says that it will retry."""
    run = dg.DagsterRun("daily_export", status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run._replace(remote_job_origin=origin))
    instance.report_run_failed(run, "The run's process is gone.")
    instance.add_run_tags(run.run_id, {WILL_RETRY_TAG: "true"})
    return run.run_id


def test_what_failed_before_a_run_was_cancelled_is_told(platform: Platform, hook: Receiver) -> None:
    """The check, and nothing of the run: who cancelled it knows."""
    run = dg.DagsterRun("daily_export", status=dg.DagsterRunStatus.STARTED)
    platform.instance.add_run(run)
    found = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(["raw", "users"]),
        check_name="as_usual",
        passed=False,
        description="users: is empty",
        metadata={},
    )
    event = dg.DagsterEvent(
        dg.DagsterEventType.ASSET_CHECK_EVALUATION.value, run.job_name, event_specific_data=found
    )
    platform.instance.report_dagster_event(event, run.run_id)
    platform.instance.report_run_canceled(run)
    platform.tick()
    platform.tick()
    [told] = hook.arrived
    assert (told["kind"], [p["reason"] for p in told["problems"]]) == ("check", ["users: is empty"])


def test_a_killed_run_of_a_terminal_is_told(platform: Platform, hook: Receiver) -> None:
    """At once: Dagster says that it will retry it, and does not know where it came from."""
    _killed(platform.instance, None)
    platform.tick()
    assert hook.kinds == ["run"]


def test_a_run_that_dagster_retries_is_told_when_its_last_try_fails(
    platform: Platform, hook: Receiver
) -> None:
    """Once; what is begun meanwhile is told of, and the first try never."""
    first = _killed(platform.instance, RemoteJobOrigin(HERE, "daily_export"))
    platform.tick()
    platform.night("empty")
    platform.tick()
    assert hook.kinds == ["check"]
    platform.instance.add_run_tags(first, {AUTO_RETRY_RUN_ID_TAG: "the next"})
    platform.later(datetime.now(UTC) + timedelta(minutes=6))
    assert hook.kinds == ["check"]
    platform.night("broken")
    platform.tick()
    platform.tick()
    assert hook.kinds == ["check", "run"]


def test_a_run_that_dagster_does_not_come_to_retry_is_told(
    platform: Platform, hook: Receiver
) -> None:
    """After five minutes, also where others ended since: its job may be gone from the code."""
    _killed(platform.instance, RemoteJobOrigin(HERE, "daily_export"))
    platform.later(datetime.now(UTC) + timedelta(minutes=4))
    assert hook.arrived == []
    for minutes in (6, 7):
        platform.later(datetime.now(UTC) + timedelta(minutes=minutes))
    assert hook.kinds == ["run"]


def test_a_flood_is_one_post_and_its_end_says_how_many(platform: Platform, hook: Receiver) -> None:
    """Of a backfill whose days all fail alike; the window is over a day later."""
    for day in range(11, 15):
        platform.night("unreachable", day=day)
        platform.tick()
    assert len(hook.arrived) == 1
    platform.later(datetime.now(UTC) + timedelta(days=1))
    runs = [alert for alert in hook.arrived if alert["kind"] == "run"]
    told = [(alert["partition"], alert["suppressed"]) for alert in runs]
    assert told == [("2025-06-11", 0), ("2025-06-14", 2)]


def test_the_warnings_of_a_source_with_a_name_are_told() -> None:
    """Its keys and tags begin or end with the name; nothing else differs."""

    @dg.asset(key=["shop", *METADATA.path])
    def published() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata={"warnings": ["reps has no rows"]})

    with dg.DagsterInstance.ephemeral() as instance:
        made = dg.materialize(
            [published], instance=instance, tags={"mediatool/version.shop": "20250624-020000"}
        )
        [record] = instance.get_run_records(dg.RunsFilter(run_ids=[made.run_id]))
        news = EndedRun(instance, record).news()
    assert news.version == "20250624-020000"
    assert [problem.reason for problem in news.problems] == ["reps has no rows"]
