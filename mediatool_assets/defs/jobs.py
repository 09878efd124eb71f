"""The jobs that make one version of one day, in one process that distributes the work."""

import dagster as dg

from mediatool_assets.dagster_internals import UnresolvedAssetJobDefinition
from mediatool_assets.defs.layers import SANITIZED, VERSION
from mediatool_assets.defs.raw import ON_DEMAND
from mediatool_assets.domain.targets import TARGETS, Targets

DAILY = "daily_export"


def version_jobs(targets: Targets, *, sanitizing: bool) -> list[UnresolvedAssetJobDefinition]:
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
