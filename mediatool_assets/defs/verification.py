"""The daily verification: reads versions again, and stores the verdicts.

Damage fails a check, not the run; alerts report both.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import dagster as dg
from pydantic import Field

from mediatool_assets.defs.dead_runs import record_process
from mediatool_assets.defs.failures import errors_as_failures
from mediatool_assets.defs.operations import GROUP, SHOWN, operation, scheduled, shown
from mediatool_assets.defs.progress import LoggedProgress
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.domain.chain import BEGINNING, Checkpoint
from mediatool_assets.domain.errors import DamagedInput
from mediatool_assets.domain.quantities import quantity
from mediatool_assets.domain.verdict import Verdict
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.verify import verify
from mediatool_assets.flows.versions import catalog
from mediatool_assets.flows.versions.chain import ChainReport, check
from mediatool_assets.flows.versions.verdicts import standing_verdict, store_verdict

VERIFICATION = dg.AssetKey([GROUP, "verification"])
CHAIN = "chain"


class VerificationConfig(dg.Config):
    """Which versions are read again, and how much of each."""

    sample: float | None = Field(
        default=None, description="percent of each version; default: MEDIATOOL_VERIFY_SAMPLE"
    )
    days: int | None = Field(
        default=None, description="how many days back; default: MEDIATOOL_VERIFY_DAYS"
    )


@operation(
    VERIFICATION,
    "Samples of all versions read again, different ones each day, and the findings.",
    {"s3", "mongodb", "postgres"},
    checks=[
        dg.AssetCheckSpec(
            "all_passed",
            asset=VERIFICATION,
            description="Everything that was read is unchanged, and no earlier failure is left.",
        ),
        dg.AssetCheckSpec(
            CHAIN,
            asset=VERIFICATION,
            description="No version was replaced, removed or inserted, and the chain of versions "
            "still has the checkpoint that Dagster recorded.",
        ),
    ],
)
def verification(
    context: dg.AssetExecutionContext, config: VerificationConfig, servers: ServersResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Verify the complete versions of the last days, and store the verdicts."""
    record_process(context.instance, context.run)
    settings = servers.settings()
    sample = settings.verify_sample if config.sample is None else config.sample
    days = settings.verify_days if config.days is None else config.days
    with errors_as_failures():
        first = datetime.now(UTC).date() - timedelta(days=days)
        verdicts, unreadable = _verdicts(context, servers, first, sample)
        chain = _chain(context.instance, servers.objects())
    yield _verified(verdicts, unreadable, sample, chain)


class _Verdicts(NamedTuple):
    """The verdict of one version: the one of this run, and the one that stands."""

    now: Verdict
    stands: Verdict


def _verdicts(
    context: dg.AssetExecutionContext, servers: ServersResource, first: date, sample: float
) -> tuple[list[_Verdicts], list[str]]:
    """The verdicts, and the errors of versions whose metadata cannot be read."""
    stores, verdicts, unreadable = servers.stores(), list[_Verdicts](), list[str]()
    objects = stores.objects
    with servers.workspace(LoggedProgress(context)) as workspace:
        for version in catalog.versions(objects, first):
            try:
                verdict = verify(stores, workspace, version, sample=sample)
            except DamagedInput as error:
                context.log.error(str(error))
                unreadable.append(str(error))
                continue
            store_verdict(objects, verdict)
            context.log.info(f"{version} {verdict.outcome}")
            verdicts.append(_Verdicts(verdict, standing_verdict(objects, version) or verdict))
    return verdicts, unreadable


class _Chain(NamedTuple):
    """The result of checking the chain of versions, and the next checkpoint to compare it with."""

    report: ChainReport
    checkpoint: Checkpoint


def _chain(instance: dg.DagsterInstance, objects: ObjectStore) -> _Chain:
    """Compare the chain with the last run's checkpoint, which is not stored in the bucket.

    If they disagree, the old checkpoint is kept, so that the check keeps failing.
    """
    since = _recorded_checkpoint(instance)
    report = check(objects, since)
    return _Chain(report, since if report.findings and since is not None else report.newest)


def _recorded_checkpoint(instance: dg.DagsterInstance) -> Checkpoint | None:
    """The checkpoint of the newest materialization; None before the first entry of the chain."""
    event = instance.get_latest_materialization_event(VERIFICATION)
    made = event.asset_materialization if event is not None else None
    said = made.metadata.get("checkpoint") if made is not None else None
    if said is None or said.value == str(BEGINNING):
        return None
    return Checkpoint.parse(str(said.value))


def _chain_result(report: ChainReport) -> dg.AssetCheckResult:
    sound = (
        f"up to entry {report.newest.number}: {quantity(report.versions, 'version')}, "
        f"and {report.unsigned} older, unsigned"
    )
    return dg.AssetCheckResult(
        passed=not report.findings,
        asset_key=VERIFICATION,
        check_name=CHAIN,
        description="; ".join(report.findings[:5]) or sound,
        metadata={"findings": report.findings[:SHOWN]},
    )


def _verified(
    verdicts: Sequence[_Verdicts], unreadable: Sequence[str], sample: float, chain: _Chain
) -> dg.MaterializeResult[None]:
    outcomes = Counter(each.stands.outcome for each in verdicts)
    odd = [v.stands for v in verdicts if v.stands.outcome not in ("passed", "not checked")]
    unread = f", {outcomes['not checked']} not checked" if outcomes["not checked"] else ""
    findings = [
        *unreadable,
        *(
            f"{v.version} {c.part}: {text} (read {v.at[:10]})"
            for v in odd
            for c in v.checks
            for text in c.findings
        ),
    ]
    return dg.MaterializeResult(
        metadata={
            "versions": len(verdicts),
            "not_passed": len(odd) + len(unreadable),
            "not_checked": outcomes["not checked"],
            "sample": sample,
            "bytes": sum(check.bytes for each in verdicts for check in each.now.checks),
            "seconds": round(sum(each.now.seconds for each in verdicts), 3),
            "verdicts": shown(
                {"version": now.version, "verdict": stands.outcome, "seconds": now.seconds}
                for now, stands in reversed(verdicts)
            ),
            "checkpoint": str(chain.checkpoint),
        },
        check_results=[
            dg.AssetCheckResult(
                passed=not (odd or unreadable),
                asset_key=VERIFICATION,
                check_name="all_passed",
                description="; ".join(findings[:5])
                or f"{quantity(outcomes['passed'], 'version')} passed{unread}",
                metadata={"findings": findings[:SHOWN]},
            ),
            _chain_result(chain.report),
        ],
    )


DAILY_VERIFICATION = scheduled(
    "daily_verification",
    VERIFICATION,
    "Reads a sample of each version of the last months again, each day at 04:00 UTC.",
    "0 4 * * *",
)
