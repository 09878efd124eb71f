"""What all assets share: layers, keys, partitions, pools, lineage, checks, names of a source.

The layers of a version, and what their assets share: keys, facts of a run.

Lineage for other tools: OpenLineage events of runs, assets, schemas and columns.

The package dagster-openlineage sends them from Dagster's own events, if ``OPENLINEAGE_URL`` names a
receiver.

Daily partitions: the key is the UTC date on which an export was taken, so today exists today.

Dagster's decorators need them when the asset modules are imported. The first day is therefore the
only setting that is read at import.

Pools: how many steps of a kind run at once, over all runs; ``dagster.yaml`` sets the limits.

One step already uses MEDIATOOL_WORKERS processes: two of a kind would halve each other's speed.

The source's tables: external assets, where all lineage begins.

Specs and results of asset checks, made from findings.

Shared by the assets of operations: their group, tables of findings, scheduled jobs.

A scheduled one is an asset without partitions: the UI plots its figures from run to run.

Columns of collections for Dagster: their BSON types and where their values come from.

Several sources in one code location: all names of a source begin with its prefix.

A source's assets, steps, jobs, schedules, sensors, groups, resources and run tags are declared
once, under plain names. A ``Namespace`` with a prefix recreates them under prefixed names. The
step's function stays the same, and its results get the keys that Dagster expects.
"""

import os
import re
import warnings
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata as distribution
from importlib.util import find_spec
from inspect import isgenerator
from typing import Any, Literal
from urllib.parse import unquote

import dagster as dg
from bson import json_util

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.core.errors import BadSettings, CheckFailed, Misuse
from mediatool_assets.core.manifest import Member
from mediatool_assets.core.model import Model
from mediatool_assets.core.outcomes import Finding
from mediatool_assets.core.resolution import resolve
from mediatool_assets.core.shapes import DocumentCollection
from mediatool_assets.core.version import metadata_member
from mediatool_assets.stores.environment import first_day

Facts = dict[str, Any]
"""Metadata of a materialization."""

Layer = Literal["source", "raw", "postgres", "transformed", "mongodb"]

CODE_VERSION = distribution.version("mediatool_assets")
VERSION = "version"
"""The group of a version's assets that are not tables or collections."""

TOGETHER = (
    " It cannot be materialized alone: one step makes the whole layer, from one snapshot. "
    "Select its group."
)
"""What each table's and collection's description says."""

RAW_ARCHIVE = dg.AssetKey("raw_archive")
"""The archive as a whole. Every collection depends on it and on its tables.

Dagster 1.13 rejects a backfill of a step in which some assets have one parent and others have
several (see docs/how-to/backfills.md). With this asset, every collection has several.
"""

TRANSFORMED_ARCHIVE = dg.AssetKey("transformed_archive")
POSTGRES_DATABASE = dg.AssetKey("postgres_database")
MONGODB_DATABASE = dg.AssetKey("mongodb_database")
DUMP_ARCHIVE = dg.AssetKey("dump")
METADATA = dg.AssetKey("metadata")
REGISTRY = dg.AssetKey("registry")
SANITIZED = dg.AssetKey("sanitized")

ON_TIME = dg.AssetCheckKey(METADATA, "on_time")
"""The check that the day has a complete version; it is about the day, not about a version."""

TABLES_IO = "tables"
COLLECTIONS_IO = "collections"
DATABASE_IO = "database"
RESTORED_TABLES_IO = "restored_tables"
RESTORED_DATABASE_IO = "restored_database"
ARCHIVES_IO = "archives"
JSON_IO = "json_documents"

_ODD = re.compile(r"[^A-Za-z0-9_.]")


def key(layer: Layer, name: str) -> dg.AssetKey:
    """The key of a table's or collection's asset in a layer.

    Dagster allows few characters: each byte of another is written as ``-`` and two hex digits.
    """
    plain = _ODD.sub(lambda odd: "".join(f"-{byte:02X}" for byte in odd[0].encode()), name)
    return dg.AssetKey([layer, plain])


def name_of(asset: dg.AssetKey) -> str:
    """The table or collection that an asset is called after."""
    return unquote(asset.path[-1].replace("-", "%"))


def shown(asset: dg.AssetKey) -> str:
    """An asset for people: ``layer/TABLE``, the table by its own name."""
    return "/".join([*asset.path[:-1], name_of(asset)])


def is_on_time(check: dg.AssetCheckKey) -> bool:
    """True for ON_TIME of any source: its asset's key may begin with a source's name."""
    return check.name == ON_TIME.name and check.asset_key.path[-1:] == METADATA.path


def layer_spec(
    layer: str,
    asset: dg.AssetKey,
    after: Iterable[dg.AssetKey],
    description: str,
    kinds: set[str],
) -> dg.AssetSpec:
    """An asset that a step of a version makes; its layer is its group too."""
    return dg.AssetSpec(
        asset,
        deps=after,
        description=description,
        group_name=layer,
        kinds=kinds,
        tags={"mediatool/layer": layer},
        code_version=CODE_VERSION,
    )


def require_named(where: str, names: Iterable[str], there: Container[str]) -> None:
    """Raise CheckFailed if a version lacks tables or collections of the model."""
    if missing := [name for name in names if name not in there]:
        raise CheckFailed(
            f"{where} has no {', '.join(missing)}, which the model names; the model has changed "
            "since the version was made: make a new version"
        )


def warnings_of(name: str, warnings: Iterable[str], names: Iterable[str]) -> Facts:
    """The warnings about ``name``, and those that are about no asset in ``names``."""
    known = list(names)
    spoken = {w: [each for each in known if _speaks_of(w, each)] for w in warnings}
    own = [w for w, found in spoken.items() if name in found or not found]
    return {"warnings": own} if own else {}


def _speaks_of(text: str, name: str) -> bool:
    """True if the name is in the text as a whole word, or before the dot of its column."""
    return re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text) is not None


def log_warnings(context: dg.AssetExecutionContext, warnings: Iterable[str]) -> None:
    """Write warnings to the log of the run."""
    for warning in warnings:
        context.log.warning(warning)


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


DAYS = dg.DailyPartitionsDefinition(first_day().isoformat(), timezone="UTC", end_offset=1)


EXPORT = "mediatool_export"
TRANSFORM = "mediatool_transform"
LOAD = "mediatool_load"
RESTORE = "mediatool_restore"
DUMP = "mediatool_dump"
PUBLISH = "mediatool_publish"
REPORT = "mediatool_report"
SANITIZE = "mediatool_sanitize"
OPERATIONS = "mediatool_operations"


def source_tables(tables: Iterable[str]) -> list[dg.AssetSpec]:
    """One external asset for each table of the live database."""
    return [
        dg.AssetSpec(
            key("source", table),
            description=f"The table `{table}` of the live database. It is only read.",
            group_name="source",
            kinds={"postgres"},
            metadata={"dagster/table_name": table},
        )
        for table in tables
    ]


def check_spec(
    asset: dg.AssetKey, name: str, says: str, *, blocking: bool = False
) -> dg.AssetCheckSpec:
    """A check of an asset, with a result for each partition."""
    with warnings.catch_warnings():  # partitions_def works, but Dagster does not guarantee it yet
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name, asset=asset, description=says, blocking=blocking, partitions_def=DAYS
        )


def check_result(check: dg.AssetCheckKey, finding: Finding) -> dg.AssetCheckResult:
    """A finding as a Dagster check result; an unknown finding has not passed."""
    return dg.AssetCheckResult(
        passed=finding.outcome == "passed",
        asset_key=check.asset_key,
        check_name=check.name,
        description=finding.reason,
        severity=severity(finding),
        metadata=figures(finding),
    )


def severity(finding: Finding) -> dg.AssetCheckSeverity:
    """The severity of a finding that has not passed."""
    warned = finding.outcome == "warned"
    return dg.AssetCheckSeverity.WARN if warned else dg.AssetCheckSeverity.ERROR


def figures(finding: Finding) -> Mapping[str, str | int | float]:
    """The figures for a result's metadata, without those that are None."""
    known = {name: figure for name, figure in finding.figures.items() if figure is not None}
    return {"outcome": finding.outcome, **known}


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
        pool=OPERATIONS,
        check_specs=checks,
    )


SHOWN = 200
"""Maximum rows of a table in the UI; the bucket has all of them."""


def operation_shown(rows: Iterable[dict[str, str | int | float | bool]]) -> dg.TableMetadataValue:
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


def resolved(model: Model, raw: ArchiveReader) -> dict[str, DocumentCollection]:
    """The collections that the model defines for a raw archive's schema; raises BadModel."""
    excluded = {exclusion.table for exclusion in raw.manifest.exclusions}
    return {c.name: c for c in resolve(model, raw.schema(), excluded).collections}


def lineage(collection: DocumentCollection) -> dg.TableColumnLineage:
    """For each field, the columns of the raw tables that it is derived from."""
    return dg.TableColumnLineage(
        {
            field: [dg.TableColumnDep(key("raw", table), column) for table, column in sources]
            for field, sources in collection.lineage().items()
        }
    )


def unchanged(columns: dg.TableSchema, layer: Layer, collection: str) -> dg.TableColumnLineage:
    """The lineage of a copy: each field comes from the field of the same name in ``layer``."""
    upstream = key(layer, collection)
    return dg.TableColumnLineage(
        {c.name: [dg.TableColumnDep(upstream, c.name)] for c in columns.columns}
    )


def columns(
    archive: ArchiveReader, member: Member, collection: DocumentCollection | None
) -> dg.TableSchema:
    """The fields with their BSON types, as the collection's validator says; dots for nesting.

    Of a collection that the model makes, each says of which columns it is made.
    """
    metadata = archive.member(metadata_member(member.name))
    options: Mapping[str, Any] = json_util.loads(archive.read_file(metadata.name))["options"]
    rules = options.get("validator", {}).get("$jsonSchema", {})
    types = dict(_types(rules, ""))
    sources = collection.lineage() if collection else {}
    fields = types or dict.fromkeys(sources, "")
    return dg.TableSchema(
        [
            dg.TableColumn(name, kind or "any", _origin(sources.get(name, ())))
            for name, kind in fields.items()
        ]
    )


def _origin(sources: Sequence[tuple[str, str]]) -> str | None:
    """The lineage of a field for its description: Dagster's own UI draws none of columns."""
    return "from " + ", ".join(".".join(source) for source in sources) if sources else None


def _types(rules: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, rule in rules.get("properties", {}).items():
        kinds = rule.get("bsonType", "")
        yield prefix + name, kinds if isinstance(kinds, str) else " | ".join(kinds)
        yield from _types(rule, f"{prefix}{name}.")
        items = rule.get("items")
        if isinstance(items, Mapping):
            yield from _types(items, f"{prefix}{name}.")


IO_MANAGER = "dagster/io_manager_key"
NAMESPACE_TAG = "mediatool/namespace"
"""The tag of a step that names its source."""

Results = Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]


@dataclass(frozen=True, slots=True)
class Namespace:
    """Names that begin with ``prefix``; plain names if it is empty."""

    prefix: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*|", self.prefix):
            raise Misuse(
                f"the key prefix {self.prefix!r} is invalid; write lower-case letters, digits and _"
            )

    def name(self, plain: str) -> str:
        """The name of a step, job, schedule, sensor, group or resource."""
        return f"{self.prefix}_{plain}" if self.prefix else plain

    def tag(self, plain: str) -> str:
        """The key of a run's tag."""
        return f"{plain}.{self.prefix}" if self.prefix else plain

    def key(self, asset: dg.AssetKey) -> dg.AssetKey:
        """The key of an asset; a key that already has the prefix is unchanged."""
        is_whole = not self.prefix or asset.path[0] == self.prefix
        return asset if is_whole else dg.AssetKey([self.prefix, *asset.path])

    def assets(
        self, made: Iterable[dg.AssetsDefinition | dg.AssetSpec]
    ) -> list[dg.AssetsDefinition | dg.AssetSpec]:
        """The assets under prefixed names; raises Misuse if a plain key begins with the prefix."""
        return [
            self.spec(each) if isinstance(each, dg.AssetSpec) else self._step(each)
            for each in self._apart(made)
        ]

    def checks(self, made: Iterable[dg.AssetChecksDefinition]) -> list[dg.AssetChecksDefinition]:
        """The checks under prefixed names."""
        return [self._checks(each) if self.prefix else each for each in made]

    def job(self, job: Any, plain: Iterable[dg.AssetsDefinition | dg.AssetSpec]) -> Any:
        """A job of assets, selected from the declared ones."""
        if not self.prefix:
            return job
        config = job.config
        if isinstance(config, Mapping) and "ops" in config:
            config = {"ops": {self.name(op): each for op, each in config["ops"].items()}}
        steps = [each for each in plain if isinstance(each, dg.AssetsDefinition)]
        return dg.define_asset_job(
            self.name(job.name),
            dg.AssetSelection.assets(*map(self.key, job.selection.resolve(steps))),
            description=job.description,
            config=config,
            executor_def=job.executor_def,
        )

    def schedule(
        self,
        schedule: dg.ScheduleDefinition,
        plain: Iterable[dg.AssetsDefinition | dg.AssetSpec],
    ) -> dg.ScheduleDefinition:
        """A schedule with its job."""
        if not self.prefix:
            return schedule
        return dg.ScheduleDefinition(
            name=self.name(schedule.name),
            job=self.job(schedule.job, plain),
            cron_schedule=schedule.cron_schedule,
            execution_timezone=schedule.execution_timezone,
            description=schedule.description,
            default_status=schedule.default_status,
        )

    def spec(self, plain: dg.AssetSpec) -> dg.AssetSpec:
        """An asset's spec, with dependencies in the same namespace."""
        metadata = dict(plain.metadata)
        if IO_MANAGER in metadata:
            metadata[IO_MANAGER] = self.name(metadata[IO_MANAGER])
        return plain.replace_attributes(
            key=self.key(plain.key),
            deps=[
                dg.AssetDep(self.key(dep.asset_key), partition_mapping=dep.partition_mapping)
                for dep in plain.deps
            ],
            group_name=self.name(plain.group_name) if plain.group_name else None,
            metadata=metadata,
        )

    def _apart(
        self, made: Iterable[dg.AssetsDefinition | dg.AssetSpec]
    ) -> Iterator[dg.AssetsDefinition | dg.AssetSpec]:
        """Return the assets; raises Misuse if a plain key begins with the prefix."""
        for each in made:
            keys = [each.key] if isinstance(each, dg.AssetSpec) else each.keys
            if any(key.path[0] == self.prefix for key in keys):
                raise Misuse(
                    f"the key prefix {self.prefix!r} is the name of a layer; choose another prefix"
                )
            yield each

    def _step(self, made: dg.AssetsDefinition) -> dg.AssetsDefinition:
        if not self.prefix:
            return made
        decorate = dg.multi_asset(
            specs=[self.spec(spec) for spec in made.specs],
            check_specs=[self._check(spec) for spec in made.check_specs],
            ins={
                name: dg.AssetIn(self.key(key))
                for name, key in made.keys_by_input_name.items()
                if name in _parameters(made)
            },
            **self._of_step(made),
        )
        return decorate(self._function(made))

    def _checks(self, made: dg.AssetChecksDefinition) -> dg.AssetChecksDefinition:
        decorate = dg.multi_asset_check(
            specs=[self._check(spec) for spec in made.check_specs],
            **self._of_step(made),
        )
        return decorate(self._function(made))

    def _of_step(self, made: dg.AssetsDefinition) -> dict[str, Any]:
        """What the steps of assets and of checks have alike."""
        return {
            "name": self.name(made.op.name),
            "can_subset": made.can_subset,
            "description": made.op.description,
            "required_resource_keys": {self.name("servers")},
            "op_tags": {NAMESPACE_TAG: self.prefix},
            "pool": made.op.pool,
        }

    def _check(self, plain: dg.AssetCheckSpec) -> dg.AssetCheckSpec:
        asset, says = self.key(plain.asset_key), plain.description or ""
        if plain.partitions_def is not None:
            return check_spec(asset, plain.name, says, blocking=plain.blocking)
        return dg.AssetCheckSpec(plain.name, asset=asset, description=says, blocking=plain.blocking)

    def _function(self, made: dg.AssetsDefinition) -> Callable[..., Any]:
        """The step's function with the parameters that Dagster passes: context, config, inputs."""
        called, key = _called(made), self.name("servers")
        configuration = _parameters(made).get("config")
        is_check = isinstance(made, dg.AssetChecksDefinition)
        kind = dg.AssetCheckExecutionContext if is_check else dg.AssetExecutionContext

        def plain(context: kind, **inputs: Any) -> Results:  # type: ignore[valid-type]
            servers = getattr(context.resources, key)  # type: ignore[attr-defined]
            yield from self._named(called(context, servers=servers, **inputs))

        if configuration is None:
            return plain

        def configured(
            context: kind,  # type: ignore[valid-type]
            config: configuration,  # type: ignore[valid-type]
            **inputs: Any,
        ) -> Results:
            yield from plain(context, config=config, **inputs)

        return configured

    def _named(self, made: Any) -> Results:
        """The results that a step returned or yields, with the keys that Dagster expects."""
        for each in made if isgenerator(made) else [made]:
            yield self._result(each)

    def _result(self, made: Any) -> Any:
        if isinstance(made, dg.AssetCheckResult):
            return dg.AssetCheckResult(
                passed=made.passed,
                asset_key=self.key(made.asset_key) if made.asset_key else None,
                check_name=made.check_name,
                metadata=made.metadata,
                severity=made.severity,
                description=made.description,
            )
        return made._replace(
            asset_key=self.key(made.asset_key) if made.asset_key else None,
            metadata={name: self._lineage(value) for name, value in (made.metadata or {}).items()},
            check_results=[self._result(check) for check in made.check_results],
        )

    def _lineage(self, value: Any) -> Any:
        if not isinstance(value, dg.TableColumnLineage):
            return value
        return dg.TableColumnLineage(
            {
                column: [dg.TableColumnDep(self.key(d.asset_key), d.column_name) for d in deps]
                for column, deps in value.deps_by_column.items()
            }
        )


PLAIN = Namespace()
"""The names for a code location with a single source."""


def namespace_of(context: Any) -> Namespace:
    """The namespace of the step that a context belongs to."""
    return Namespace(context.op_execution_context.op_def.tags.get(NAMESPACE_TAG, ""))


def _called(made: dg.AssetsDefinition) -> Callable[..., Any]:
    """The function that was decorated."""
    function: Callable[..., Any] = made.op.compute_fn.decorated_fn  # type: ignore[union-attr]
    return function


def _parameters(made: dg.AssetsDefinition) -> dict[str, Any]:
    """Its parameters by name, with their annotations."""
    return {name: kind for name, kind in _called(made).__annotations__.items() if name != "return"}
