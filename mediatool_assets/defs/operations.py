"""What keeps versions trustworthy: verification, the restore drill and retention, as daily jobs.

Each is an asset without partitions, so that the UI plots its figures from run to run. What is
found is a check where it is no error of the run: alerts speak of both.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import dagster as dg
from pydantic import Field

from mediatool_assets.defs import pools
from mediatool_assets.defs.dead_runs import note_process
from mediatool_assets.defs.failures import explained
from mediatool_assets.defs.layers import CODE_VERSION, OWNERS, LoggedProgress
from mediatool_assets.defs.resources import Platform
from mediatool_assets.domain.errors import MediatoolError
from mediatool_assets.domain.restored import Evidence
from mediatool_assets.domain.retention import Decision, Policy
from mediatool_assets.domain.settings import Settings
from mediatool_assets.domain.verdict import Verdict
from mediatool_assets.domain.version import Version
from mediatool_assets.flows import catalog
from mediatool_assets.flows.drill import SCRATCH, drill_mongodb, drill_postgres
from mediatool_assets.flows.prune import Pruned, Pruning, carry_out, plan
from mediatool_assets.flows.verify import keep, standing_verdict, verify
from mediatool_assets.stores.environment import account

_GROUP = "operations"
_SHOWN = 200  # rows of a table in the UI; the bucket has them all

VERIFICATION = dg.AssetKey([_GROUP, "verification"])
DRILL = dg.AssetKey([_GROUP, "restore_drill"])
RETENTION = dg.AssetKey([_GROUP, "retention"])


class VerificationConfig(dg.Config):
    """What is read again."""

    sample: float | None = Field(
        default=None, description="percent of each version; else MEDIATOOL_VERIFY_SAMPLE"
    )
    days: int | None = Field(
        default=None, description="versions of the last so many days; else MEDIATOOL_VERIFY_DAYS"
    )


class DrillConfig(dg.Config):
    """What is restored."""

    version: str | None = Field(default=None, description="a version; else the newest complete one")


class RetentionConfig(dg.Config):
    """Whether anything is dropped."""

    dry_run: bool | None = Field(
        default=None,
        description="false drops what the plan drops; else so does MEDIATOOL_PRUNE_DAILY=yes",
    )


@dg.asset(
    key=VERIFICATION,
    description="Versions read again, another share of each every day, and what was found.",
    group_name=_GROUP,
    kinds={"s3", "mongodb", "postgres"},
    owners=OWNERS,
    code_version=CODE_VERSION,
    pool=pools.OPERATIONS,
    check_specs=[
        dg.AssetCheckSpec(
            "all_passed",
            asset=VERIFICATION,
            description="What was read is what it was, and no earlier failure stands.",
        )
    ],
)
def verification(
    context: dg.AssetExecutionContext, config: VerificationConfig, platform: Platform
) -> Iterator[dg.MaterializeResult[None]]:
    """Verify the complete versions of the last days, and keep the verdicts."""
    note_process(context.instance, context.run)
    settings = platform.settings()
    sample = settings.verify_sample if config.sample is None else config.sample
    days = settings.verify_days if config.days is None else config.days
    with explained():
        first = datetime.now(UTC).date() - timedelta(days=days)
        verdicts = _verdicts(context, platform, settings, first, sample)
    yield _verified(verdicts, sample)


class _Verdicts(NamedTuple):
    """Of one version: what was found now, and the verdict that counts."""

    now: Verdict
    stands: Verdict


def _verdicts(
    context: dg.AssetExecutionContext,
    platform: Platform,
    settings: Settings,
    first: date,
    sample: float,
) -> list[_Verdicts]:
    objects, verdicts = platform.objects(), list[_Verdicts]()
    with platform.workers() as (executor, _):
        for version in catalog.versions(objects, first):
            verdict = verify(
                objects,
                platform.documents() if settings.mongodb_url else None,
                platform.target() if settings.restore_postgres_url else None,
                executor,
                version,
                clock=lambda: datetime.now(UTC),
                sample=sample,
                progress=LoggedProgress(context),
            )
            keep(objects, verdict)
            context.log.info(f"{version} {verdict.verdict}")
            verdicts.append(_Verdicts(verdict, standing_verdict(objects, version) or verdict))
    return verdicts


def _verified(verdicts: Sequence[_Verdicts], sample: float) -> dg.MaterializeResult[None]:
    odd = [each.stands for each in verdicts if each.stands.verdict != "passed"]
    findings = [
        f"{v.version} {c.part}: {text} (read {v.at[:10]})"
        for v in odd
        for c in v.checks
        for text in c.findings
    ]
    return dg.MaterializeResult(
        metadata={
            "versions": len(verdicts),
            "not_passed": len(odd),
            "sample": sample,
            "bytes": sum(check.bytes for each in verdicts for check in each.now.checks),
            "seconds": round(sum(each.now.seconds for each in verdicts), 3),
            "verdicts": _table(
                {"version": now.version, "verdict": stands.verdict, "seconds": now.seconds}
                for now, stands in reversed(verdicts)
            ),
        },
        check_results=[
            dg.AssetCheckResult(
                passed=not odd,
                asset_key=VERIFICATION,
                check_name="all_passed",
                description="; ".join(findings[:5]) or f"{len(verdicts)} versions passed",
                metadata={"findings": findings[:_SHOWN]},
            )
        ],
    )


@dg.asset(
    key=DRILL,
    description="The newest version restored to scratch databases, verified, timed and dropped.",
    group_name=_GROUP,
    kinds={"mongodb", "postgres"},
    owners=OWNERS,
    code_version=CODE_VERSION,
    pool=pools.OPERATIONS,
)
def restore_drill(
    context: dg.AssetExecutionContext, config: DrillConfig, platform: Platform
) -> dg.MaterializeResult[None]:
    """Restore to every server that the settings name; one that fails, fails the run."""
    note_process(context.instance, context.run)
    with explained():
        drills = _drills(context, platform, config.version)
    return dg.MaterializeResult(
        metadata={
            "version": drills[0].version,
            "verdict": "verified",
            **{f"seconds_{drill.to}": drill.seconds for drill in drills},
            **{f"rows_{drill.to}": sum(drill.rows.values()) for drill in drills},
            "servers": [f"{drill.to} {drill.server}" for drill in drills],
        }
    )


def _drills(
    context: dg.AssetExecutionContext, platform: Platform, asked: str | None
) -> list[Evidence]:
    """MongoDB always, PostgreSQL where a server to restore to is named; raises the first error."""
    from mediatool_assets.stores.mongodb import MongoDocuments  # noqa: PLC0415  # slow

    settings, objects = platform.settings(), platform.objects()
    settings.require("mongodb_url")
    documents = MongoDocuments.of(settings, SCRATCH)
    newest = (
        catalog.latest(objects) if asked is None else catalog.read(objects, Version.parse(asked))
    )
    version, who, progress = newest.version, account(), LoggedProgress(context)

    def clock() -> datetime:
        return datetime.now(UTC)

    def on_postgres(executor: Executor) -> Evidence:
        target = platform.target()
        return drill_postgres(
            objects, target, executor, version, who=who, clock=clock, progress=progress
        )

    def on_mongodb(executor: Executor) -> Evidence:
        return drill_mongodb(
            objects,
            documents,
            executor,
            version,
            server=documents.server,
            who=who,
            clock=clock,
            progress=progress,
        )

    wanted = [on_postgres, on_mongodb] if settings.restore_postgres_url else [on_mongodb]
    if len(wanted) == 1:
        context.log.warning("no drill on PostgreSQL: MEDIATOOL_RESTORE_POSTGRES_URL is not set")
    drills, errors = list[Evidence](), list[MediatoolError]()
    with platform.workers() as (executor, _):
        for drill in wanted:
            try:
                drills.append(drill(executor))
            except MediatoolError as error:  # the other server is tried all the same
                context.log.error(str(error))
                errors.append(error)
    if errors:
        raise errors[0]
    return drills


@dg.asset(
    key=RETENTION,
    description="What retention keeps and drops, each with its reason; it only tells by default.",
    group_name=_GROUP,
    kinds={"s3", "mongodb", "postgres"},
    owners=OWNERS,
    code_version=CODE_VERSION,
    pool=pools.OPERATIONS,
    check_specs=[
        dg.AssetCheckSpec("all_gone", asset=RETENTION, description="What was dropped is gone.")
    ],
)
def retention(
    context: dg.AssetExecutionContext, config: RetentionConfig, platform: Platform
) -> Iterator[dg.MaterializeResult[None]]:
    """Make the plan; carry it out only where configuration or settings say so."""
    note_process(context.instance, context.run)
    settings = platform.settings()
    dry_run = not settings.prune_daily if config.dry_run is None else config.dry_run
    with explained():
        stores = platform.pruning()
        decisions = plan(stores, Policy.of(settings), datetime.now(UTC))
        done = _pruned(context, stores, decisions, settings, dry_run=dry_run)
    drops = [each for each in decisions if not each.keep]
    problems = [f"{name}: {reason}" for name, reason in done.failed.items()]
    problems += [f"still there: {thing}" for thing in done.left]
    yield dg.MaterializeResult(
        metadata={
            "dry_run": dry_run,
            "kept": len(decisions) - len(drops),
            "to_drop": len(drops),
            "dropped": len(done.dropped),
            "plan": _table(
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
                or ("nothing was asked to go" if dry_run else f"{len(done.dropped)} dropped"),
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
    registry = settings.home / "mongodb-versions.json"
    return carry_out(stores, decisions, registry, LoggedProgress(context))


def _table(rows: Iterable[dict[str, str | int | float | bool]]) -> dg.TableMetadataValue:
    records = [dg.TableRecord(row) for row in rows][:_SHOWN]
    if records:
        return dg.MetadataValue.table(records)
    return dg.MetadataValue.table([], dg.TableSchema(columns=[]))


def _job(name: str, asset: dg.AssetKey, description: str, cron: str) -> dg.ScheduleDefinition:
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


ASSETS = (verification, restore_drill, retention)
SCHEDULES = (
    _job(
        "daily_verification",
        VERIFICATION,
        "Each day at 04:00 UTC a share of every version of the last months is read again.",
        "0 4 * * *",
    ),
    _job(
        "weekly_restore_drill",
        DRILL,
        "Each Sunday at 05:00 UTC the newest version is restored to scratch databases.",
        "0 5 * * 0",
    ),
    _job(
        "daily_retention",
        RETENTION,
        "Each day at 06:00 UTC: the plan of `prune`, carried out where MEDIATOOL_PRUNE_DAILY=yes.",
        "0 6 * * *",
    ),
)
JOBS = tuple(schedule.job for schedule in SCHEDULES)
