"""The alert sensor on a real instance, posting to a real HTTP receiver."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from mediatool_assets.defs.alert_news import Instance
from mediatool_assets.defs.alerts import Memory, alert_sensor, tick
from mediatool_assets.defs.failures import explained
from mediatool_assets.defs.freshness import ON_TIME
from mediatool_assets.defs.partitions import DAYS
from mediatool_assets.defs.published import METADATA
from mediatool_assets.defs.reports import report_asset
from mediatool_assets.defs.schedules import daily_export_schedule
from mediatool_assets.domain.errors import BadValue, Unreachable
from mediatool_assets.domain.settings import Settings
from mediatool_assets.stores.alert_channels import channels
from mediatool_assets_tests.receiver import SECRET, Receiver, receiver
from mediatool_assets_tests.watching import Watch

RUN = "http://dagster.example:3000/runs/"

HERE = RemoteRepositoryOrigin(
    ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(module_name="x"), location_name="here"
    ),
    "__repository__",
)

REPORT = report_asset("data-integrity-report")
POLICY = dg.FreshnessPolicy.cron("0 3 * * *", lower_bound_delta=timedelta(hours=1))


class Night(dg.Config):
    """How a night goes."""

    goes: str = "well"


@dg.multi_asset(
    name="made",
    specs=[
        dg.AssetSpec("metadata", freshness_policy=POLICY),
        dg.AssetSpec(["raw", "users"], freshness_policy=POLICY),
        dg.AssetSpec(REPORT),
    ],
    check_specs=[
        dg.AssetCheckSpec("as_usual", asset=["raw", "users"]),
        dg.AssetCheckSpec("whole", asset="metadata"),
    ],
    partitions_def=DAYS,
)
def made(context: dg.AssetExecutionContext, config: Night) -> Iterator[Any]:
    """A version of one table, as good as it is told to be."""
    with explained():
        if config.goes == "unreachable":
            raise Unreachable("postgresql://me:secret@db does not answer; start it")
        if config.goes == "bad value":
            raise BadValue("users", 7, "email", "ann@example.org", "is no number")
    if config.goes == "broken":
        raise RuntimeError("ann@example.org")
    warnings = ["users: 12 'Ann' too many"] if config.goes == "warned" else []
    yield dg.MaterializeResult(asset_key=METADATA, metadata={"warnings": warnings})
    yield dg.MaterializeResult(asset_key=["raw", "users"])
    yield dg.MaterializeResult(asset_key=REPORT, metadata={"html": "s3://backups/report.html"})
    red = config.goes in ("empty", "leaking")
    for check in sorted(context.selected_asset_check_keys):
        bad = red and check.name == "as_usual"
        yield dg.AssetCheckResult(
            passed=not bad,
            asset_key=check.asset_key,
            check_name=check.name,
            description="users: is empty" if config.goes == "empty" else "users: 'Ann' is gone",
            metadata={"rows": 0, "outcome": "failed" if bad else "passed", "who": "Ann"},
        )


DEFINITIONS = dg.Definitions(
    assets=[made],
    jobs=[dg.define_asset_job("daily_export", "*")],
    schedules=[daily_export_schedule],
    sensors=[alert_sensor],
)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver that the settings name as the webhook."""
    with receiver() as found:
        monkeypatch.setenv("MEDIATOOL_ALERT_WEBHOOK_URL", found.url)
        monkeypatch.setenv("MEDIATOOL_S3_BUCKET", "media-tool-backups")
        monkeypatch.setenv("MEDIATOOL_DAGSTER_URL", "http://dagster.example:3000/")
        yield found


class Platform(Watch):
    """Runs nights, and ticks."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        super().__init__(instance, DEFINITIONS)

    def later(self, now: datetime) -> str:
        """A tick at another time."""
        settings = Settings.parse(os.environ)
        memory = msgspec.json.decode(self.cursor or "", type=Memory)
        watched = Instance(self.instance, DEFINITIONS.get_repository_def(), now)
        said = tick(memory, watched, settings, channels(settings))
        self.cursor = msgspec.json.encode(memory).decode()
        return said

    def night(self, goes: str, day: int = 24) -> dg.ExecuteInProcessResult:
        """A run of one day, and how it goes."""
        job = DEFINITIONS.resolve_job_def("daily_export")
        return job.execute_in_process(
            partition_key=f"2025-06-{day}",
            instance=self.instance,
            run_config={"ops": {"made": {"config": {"goes": goes}}}},
            tags={"mediatool/version": f"202506{day}-020000"},
            raise_on_error=False,
        )


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance on disk, which has schedules too."""
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def platform(hook: Receiver, instance: dg.DagsterInstance) -> Platform:
    """A platform whose sensor has ticked once."""
    return Platform(instance)


def test_a_good_night_posts_nothing(platform: Platform, hook: Receiver) -> None:
    """And what was before the first tick is told to nobody."""
    platform.night("well")
    assert platform.tick() == "webhook: 0 posted, 0 waiting"
    fresh = Platform(platform.instance)
    platform.night("empty")
    assert platform.tick() == "webhook: 1 posted, 0 waiting"
    assert fresh.said == "webhook: 0 posted, 0 waiting"
    assert hook.kinds == ["check"]


def test_a_red_check_of_a_run_that_succeeds_is_told_once(
    platform: Platform, hook: Receiver
) -> None:
    """With version, partition, asset, check, figures, and links to the run and the report."""
    run = platform.night("empty")
    assert run.success
    platform.tick()
    platform.tick()
    [found] = hook.arrived
    assert (found["kind"], found["severity"]) == ("check", "error")
    assert (found["version"], found["partition"]) == ("20250624-020000", "2025-06-24")
    [problem] = found["problems"]
    assert (problem["asset"], problem["check"]) == ("raw/users", "as_usual")
    assert (problem["reason"], problem["figures"]) == ("users: is empty", {"rows": 0})
    assert found["links"] == {
        "run": RUN + run.run_id,
        "raw/users": (
            "http://dagster.example:3000/assets/raw/users?view=checks&partition=2025-06-24"
        ),
        "data-integrity-report": "s3://backups/report.html",
    }


@pytest.mark.parametrize(
    ("goes", "reason"),
    [
        ("unreachable", "step made: Unreachable: postgresql://me:***@db does not answer; start it"),
        ("bad value", "step made: BadValue; the run's log has its message"),
        ("broken", "step made: RuntimeError; the run's log has its message"),
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
    assert (problem["thing"], problem["reason"]) == ("daily_export", reason)
    assert problem["figures"] == {"checks that could not be judged": 2}
    assert not [word for word in ("secret", "ann@", "Ann") if word in str(hook.arrived)]


def test_a_run_is_told_once_whatever_happens_to_it_later(
    platform: Platform, hook: Receiver
) -> None:
    """A retry tags its root long after that was told of; the window is over by then."""
    run = platform.night("empty")
    platform.tick()
    platform.night("well", day=25)
    platform.tick()
    assert hook.kinds == ["check", "recovery"]
    memory = msgspec.json.decode(platform.cursor or "", type=Memory)
    memory.position.until += timedelta(minutes=20)
    memory.position.seen.clear()
    platform.cursor = msgspec.json.encode(memory).decode()
    platform.instance.add_run_tags(run.run_id, {"some": "tag"})
    platform.tick()
    assert hook.kinds == ["check", "recovery"]


def test_what_is_quoted_in_a_check_is_not_told(platform: Platform, hook: Receiver) -> None:
    """Nor a text among its figures."""
    platform.night("leaking")
    platform.tick()
    assert hook.arrived[0]["problems"][0]["reason"] == "users: … is gone"
    assert "Ann" not in str(hook.arrived)


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


def test_a_version_with_warnings_is_told(platform: Platform, hook: Receiver) -> None:
    """As a warning, and not again within the window although its figures differ."""
    platform.night("warned")
    platform.tick()
    platform.night("warned", day=25)
    platform.tick()
    [found] = hook.arrived
    assert (found["kind"], found["severity"]) == ("warnings", "warning")
    assert found["problems"][0]["reason"] == "users: 12 … too many"


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


def test_a_dead_receiver_loses_nothing(
    platform: Platform, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tick says so, without the URL's secret; the alert comes when the receiver is back."""
    with receiver() as gone:
        monkeypatch.setenv("MEDIATOOL_ALERT_WEBHOOK_URL", gone.url)
        port = int(gone.url.split(":")[2].split("/")[0])
    platform.night("empty")
    said = platform.tick()
    assert said.startswith("webhook: 0 posted, 1 waiting: the webhook at 127.0.0.1 does not answer")
    assert SECRET not in said
    assert SECRET not in (platform.cursor or "")
    platform.night("unreachable", day=25)
    assert platform.tick().startswith("webhook: 0 posted, 2 waiting")
    with receiver(port) as back:
        assert platform.tick() == "webhook: 2 posted, 0 waiting"
        assert back.kinds == ["check", "run"]
        assert platform.tick() == "webhook: 0 posted, 0 waiting"


def test_a_channel_that_is_down_does_not_hold_up_another(
    platform: Platform, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does the one that works tell it twice."""
    monkeypatch.setenv("MEDIATOOL_ALERT_LOG", "yes")
    hook.answers = [404]
    platform.night("empty")
    first, second = platform.tick(), platform.tick()
    assert first.startswith("log: 1 posted, 0 waiting; webhook: 0 posted, 1 waiting: the webhook")
    assert second == "log: 0 posted, 0 waiting; webhook: 1 posted, 0 waiting"


def test_nothing_is_kept_for_a_channel_that_is_not_configured(
    platform: Platform, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever configures one is not flooded with the past."""
    monkeypatch.delenv("MEDIATOOL_ALERT_WEBHOOK_URL")
    platform.night("empty")
    assert platform.tick() == "1 alerts, and no channel is configured"
    monkeypatch.setenv("MEDIATOOL_ALERT_WEBHOOK_URL", hook.url)
    assert platform.tick() == "webhook: 0 posted, 0 waiting"


def test_the_tick_says_that_links_are_missing(
    platform: Platform, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where alerts go somewhere, and nobody said where Dagster's UI is."""
    monkeypatch.delenv("MEDIATOOL_DAGSTER_URL")
    assert platform.tick().endswith(
        "; MEDIATOOL_DAGSTER_URL is not set: alerts have no links to the UI"
    )
    monkeypatch.delenv("MEDIATOOL_ALERT_WEBHOOK_URL")
    assert platform.tick() == "0 alerts, and no channel is configured"


def test_what_is_well_again_is_told(platform: Platform, hook: Receiver) -> None:
    """When a later version passes what failed; then a failure is news again."""
    for goes, day in (("empty", 24), ("unreachable", 24), ("well", 25), ("empty", 26)):
        platform.night(goes, day=day)
        platform.tick()
    assert hook.kinds == ["check", "run", "recovery", "check"]
    recovery = hook.arrived[2]
    assert recovery["version"] == "20250625-020000"
    things = {problem["thing"] for problem in recovery["problems"]}
    assert things == {"raw/users: as_usual", "daily_export"}


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


def test_a_schedule_that_did_not_tick_is_told(platform: Platform, hook: Receiver) -> None:
    """A while after it was due; and that it ticks again."""
    now = datetime.now(UTC)
    due = now.replace(hour=2, minute=0, second=0, microsecond=0)
    due += timedelta(days=due <= now)
    platform.later(due + timedelta(minutes=10))
    assert hook.arrived == []
    platform.later(due + timedelta(minutes=20))
    platform.later(due + timedelta(minutes=21))
    [found] = hook.arrived
    assert found["kind"] == "schedule"
    assert found["problems"][0]["thing"] == "daily_export_schedule"
    assert f"it did not tick, and was due at {due:%Y-%m-%d} 02:00" in str(found["problems"])
    _ticked(platform.instance, due)
    platform.later(due + timedelta(minutes=30))
    assert hook.kinds == ["schedule", "recovery"]


def _ticked(instance: dg.DagsterInstance, at: datetime) -> None:
    """Leave a tick as the scheduler does."""
    name = daily_export_schedule.name
    origin = RemoteInstigatorOrigin(HERE, name)
    state = InstigatorState(
        origin,
        InstigatorType.SCHEDULE,
        InstigatorStatus.RUNNING,
        ScheduleInstigatorData("0 2 * * *"),
    )
    instance.add_instigator_state(state)
    instance.create_tick(
        TickData(
            state.instigator_origin_id,
            name,
            InstigatorType.SCHEDULE,
            TickStatus.SUCCESS,
            at.timestamp(),
            run_ids=[],
            selector_id=state.selector_id,
        )
    )


def test_the_platform_has_the_sensor_on(defs: dg.Definitions) -> None:
    """It launches nothing, and needs nothing but the instance."""
    found = defs.resolve_sensor_def("alert_sensor")
    assert found.default_status is dg.DefaultSensorStatus.RUNNING
