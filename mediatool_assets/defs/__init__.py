"""The whole graph of one source: assets of its tables and collections, jobs, schedules.

The jobs that make one version of one day, in one process that distributes the work.

The daily schedule: makes today's version at the configured hour.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dagster as dg

from mediatool_assets.bucket import assets as bucket
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.outcomes import Timetable
from mediatool_assets.core.setting_values import TARGETS, Targets
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version
from mediatool_assets.export.assets import ON_DEMAND, raw_layer, rds_snapshot_export
from mediatool_assets.integrity.assets import check_integrity, report_integrity
from mediatool_assets.load.assets import dump_layer, mongodb_layer
from mediatool_assets.orchestration import PLAIN, SANITIZED, VERSION, Namespace, source_tables
from mediatool_assets.orchestration.io_managers import io_managers
from mediatool_assets.orchestration.resources import ServersResource
from mediatool_assets.orchestration.runs import VERSION_TAG
from mediatool_assets.prune.assets import DAILY_RETENTION, retention
from mediatool_assets.reports.assets import bucket_site, check_metrics, report_metrics, report_site
from mediatool_assets.restore.assets import (
    RELOAD,
    WEEKLY_DRILL,
    new_version_sensor,
    postgres_layer,
    restore_drill,
    staging,
)
from mediatool_assets.sanitize.assets import SANITIZE_JOB, sanitize_version
from mediatool_assets.transform.assets import collections_of, transformed_layer
from mediatool_assets.verify.assets import (
    DAILY_VERIFICATION,
    check_on_time,
    mongodb_checks,
    on_time_sensor,
    publication,
    raw_checks,
    transformed_checks,
    verification,
    version_checks,
    with_freshness,
)

DAILY = "daily_export"


def version_jobs(targets: Targets, *, sanitizing: bool) -> list[Any]:
    """The jobs that make a version, with its databases of these targets.

    With ``sanitizing`` the daily job also makes the sanitized copy, once the version is complete.
    """
    databases = [target for target in TARGETS if getattr(targets, target)]  # groups too
    layers = dg.AssetSelection.groups("raw", "transformed", *databases, VERSION, "reports")
    daily = dg.define_asset_job(
        DAILY,
        layers | dg.AssetSelection.assets(SANITIZED) if sanitizing else layers,
        description="Makes the version of a day. The daily schedule runs it.",
        executor_def=dg.in_process_executor,
    )
    on_demand = dg.define_asset_job(
        ON_DEMAND,
        layers,
        description="Makes a version at any time; the launchpad takes its purpose and notes.",
        config={"ops": {"export": {"config": {"purpose": "auto", "notes": ""}}}},
        executor_def=dg.in_process_executor,
    )
    return [daily, on_demand]


def daily_export_schedule(names: Namespace, timetable: Timetable) -> dg.ScheduleDefinition:
    """The schedule; the version is named by the scheduled time, even if the tick is late."""
    return dg.ScheduleDefinition(
        name=names.name("daily_export_schedule"),
        job_name=names.name(DAILY),
        cron_schedule=timetable.cron,
        execution_timezone=timetable.zone,
        description=f"Makes today's version at {timetable}.",
        execution_fn=partial(_request, names),
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def _request(
    names: Namespace, context: dg.ScheduleEvaluationContext
) -> dg.RunRequest | dg.SkipReason:
    """Request the day of the tick; a tick that Dagster makes up for on a later day is skipped."""
    version = Version.at(context.scheduled_execution_time)
    today = datetime.now(UTC).date()
    if version.day != today:
        return dg.SkipReason(
            f"{version.partition} is over: a live database can be exported only for {today}"
        )
    return dg.RunRequest(
        run_key=str(version),
        partition_key=version.partition,
        tags={names.tag(VERSION_TAG): str(version)},
    )


def source_definitions(
    settings: Settings, servers: ServersResource, names: Namespace = PLAIN
) -> dg.Definitions:
    """The definitions of one source for the model that the settings name; raises BadModel.

    Reads the model's file and contacts no server.
    """
    model = load_model(settings.model)
    tables = [table for table in model.tables if table not in settings.exclude_tables]
    collections = collections_of(model, settings.exclude_tables)
    targets, sanitizing = settings.targets, settings.masking_key is not None
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = [
        *source_tables(tables),
        *([rds_snapshot_export] if settings.can_export_rds_snapshots else []),
        *with_freshness(  # assets of the daily job
            settings.timetable,
            raw_layer(tables),
            transformed_layer(model, collections),
            *_databases(targets, tables, list(collections)),
            publication(targets),
            report_metrics,
            report_integrity,
            report_site,
            *([sanitize_version] if sanitizing else []),
        ),
        *([] if sanitizing else [sanitize_version]),  # never due
        *(
            each.map_asset_specs(partial(_of_targets, targets))
            for each, is_made in (
                (staging, targets.mongodb),
                (verification, True),
                (restore_drill, targets.any),
                (retention, True),
            )
            if is_made
        ),
        *bucket.ASSETS,
        bucket_site,
    ]
    checks = [
        raw_checks(tables, model),
        *transformed_checks(model, collections),
        *([mongodb_checks(collections)] if targets.mongodb else []),
        version_checks(targets, tables, collections),
        check_on_time,
        check_metrics,
        check_integrity,
    ]
    jobs = [
        *version_jobs(targets, sanitizing=sanitizing),
        SANITIZE_JOB,
        *([RELOAD] if targets.mongodb else []),
    ]
    schedules = [
        bucket.SCHEDULE,
        DAILY_VERIFICATION,
        *([WEEKLY_DRILL] if targets.any else []),
        DAILY_RETENTION,
    ]
    return dg.Definitions(
        assets=names.assets(_owned(model.owners, each) for each in assets),
        asset_checks=names.checks(checks),
        jobs=[names.job(job, assets) for job in jobs],
        schedules=[
            daily_export_schedule(names, settings.timetable),
            *(names.schedule(schedule, assets) for schedule in schedules),
        ],
        sensors=[
            on_time_sensor(names),
            *_new_version_sensors(settings, names),
        ],
        resources={names.name("servers"): servers, **io_managers(names, servers)},
        executor=dg.in_process_executor,
    )


def _owned(
    owners: Sequence[str], made: dg.AssetsDefinition | dg.AssetSpec
) -> dg.AssetsDefinition | dg.AssetSpec:
    """An asset with its owners, whom the model names."""
    if isinstance(made, dg.AssetSpec):
        return made.replace_attributes(owners=[*owners])
    return made.map_asset_specs(lambda spec: spec.replace_attributes(owners=[*owners]))


def _of_targets(targets: Targets, spec: dg.AssetSpec) -> dg.AssetSpec:
    """An asset of all databases, without the kinds of those that versions are not copied to."""
    off = {target for target in TARGETS if not getattr(targets, target)}
    return spec.replace_attributes(kinds=spec.kinds - off)


def _databases(
    targets: Targets, tables: list[str], collections: list[str]
) -> Iterator[dg.AssetsDefinition]:
    """The layers of the databases that every version is copied to."""
    if targets.mongodb:
        yield mongodb_layer(collections)
        yield dump_layer(collections)
    if targets.postgres:
        yield postgres_layer(tables)


def _new_version_sensors(settings: Settings, names: Namespace) -> Iterator[dg.SensorDefinition]:
    """The sensor, if there is a job for it: the shipped one loads a MongoDB database."""
    job = settings.new_version_job
    if job != RELOAD.name:
        yield new_version_sensor(names, job)
    elif settings.targets.mongodb:
        yield new_version_sensor(names, names.name(job))
