"""The whole graph of one source: assets of its tables and collections, jobs, schedules."""

import dagster as dg

from mediatool_assets.defs import bucket
from mediatool_assets.defs.checks import (
    mongodb_checks,
    raw_checks,
    transformed_checks,
    version_checks,
)
from mediatool_assets.defs.dump import dump_layer
from mediatool_assets.defs.freshness import check_on_time, on_time_sensor, with_freshness
from mediatool_assets.defs.integrity import check_integrity, report_integrity
from mediatool_assets.defs.io_managers import io_managers
from mediatool_assets.defs.jobs import version_jobs
from mediatool_assets.defs.metrics import check_metrics, report_metrics
from mediatool_assets.defs.mongodb import mongodb_layer
from mediatool_assets.defs.namespace import PLAIN, Namespace
from mediatool_assets.defs.postgres import postgres_layer
from mediatool_assets.defs.publication import publication
from mediatool_assets.defs.raw import raw_layer
from mediatool_assets.defs.rds import rds_snapshot_export
from mediatool_assets.defs.resources import Platform
from mediatool_assets.defs.restore_drill import WEEKLY_DRILL, restore_drill
from mediatool_assets.defs.retention import DAILY_RETENTION, retention
from mediatool_assets.defs.sanitized import SANITIZE_JOB, sanitize_version
from mediatool_assets.defs.schedules import daily_export_schedule
from mediatool_assets.defs.site import report_site
from mediatool_assets.defs.sources import source_tables
from mediatool_assets.defs.staging import RELOAD, new_version_sensor, staging
from mediatool_assets.defs.transformed import collections_of, transformed_layer
from mediatool_assets.defs.verification import DAILY_VERIFICATION, verification
from mediatool_assets.domain.settings import Settings
from mediatool_assets.flows.model.file import load_model


def source_definitions(
    settings: Settings, platform: Platform, names: Namespace = PLAIN
) -> dg.Definitions:
    """The definitions of one source for the model that the settings name; raises BadModel.

    Reads the model's file and contacts no server.
    """
    model = load_model(settings.model)
    tables = [table for table in model.tables if table not in settings.exclude_tables]
    collections = collections_of(model, settings.exclude_tables)
    restoration = postgres_layer(tables)
    at_times = (
        (restoration, settings.restores_daily),
        (sanitize_version, settings.masking_key is not None),
    )
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = [
        *source_tables(tables),
        *([rds_snapshot_export] if settings.can_export_rds_snapshots else []),
        *with_freshness(  # assets of the daily job
            settings.timetable,
            raw_layer(tables),
            transformed_layer(model, collections),
            mongodb_layer(list(collections)),
            dump_layer(list(collections)),
            publication(restoring=settings.restores_daily),
            report_metrics,
            report_integrity,
            report_site,
            *(made for made, is_daily in at_times if is_daily),
        ),
        *(made for made, is_daily in at_times if not is_daily),  # not in the daily job
        staging,
        verification,
        restore_drill,
        retention,
        *bucket.ASSETS,
    ]
    checks = [
        raw_checks(tables, model),
        *transformed_checks(model, collections),
        mongodb_checks(collections),
        version_checks(tables, collections),
        check_on_time,
        check_metrics,
        check_integrity,
    ]
    jobs = [
        *version_jobs(
            restoring=settings.restores_daily, sanitizing=settings.masking_key is not None
        ),
        SANITIZE_JOB,
        RELOAD,
    ]
    schedules = [bucket.SCHEDULE, DAILY_VERIFICATION, WEEKLY_DRILL, DAILY_RETENTION]
    own_job = settings.new_version_job
    return dg.Definitions(
        assets=names.assets(assets),
        asset_checks=names.checks(checks),
        jobs=[names.job(job, assets) for job in jobs],
        schedules=[
            daily_export_schedule(names, settings.timetable),
            *(names.schedule(schedule, assets) for schedule in schedules),
        ],
        sensors=[
            on_time_sensor(names),
            new_version_sensor(names, names.name(own_job) if own_job == RELOAD.name else own_job),
        ],
        resources={names.name("platform"): platform, **io_managers(names, platform)},
        executor=dg.in_process_executor,
    )
