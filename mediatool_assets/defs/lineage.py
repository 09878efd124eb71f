"""Lineage for other tools: OpenLineage events of runs, assets, schemas and columns.

The package dagster-openlineage sends them from Dagster's own events, if ``OPENLINEAGE_URL`` names a
receiver.
"""

import os
from importlib.util import find_spec

import dagster as dg

from mediatool_assets.domain.errors import BadSettings

_SAYS = "Sends runs, assets, their columns and checks to OPENLINEAGE_URL. Starts no run."


def lineage_sensors() -> list[dg.SensorDefinition]:
    """The sensor that sends events if a receiver is set; raises BadSettings without the package.

    Events of assets are sent as they are read from Dagster's storage; SQLite does not support that.
    """
    if not os.environ.get("OPENLINEAGE_URL", "").strip():
        return []
    if find_spec("dagster_openlineage") is None:
        raise BadSettings(
            ["OPENLINEAGE_URL is set: install `mediatool_assets[openlineage]`, or unset it"]
        )
    from dagster_openlineage import openlineage_sensor  # noqa: PLC0415  # where it is installed

    return [openlineage_sensor(include_asset_events=True, description=_SAYS)]
