"""Shared by the assets of operations: their group, tables of findings, scheduled jobs.

A scheduled one is an asset without partitions: the UI plots its figures from run to run.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import dagster as dg

from mediatool_assets.defs import pools
from mediatool_assets.defs.layers import CODE_VERSION

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
        code_version=CODE_VERSION,
        pool=pools.OPERATIONS,
        check_specs=checks,
    )


SHOWN = 200
"""Maximum rows of a table in the UI; the bucket has all of them."""


def shown(rows: Iterable[dict[str, str | int | float | bool]]) -> dg.TableMetadataValue:
    """The first rows as a table, possibly empty."""
    records = [dg.TableRecord(row) for row in rows][:SHOWN]
    if records:
        return dg.MetadataValue.table(records)
    return dg.MetadataValue.table([], dg.TableSchema(columns=[]))


def scheduled(name: str, asset: dg.AssetKey, description: str, cron: str) -> dg.ScheduleDefinition:
    """A job that materializes the asset, and its schedule, which is on by default."""
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
