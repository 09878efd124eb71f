"""Jobs: one version of one day, all its layers, in one process that spreads the work itself."""

import dagster as dg

LAYERS = dg.AssetSelection.groups("raw", "transformed", "mongodb", "dump", "metadata", "registry")

DAILY = dg.define_asset_job(
    "daily_export",
    LAYERS,
    description="The day's version. The schedule runs it at 02:00 UTC.",
    executor_def=dg.in_process_executor,
)

ON_DEMAND = dg.define_asset_job(
    "on_demand_export",
    LAYERS,
    description="A version at any time; the launchpad asks for its purpose and notes.",
    config={"ops": {"export": {"config": {"purpose": "testing", "notes": ""}}}},
    executor_def=dg.in_process_executor,
)
