"""The whole graph of one source: assets of its tables and collections, jobs, schedules."""

from collections.abc import Iterator, Sequence
from functools import partial

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
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.defs.restore_drill import WEEKLY_DRILL, restore_drill
from mediatool_assets.defs.retention import DAILY_RETENTION, retention
from mediatool_assets.defs.sanitized import SANITIZE_JOB, sanitize_version
from mediatool_assets.defs.schedules import daily_export_schedule
from mediatool_assets.defs.site import bucket_site, report_site
from mediatool_assets.defs.sources import source_tables
from mediatool_assets.defs.staging import RELOAD, new_version_sensor, staging
from mediatool_assets.defs.transformed import collections_of, transformed_layer
from mediatool_assets.defs.verification import DAILY_VERIFICATION, verification
from mediatool_assets.domain.settings import Settings
from mediatool_assets.domain.targets import TARGETS, Targets
from mediatool_assets.flows.model.file import load_model


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
