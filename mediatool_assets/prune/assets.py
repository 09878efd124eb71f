"""The daily retention: reports what to keep and to delete, and deletes it if enabled.

An object that should be gone and is not fails a check, not the run; alerts report both.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from mediatool_assets.core.settings import Settings
from mediatool_assets.orchestration import GROUP, operation, operation_shown, scheduled
from mediatool_assets.orchestration.resources import ServersResource
from mediatool_assets.orchestration.runs import LoggedProgress, errors_as_failures, record_process
from mediatool_assets.prune.flow import Pruned, carry_out, plan
from mediatool_assets.prune.rules import Decision, Policy
from mediatool_assets.stores.ports import Pruning

RETENTION = dg.AssetKey([GROUP, "retention"])


class RetentionConfig(dg.Config):
    """Whether anything is deleted."""

    dry_run: bool | None = Field(
        default=None,
        description="false: delete what the plan drops. Default: as MEDIATOOL_PRUNE_DAILY says",
    )


@operation(
    RETENTION,
    "What retention keeps and deletes, each with its reason. By default it deletes nothing.",
    {"s3", "mongodb", "postgres"},
    checks=[
        dg.AssetCheckSpec("all_gone", asset=RETENTION, description="What was deleted is gone.")
    ],
)
def retention(
    context: dg.AssetExecutionContext, config: RetentionConfig, servers: ServersResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Make the plan; execute it only if configuration or settings say so."""
    record_process(context.instance, context.run)
    settings = servers.settings()
    dry_run = not settings.prune_daily if config.dry_run is None else config.dry_run
    with errors_as_failures():
        stores = servers.pruning()
        decisions = plan(stores, Policy.of(settings), datetime.now(UTC))
        done = _pruned(context, stores, decisions, settings, dry_run=dry_run)
    drops = [each for each in decisions if not each.keep]
    problems = [f"{name}: {reason}" for name, reason in done.failed.items()]
    problems += [f"not deleted: {thing}" for thing in done.left]
    yield dg.MaterializeResult(
        metadata={
            "dry_run": dry_run,
            "kept": len(decisions) - len(drops),
            "to_drop": len(drops),
            "dropped": len(done.dropped),
            "plan": operation_shown(
                {
                    "does": "keep" if d.keep else "drop",
                    "kind": d.kind,
                    "name": d.name,
                    "why": d.reason,
                }
                for d in sorted(decisions, key=lambda each: each.keep)
            ),
        },
        check_results=[
            dg.AssetCheckResult(
                passed=not problems,
                asset_key=RETENTION,
                check_name="all_gone",
                description="; ".join(problems[:5])
                or ("dry run: nothing was deleted" if dry_run else f"{len(done.dropped)} deleted"),
            )
        ],
    )


def _pruned(
    context: dg.AssetExecutionContext,
    stores: Pruning,
    decisions: Sequence[Decision],
    settings: Settings,
    *,
    dry_run: bool,
) -> Pruned:
    if dry_run:
        return Pruned()
    registry = settings.local_registry
    return carry_out(stores, decisions, registry, LoggedProgress(context))


DAILY_RETENTION = scheduled(
    "daily_retention",
    RETENTION,
    "Each day at 06:00 UTC: the plan of `prune`, executed with MEDIATOOL_PRUNE_DAILY=yes.",
    "0 6 * * *",
)
