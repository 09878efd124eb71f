"""Asset checks: what is checked of each layer, in one step a layer.

``raw/TABLE: counted`` is the one that blocks: no document is made of an archive that does not hold
what the source had. All others tell, and stop nothing: a version is a database of its own, and what
is odd in it spoils no other. They read the partition's version as the steps do, and leave it to
``flows.checks`` and ``domain.expectations`` to decide.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping

import dagster as dg

from mediatool_assets.defs.dumped import DUMP
from mediatool_assets.defs.failures import explained
from mediatool_assets.defs.layers import Layer, key, name_of
from mediatool_assets.defs.partitions import DAYS
from mediatool_assets.defs.published import METADATA
from mediatool_assets.defs.resources import Platform
from mediatool_assets.defs.runs import RunVersion
from mediatool_assets.domain.expectations import Finding
from mediatool_assets.domain.model import Model, Verb
from mediatool_assets.domain.version import Version
from mediatool_assets.flows import checks
from mediatool_assets.flows.checks import Findings

COUNTED = "counted"
USUAL = "as_usual"
LOADED = "loaded"
DUMPED = "dumped"
ACCOUNTED = "accounted"
LOSSES = "losses_as_usual"
WHOLE = "archives_whole"
UNNAMED = "unnamed"
SCHEMA = "schema_as_before"


def spec(asset: dg.AssetKey, name: str, says: str, *, blocking: bool = False) -> dg.AssetCheckSpec:
    """A check of an asset, kept by partition."""
    with warnings.catch_warnings():  # partitions_def works, and is no promise of Dagster's yet
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name, asset=asset, description=says, blocking=blocking, partitions_def=DAYS
        )


def raw_checks(tables: Iterable[str], model: Model) -> dg.AssetChecksDefinition:
    """Of every table: the archive holds what the source had, and that is much what it was."""
    bounds = {name: table.bounds for name, table in model.sources.items()}

    @dg.multi_asset_check(
        name="check_raw",
        specs=[
            made
            for table in tables
            for made in (
                spec(
                    key("raw", table),
                    COUNTED,
                    "As many rows as PostgreSQL counted in the snapshot, every byte read again.",
                    blocking=True,
                ),
                spec(
                    key("raw", table),
                    USUAL,
                    "Rows within their bounds, and columns as they were, against the last versions",
                ),
            )
        ],
        can_subset=True,
    )
    def check_raw(
        context: dg.AssetCheckExecutionContext, platform: Platform
    ) -> Iterator[dg.AssetCheckResult]:
        """Read the raw archive again, and look back on the versions before."""
        with explained():
            objects, version = platform.objects(), _version(context, platform)
            workers = platform.settings().workers
            counted = checks.raw_counted(objects, version, _asked(context, COUNTED), workers)
            usual = checks.raw_as_usual(objects, version, _asked(context, USUAL), bounds)
        yield from _results("raw", COUNTED, counted)
        yield from _results("raw", USUAL, usual)

    return check_raw


def transformed_checks(
    model: Model, collections: Iterable[str]
) -> Iterator[dg.AssetChecksDefinition]:
    """Of every collection that refers to others: as much is found as usual; none if none does."""
    referring = [name for name in collections if _refers(model, name)]
    if not referring:
        return

    @dg.multi_asset_check(
        name="check_transformed",
        specs=[
            spec(
                key("transformed", name),
                USUAL,
                "No more references that find nothing than in the last versions.",
            )
            for name in referring
        ],
        can_subset=True,
    )
    def check_transformed(
        context: dg.AssetCheckExecutionContext, platform: Platform
    ) -> Iterator[dg.AssetCheckResult]:
        """Look back on the references of the versions before."""
        with explained():
            version, names = _version(context, platform), _asked(context, USUAL)
            found = checks.references_as_usual(platform.objects(), version, names)
        yield from _results("transformed", USUAL, found)

    yield check_transformed


def _refers(model: Model, collection: str) -> bool:
    made = model.collections.get(collection)
    additions = made.shape.every_addition() if made is not None else ()
    return any(addition.verb in (Verb.LOOK_UP, Verb.UNION) for addition in additions)


def mongodb_checks(collections: Iterable[str]) -> dg.AssetChecksDefinition:
    """Of every collection: what was transformed, was loaded, and is there."""

    @dg.multi_asset_check(
        name="check_mongodb",
        specs=[
            spec(
                key("mongodb", name),
                LOADED,
                "The documents of the transformed archive, all of them, and still there.",
            )
            for name in collections
        ],
        can_subset=True,
    )
    def check_mongodb(
        context: dg.AssetCheckExecutionContext, platform: Platform
    ) -> Iterator[dg.AssetCheckResult]:
        """Compare archive and marker, and let mongod count."""
        with explained():
            objects, version = platform.objects(), _version(context, platform)
            names = _asked(context, LOADED)
            found = checks.database_as_loaded(objects, platform.documents(), version, names)
        yield from _results("mongodb", LOADED, found)

    return check_mongodb


def version_checks(tables: Iterable[str], collections: Iterable[str]) -> dg.AssetChecksDefinition:
    """Of the version as a whole, once it is published; ``tables`` and ``collections`` are named."""
    tables, collections = list(tables), list(collections)

    @dg.multi_asset_check(
        name="check_version",
        specs=[
            spec(DUMP, DUMPED, "Every collection of the dump is what was loaded."),
            spec(METADATA, ACCOUNTED, "Every row of the raw archive has its place, and one only."),
            spec(METADATA, LOSSES, "BSON lost no more values than in the last versions."),
            spec(METADATA, WHOLE, "Transformed archive and dump have their SHA-256s."),
            spec(
                METADATA, UNNAMED, "Tables and collections beside the model's: counted, as usual."
            ),
            spec(METADATA, SCHEMA, "Tables beside the model's, enums and views as they were."),
        ],
        can_subset=True,
    )
    def check_version(
        context: dg.AssetCheckExecutionContext, platform: Platform
    ) -> Iterator[dg.AssetCheckResult]:
        """Read the published version again."""
        with explained():
            objects, version = platform.objects(), _version(context, platform)
            for asked in sorted(context.selected_asset_check_keys):
                match asked.name:
                    case "dumped":
                        found = checks.dump_as_loaded(objects, platform.documents(), version)
                    case "accounted":
                        found = checks.rows_accounted(objects, version)
                    case "losses_as_usual":
                        found = checks.losses_as_usual(objects, version)
                    case "schema_as_before":
                        found = checks.schema_beside(objects, version, tables)
                    case "unnamed":
                        found = checks.unnamed(
                            objects,
                            platform.documents(),
                            version,
                            tables=tables,
                            collections=collections,
                            workers=platform.settings().workers,
                        )
                    case _:
                        workers = platform.settings().workers
                        found = checks.archives_whole(objects, version, workers)
                yield result(asked, found)

    return check_version


def _version(context: dg.AssetCheckExecutionContext, platform: Platform) -> Version:
    """The run's version, or the partition's newest where checks are run again alone."""
    return RunVersion.of(context).to_read(platform.objects())


def _asked(context: dg.AssetCheckExecutionContext, name: str) -> list[str]:
    """The tables or collections of which this check is asked for."""
    keys = context.selected_asset_check_keys
    return sorted(name_of(check.asset_key) for check in keys if check.name == name)


def _results(layer: Layer, name: str, found: Findings) -> Iterator[dg.AssetCheckResult]:
    for thing, finding in found.items():
        yield result(dg.AssetCheckKey(key(layer, thing), name), finding)


def result(check: dg.AssetCheckKey, finding: Finding) -> dg.AssetCheckResult:
    """A finding as Dagster keeps it: what is not known has not passed."""
    return dg.AssetCheckResult(
        passed=finding.outcome == "passed",
        asset_key=check.asset_key,
        check_name=check.name,
        description=finding.reason,
        severity=severity(finding),
        metadata=figures(finding),
    )


def severity(finding: Finding) -> dg.AssetCheckSeverity:
    """How grave it is where it has not passed."""
    warned = finding.outcome == "warned"
    return dg.AssetCheckSeverity.WARN if warned else dg.AssetCheckSeverity.ERROR


def figures(finding: Finding) -> Mapping[str, str | int | float]:
    """The figures for a result's metadata; what is none is left out."""
    known = {name: figure for name, figure in finding.figures.items() if figure is not None}
    return {"outcome": finding.outcome, **known}
