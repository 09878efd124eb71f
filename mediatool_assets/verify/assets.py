"""Asset checks: one step for each layer.

Only ``raw/TABLE: counted`` is blocking: an archive that lacks rows of the source is not
transformed. The other checks only report, since an unusual version does not affect other versions.
Checks and steps find the version of the partition in the same way. ``verify.checks`` and
``core.model`` decide.

The daily verification: reads versions again, and stores the verdicts.

Damage fails a check, not the run; alerts report both.

Metadata and registry: the version is compared as a whole before they are written.

Freshness: every layer has its day's version an hour after the daily export begins.

Dagster's own policy uses an asset's last materialization in any partition. The UI shows it as a
badge, and after a backfill of an old day it looks fresh. Our check uses the day's partition. It is
evaluated in each run of a version. A sensor evaluates it too when the version is due, since the
day's run may hang.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import dagster as dg
import msgspec
from pydantic import Field

from mediatool_assets import orchestration as pools
from mediatool_assets.core.authenticity import BEGINNING, Checkpoint, Verdict
from mediatool_assets.core.errors import DamagedInput
from mediatool_assets.core.metadata import Metadata
from mediatool_assets.core.model import AdditionVerb, Model
from mediatool_assets.core.outcomes import ALLOWED, Finding, Timetable
from mediatool_assets.core.setting_values import Targets
from mediatool_assets.core.texts import quantity
from mediatool_assets.core.version import REGISTRY_KEY, Version, metadata_key
from mediatool_assets.orchestration import (
    DAYS,
    DUMP_ARCHIVE,
    GROUP,
    JSON_IO,
    METADATA,
    ON_TIME,
    PLAIN,
    POSTGRES_DATABASE,
    REGISTRY,
    SHOWN,
    TRANSFORMED_ARCHIVE,
    VERSION,
    Layer,
    Namespace,
    check_result,
    check_spec,
    figures,
    key,
    layer_spec,
    name_of,
    operation,
    operation_shown,
    scheduled,
    severity,
)
from mediatool_assets.orchestration.io_managers import stored_json
from mediatool_assets.orchestration.resources import ServersResource
from mediatool_assets.orchestration.runs import (
    LoggedProgress,
    RunVersion,
    errors_as_failures,
    record_process,
    retried,
)
from mediatool_assets.query.handles import ArchiveHandle
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.stores.user_files import signing_key
from mediatool_assets.verify.checks import (
    archives_whole,
    database_as_loaded,
    day_on_time,
    dump_as_loaded,
    losses_as_usual,
    raw_as_usual,
    raw_counted,
    references_as_usual,
    restored,
    rows_accounted,
    schema_beside_model,
    unnamed,
)
from mediatool_assets.verify.flow import verify
from mediatool_assets.verify.publish import RunFacts, SourceType, complete
from mediatool_assets.versions import catalog
from mediatool_assets.versions.flow import ChainReport, check, checkpoint_of
from mediatool_assets.versions.records import standing_verdict, store_verdict, write_local_registry

_DUMPED = "dumped"


class _LayerCheck(NamedTuple):
    """One check: of every table or collection of a layer, or of the version as a whole.

    ``evaluate`` takes the bucket, the version, for a layer its tables or collections, and the
    keyword arguments that ``arguments`` builds from the servers.
    """

    name: str
    description: str
    evaluate: Callable[..., Any]
    arguments: Callable[[ServersResource], dict[str, object]] = lambda _: {}
    blocking: bool = False


def _workers(servers: ServersResource) -> dict[str, object]:
    return {"workers": servers.settings().workers}


def _documents(servers: ServersResource) -> dict[str, object]:
    return {"documents": servers.documents()}


def raw_checks(tables: Iterable[str], model: Model) -> dg.AssetChecksDefinition:
    """Two checks of each table: complete, and similar to earlier versions."""
    bounds = {name: table.bounds for name, table in model.sources.items()}
    counted = "The raw archive has as many rows as PostgreSQL counted in the snapshot."
    usual = "The row count is within its bounds, and the columns are those of the last versions."
    return _layer_checks(
        "raw",
        tables,
        "Compare the raw archive with PostgreSQL's counts and with earlier versions.",
        _LayerCheck("counted", counted, raw_counted, _workers, blocking=True),
        _LayerCheck("as_usual", usual, partial(raw_as_usual, bounds=bounds)),
    )


def transformed_checks(
    model: Model, collections: Iterable[str]
) -> Iterator[dg.AssetChecksDefinition]:
    """The step that checks the references; nothing if no collection has any."""
    referring = [name for name in collections if _refers(model, name)]
    if referring:
        says = "No more unresolved references than in the last versions."
        usual = _LayerCheck("as_usual", says, references_as_usual)
        says = "Compare the references with earlier versions."
        yield _layer_checks("transformed", referring, says, usual)


def _refers(model: Model, collection: str) -> bool:
    made = model.collections.get(collection)
    additions = made.shape.every_addition() if made is not None else ()
    return any(
        addition.verb in (AdditionVerb.LOOK_UP, AdditionVerb.UNION) for addition in additions
    )


def mongodb_checks(collections: Iterable[str]) -> dg.AssetChecksDefinition:
    """The check of every collection that its documents were loaded and still exist."""
    says = "The database has all documents of the transformed archive."
    loaded = _LayerCheck("loaded", says, database_as_loaded, _documents)
    says = "Compare the marker with the archive, and count the documents in MongoDB."
    return _layer_checks("mongodb", collections, says, loaded)


def _layer_checks(
    layer: Layer, things: Iterable[str], description: str, *checks: _LayerCheck
) -> dg.AssetChecksDefinition:
    """The checks of each of the layer's tables or collections, in one step."""

    @dg.multi_asset_check(
        name=f"check_{layer}",
        description=description,
        specs=[
            check_spec(key(layer, thing), check.name, check.description, blocking=check.blocking)
            for thing in things
            for check in checks
        ],
        can_subset=True,
    )
    def check_layer(
        context: dg.AssetCheckExecutionContext, servers: ServersResource
    ) -> Iterator[dg.AssetCheckResult]:
        with errors_as_failures():
            objects, version = servers.objects(), _version(context, servers)
            found = {
                check.name: check.evaluate(
                    objects, version, _asked(context, check.name), **check.arguments(servers)
                )
                for check in checks
            }
        for name, findings in found.items():
            for thing, finding in findings.items():
                yield check_result(dg.AssetCheckKey(key(layer, thing), name), finding)

    return check_layer


def version_checks(
    targets: Targets, tables: Iterable[str], collections: Iterable[str]
) -> dg.AssetChecksDefinition:
    """The checks of a published version as a whole.

    ``tables`` and ``collections`` are those that the model names.
    """
    tables, collections = list(tables), list(collections)
    dumped = _LayerCheck(
        _DUMPED, "Every collection of the dump equals what was loaded.", dump_as_loaded, _documents
    )
    has_database = _LayerCheck(
        "restored", "The version's PostgreSQL database was restored and read back.", restored
    )
    checks = (
        *([dumped] if targets.mongodb else []),
        _LayerCheck(
            "accounted",
            "Every row of the raw archive is accounted for exactly once.",
            rows_accounted,
        ),
        _LayerCheck(
            "losses_as_usual",
            "Conversion to BSON lost no more values than in the last versions.",
            losses_as_usual,
        ),
        _LayerCheck(
            "archives_whole",
            "The archives have the size and SHA-256 of the metadata.",
            archives_whole,
            _workers,
        ),
        *([has_database] if targets.postgres else []),
        _LayerCheck(
            "unnamed",
            "Tables and collections that the model does not name pass the same checks.",
            partial(unnamed, tables=tables, collections=collections),
            lambda servers: {"documents": servers.targets().documents} | _workers(servers),
        ),
        _LayerCheck(
            "schema_as_before",
            "Enums, views and tables that the model does not name are as before.",
            partial(schema_beside_model, named=tables),
        ),
    )
    assets = {check.name: DUMP_ARCHIVE if check.name == _DUMPED else METADATA for check in checks}
    by_name = {check.name: check for check in checks}

    @dg.multi_asset_check(
        name="check_version",
        specs=[check_spec(assets[check.name], check.name, check.description) for check in checks],
        can_subset=True,
    )
    def check_version(
        context: dg.AssetCheckExecutionContext, servers: ServersResource
    ) -> Iterator[dg.AssetCheckResult]:
        """Read the published version again."""
        with errors_as_failures():
            objects, version = servers.objects(), _version(context, servers)
            for asked in sorted(context.selected_asset_check_keys):
                check = by_name[asked.name]
                yield check_result(
                    asked, check.evaluate(objects, version, **check.arguments(servers))
                )

    return check_version


def _version(context: dg.AssetCheckExecutionContext, servers: ServersResource) -> Version:
    """The run's version, or the partition's newest if only checks are run."""
    return RunVersion.of(context).to_read(servers.objects())


def _asked(context: dg.AssetCheckExecutionContext, name: str) -> list[str]:
    """The tables or collections that this check is requested for."""
    keys = context.selected_asset_check_keys
    return sorted(name_of(check.asset_key) for check in keys if check.name == name)


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
            "verdicts": operation_shown(
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


def publication(targets: Targets) -> dg.AssetsDefinition:
    """The step that publishes a version: its metadata file, then the registry of versions.

    It follows what makes the version complete: the dump, or without MongoDB the transformed
    archive; with PostgreSQL the restored database, or the reason why there is none.
    """
    archived = DUMP_ARCHIVE if targets.mongodb else TRANSFORMED_ARCHIVE
    made = [archived, *([POSTGRES_DATABASE] if targets.postgres else [])]

    @dg.multi_asset(
        name="publish",
        specs=[
            _spec(METADATA, made, "The metadata file: with it, the version is complete."),
            _spec(REGISTRY, [METADATA], "The registry of all complete versions, oldest first."),
        ],
        ins={"archive": dg.AssetIn(archived)},
        partitions_def=DAYS,
        pool=pools.PUBLISH,
    )
    def publish(
        context: dg.AssetExecutionContext, servers: ServersResource, archive: ArchiveHandle
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Compare everything that was made, and publish the version."""
        with retried():
            objects, run = servers.objects(), RunVersion.of(context)
            metadata = _complete(servers, run, archive.version)
            results = [_metadata(objects, metadata), _registry(objects)]
        for warning in metadata.warnings:
            context.log.warning(warning)
        yield from results

    return publish


def _spec(asset: dg.AssetKey, after: Iterable[dg.AssetKey], description: str) -> dg.AssetSpec:
    spec = layer_spec(asset.path[0], asset, after, description, {"s3", "json"})
    return spec.replace_attributes(group_name=VERSION).with_io_manager_key(JSON_IO)


def _complete(servers: ServersResource, run: RunVersion, version: Version) -> Metadata:
    settings, request, objects = servers.settings(), run.request(version), servers.objects()
    facts = RunFacts(
        source_type=_source_type(objects, version),
        instance=settings.rds_instance,
        purpose=request.purpose,
        notes=request.notes,
        seconds=run.seconds(version),
    )
    with servers.workspace() as workspace:
        metadata = complete(servers.targets(), workspace, version, facts, signing_key(settings))
    write_local_registry(objects, settings.local_registry)
    return metadata


def _source_type(objects: ObjectStore, version: Version) -> SourceType:
    """The source type that the raw archive records."""
    source = catalog.reader(objects, "raw", version).manifest.source
    return "rds" if source.get("type") == "rds" else "postgres"


def _metadata(objects: ObjectStore, metadata: Metadata) -> dg.MaterializeResult[Any]:
    key = metadata_key(metadata.version)
    data, _ = objects.get(key)
    exports = metadata.exports
    return dg.MaterializeResult(
        asset_key=METADATA,
        value=stored_json(metadata.version, objects.uri(key), data),
        metadata={
            "purpose": metadata.purpose,
            "notes": metadata.notes,
            "rows": exports.raw.record_count,
            "documents": sum(exports.transformed.documents.values()),
            "archive_bytes": exports.size_bytes,
            "export_duration_minutes": metadata.export_duration_minutes,
            "seconds": metadata.seconds,
            "warnings": list(metadata.warnings),
            "metadata": msgspec.to_builtins(metadata),
            "checkpoint": str(checkpoint_of(metadata) or "the version is not signed"),
        },
    )


def _registry(objects: ObjectStore) -> dg.MaterializeResult[Any]:
    """It has many writers, so no value is returned to be compared with the bucket."""
    uri, entries = objects.uri(REGISTRY_KEY), catalog.registry(objects)
    return dg.MaterializeResult(
        asset_key=REGISTRY,
        metadata={"dagster/uri": uri, "versions": len(entries), "newest": entries[-1].version},
    )


def with_freshness(
    timetable: Timetable, *layers: dg.AssetsDefinition
) -> Iterator[dg.AssetsDefinition]:
    """Apply the timetable's freshness policy to each asset of the layers."""
    due = Timetable((timetable.hour + 1) % 24, timetable.zone)
    policy = dg.FreshnessPolicy.cron(due.cron, lower_bound_delta=ALLOWED, timezone=due.zone)
    for layer in layers:
        yield layer.map_asset_specs(
            lambda made: dg.apply_freshness_policy(made, policy, overwrite_existing=False)
        )


@dg.multi_asset_check(
    specs=[
        check_spec(ON_TIME.asset_key, ON_TIME.name, "The newest version of the day is complete.")
    ]
)
def check_on_time(
    context: dg.AssetCheckExecutionContext, servers: ServersResource
) -> dg.AssetCheckResult:
    """Check that the day has a complete version."""
    record_process(context.instance, context.run)
    with errors_as_failures():
        day = date.fromisoformat(context.partition_key)
        due = servers.settings().timetable.due(day)
        return check_result(ON_TIME, day_on_time(servers.objects(), day, datetime.now(UTC), due))


def on_time_sensor(names: Namespace) -> dg.SensorDefinition:
    """The sensor that checks, without starting a run, whether today's version is on time."""

    @dg.sensor(
        name=names.name("on_time_sensor"),
        required_resource_keys={names.name("servers")},
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Checks, when today's version is due, whether it is complete. Starts no run.",
    )
    def sense(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        """Check today once, from the deadline on; the cursor is the day that was checked."""
        servers: ServersResource = getattr(context.resources, names.name("servers"))
        now = datetime.now(UTC)
        day = (now - ALLOWED).date()  # begun in the last hour of a day: due the next day
        due = servers.settings().timetable.due(day)
        if now < due:
            return dg.SkipReason(f"{day}: not due before {due:%H:%M} UTC")
        if context.cursor == day.isoformat():
            return dg.SkipReason(f"{day} has been checked")
        finding = day_on_time(servers.objects(), day, now, due)
        report(context.instance, day, finding, names)
        context.update_cursor(day.isoformat())
        return dg.SkipReason(f"{finding.outcome}: {finding.reason}")

    return sense


def report(
    instance: dg.DagsterInstance, day: date, finding: Finding, names: Namespace = PLAIN
) -> None:
    """Record the finding in that day's partition, without a run."""
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=names.key(ON_TIME.asset_key),
            check_name=ON_TIME.name,
            passed=finding.outcome == "passed",
            severity=severity(finding),
            description=finding.reason,
            metadata=figures(finding),
            partition=day.isoformat(),
        )
    )
