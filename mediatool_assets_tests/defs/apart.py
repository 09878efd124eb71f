"""The definitions with a job whose steps run in a process each, as Dagster loads it by name."""

import os

import dagster as dg

from mediatool_assets.core.settings import Settings
from mediatool_assets.definitions import definitions

defs = dg.Definitions.merge(
    definitions(Settings.parse(os.environ)),
    dg.Definitions(
        jobs=[
            dg.define_asset_job(
                "apart",
                dg.AssetSelection.groups("raw", "transformed").without_checks(),
                executor_def=dg.multiprocess_executor,
            )
        ]
    ),
)
