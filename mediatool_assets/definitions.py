"""The definitions that Dagster loads: the sources of the settings, and the sensors.

A source with a name has its assets, jobs and schedules under names that begin with it. Without
`MEDIATOOL_SOURCE` all sections of the settings file are served.
"""

import os
from collections.abc import Mapping

import dagster as dg

from mediatool_assets.alerts.assets import alert_sensor
from mediatool_assets.core.settings import Settings
from mediatool_assets.dagster_internals import keep_key_sets
from mediatool_assets.defs import source_definitions
from mediatool_assets.orchestration import Namespace, lineage_sensors
from mediatool_assets.orchestration.resources import ServersResource, servers_of
from mediatool_assets.orchestration.runs import dead_run_sensor
from mediatool_assets.reports.assets import compare_job
from mediatool_assets.stores.environment import shared_settings, sources


def definitions(settings: Settings) -> dg.Definitions:
    """The definitions for the model that the settings name; raises BadModel with every mistake.

    Reads the model's file and asks no server.
    """
    one = source_definitions(settings, ServersResource(), Namespace(settings.source or ""))
    jobs = [] if settings.source else [compare_job]  # `mediatool compare` has no such limit
    return dg.Definitions.merge(one, dg.Definitions(jobs=jobs, sensors=_sensors()))


def definitions_of(variables: Mapping[str, Mapping[str, str]]) -> dg.Definitions:
    """The definitions of several sources, each by its name and the variables of its section.

    Raises BadModel, BadSettings.
    """
    made = [
        source_definitions(Settings.parse(os.environ | own), servers_of(own), Namespace(name))
        for name, own in variables.items()
    ]
    return dg.Definitions.merge(*made, dg.Definitions(sensors=_sensors()))


def _sensors() -> list[dg.SensorDefinition]:
    return [dead_run_sensor, alert_sensor, *lineage_sensors()]


keep_key_sets()
_sections = sources()
defs = definitions_of(_sections) if _sections else definitions(shared_settings())
