"""What the assets of operations share: their group, tables of findings, scheduled jobs.

Each that is scheduled is an asset without partitions: the UI plots its figures from run to run.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import dagster as dg

from mediatool_assets.defs import pools
from mediatool_assets.defs.layers import CODE_VERSION, OWNERS

GROUP = "operations"


def operation(
    asset: dg.AssetKey,
    description: str,
    kinds: set[str],
    *,
    after: Iterable[dg.AssetKey] = (),
    checks: Sequence[dg.AssetCheckSpec] = (),
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """An asset without partitions, in the group that its key begins with."""
    return dg.asset(
        key=asset,
        deps=after,
        description=description,
        group_name=asset.path[0],
        kinds=kinds,
        owners=OWNERS,
        code_version=CODE_VERSION,
        pool=pools.OPERATIONS,
        check_specs=checks,
    )


SHOWN = 200
"""Rows of a table in the UI; the bucket has them all."""


def shown(rows: Iterable[dict[str, str | int | float | bool]]) -> dg.TableMetadataValue:
    """The first rows as a table, which may be empty."""
    records = [dg.TableRecord(row) for row in rows][:SHOWN]
    if records:
        return dg.MetadataValue.table(records)
    return dg.MetadataValue.table([], dg.TableSchema(columns=[]))


def scheduled(name: str, asset: dg.AssetKey, description: str, cron: str) -> dg.ScheduleDefinition:
    """A job that materializes the asset, on a schedule that runs wherever the daemon does."""
    return dg.ScheduleDefinition(
        name=f"{name}_schedule",
        job=dg.define_asset_job(
            name,
            dg.AssetSelection.assets(asset),
            description=description,
            executor_def=dg.in_process_executor,
        ),
        cron_schedule=cron,
        execution_timezone="UTC",
        description=description,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
