"""The definitions that Dagster loads: the source of the environment's settings, and the sensors."""

import dagster as dg

from mediatool_assets.dagster_internals import keep_key_sets
from mediatool_assets.defs.alerts import alert_sensor
from mediatool_assets.defs.dead_runs import dead_run_sensor
from mediatool_assets.defs.lineage import lineage_sensors
from mediatool_assets.defs.metrics import compare_job
from mediatool_assets.defs.resources import Platform
from mediatool_assets.defs.source_graph import source_definitions
from mediatool_assets.domain.settings import Settings
from mediatool_assets.stores.environment import read_settings


def definitions(settings: Settings) -> dg.Definitions:
    """The definitions for the model that the settings name; raises BadModel with every mistake.

    Reads the model's file and asks no server.
    """
    return dg.Definitions.merge(
        source_definitions(settings, Platform()),
        dg.Definitions(
            jobs=[compare_job], sensors=[dead_run_sensor, alert_sensor, *lineage_sensors()]
        ),
    )


keep_key_sets()
defs = definitions(read_settings())
