"""Several sources in one code location: all names of a source begin with its prefix.

A source's assets, steps, jobs, schedules, sensors, groups, resources and run tags are declared
once, under plain names. A ``Namespace`` with a prefix recreates them under prefixed names. The
step's function stays the same, and its results get the keys that Dagster expects.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from inspect import isgenerator
from typing import Any

import dagster as dg

from mediatool_assets.defs.check_results import check_spec
from mediatool_assets.domain.errors import Misuse

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
