"""What Dagster loads: the model's tables and collections as assets, and all that runs them."""

import os

import dagster as dg

from mediatool_assets.defs.dead_runs import dead_run_sensor
from mediatool_assets.defs.dumped import dump_layer
from mediatool_assets.defs.io_managers import io_managers
from mediatool_assets.defs.jobs import DAILY, ON_DEMAND
from mediatool_assets.defs.mongodb import mongodb_layer
from mediatool_assets.defs.published import publication
from mediatool_assets.defs.raw import raw_layer
from mediatool_assets.defs.resources import Platform
from mediatool_assets.defs.schedules import daily_export_schedule
from mediatool_assets.defs.sources import source_tables
from mediatool_assets.defs.transformed import collections_of, transformed_layer
from mediatool_assets.domain.settings import Settings
from mediatool_assets.flows.model_file import load_model

_settings = Settings.parse(os.environ)
_model = load_model(_settings.model)
_tables = [table for table in _model.tables if table not in _settings.exclude_tables]
_collections = collections_of(_model, _settings.exclude_tables)
_platform = Platform()

defs = dg.Definitions(
    assets=[
        *source_tables(_tables),
        raw_layer(_tables),
        transformed_layer(_model, _collections),
        mongodb_layer(list(_collections)),
        dump_layer(list(_collections)),
        publication(),
    ],
    jobs=[DAILY, ON_DEMAND],
    schedules=[daily_export_schedule],
    sensors=[dead_run_sensor],
    resources={"platform": _platform, **io_managers(_platform)},
    executor=dg.in_process_executor,
)
