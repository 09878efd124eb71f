"""A platform whose nights go as they are told to, on a real instance, with a real receiver."""

import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import msgspec
import pytest
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from mediatool_assets.alerts.assets import AlertCursor, WatchedInstance, alert_sensor, tick
from mediatool_assets.alerts.messages import channels
from mediatool_assets.core.errors import BadValue, PastDay, Unreachable
from mediatool_assets.core.outcomes import Timetable
from mediatool_assets.core.settings import Settings
from mediatool_assets.defs import daily_export_schedule
from mediatool_assets.orchestration import DAYS, METADATA, PLAIN
from mediatool_assets.orchestration.io_managers import report_asset
from mediatool_assets.orchestration.resources import ServersResource
from mediatool_assets.orchestration.runs import errors_as_failures
from mediatool_assets.verify.assets import check_on_time
from mediatool_assets_tests.receiver import Receiver, receiver
from mediatool_assets_tests.server_folders import server_folder
from mediatool_assets_tests.watching import Watch

RUN = "http://dagster.example:3000/runs/"

HERE = RemoteRepositoryOrigin(
    ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(module_name="x"), location_name="here"
    ),
    "__repository__",
)

REPORT = report_asset("data-integrity-report")
STATISTICS = dg.AssetKey("statistics")
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
    with errors_as_failures():
        if config.goes == "unreachable":
            raise Unreachable("postgresql://me:secret@db does not answer; start it")
        if config.goes == "past":
            raise PastDay("the live database can be exported only for today")
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


@dg.asset(key=STATISTICS, partitions_def=DAYS)
def statistics() -> None:
    """An asset of the user's, with a step of its own."""


DEFINITIONS = dg.Definitions(
    assets=[made, statistics],
    asset_checks=[check_on_time],
    jobs=[
        dg.define_asset_job(
            "daily_export",
            dg.AssetSelection.assets(made) - dg.AssetSelection.checks(check_on_time),
        )
    ],
    resources={"servers": ServersResource()},
    schedules=[daily_export_schedule(PLAIN, Timetable())],
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
        memory = msgspec.json.decode(self.cursor or "", type=AlertCursor)
        watched = WatchedInstance(self.instance, DEFINITIONS.get_repository_def(), now)
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

    def materialize(
        self, keys: Sequence[dg.AssetKey], goes: str = "well", day: int = 24
    ) -> dg.ExecuteInProcessResult:
        """A run of the chosen assets of one day, as the UI launches it, and how it goes."""
        job = DEFINITIONS.resolve_implicit_global_asset_job_def()
        steps = {made.op.name: {"config": {"goes": goes}}} if REPORT in keys else {}
        neighbours = [*made.keys] if REPORT in keys else keys
        return job.execute_in_process(
            partition_key=f"2025-06-{day}",
            instance=self.instance,
            asset_selection=neighbours,
            run_config={"ops": steps},
            raise_on_error=False,
        )


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance in files, which has schedules too."""
    with server_folder() as folder, dg.instance_for_test(temp_dir=str(folder)) as instance:
        yield instance


@pytest.fixture
def platform(hook: Receiver, instance: dg.DagsterInstance) -> Platform:
    """A platform whose sensor has ticked once."""
    return Platform(instance)
