"""Asset checks: what is checked of each layer, in one step a layer.

``raw/TABLE: counted`` is the one that blocks: no document is made of an archive that does not hold
what the source had. All others tell, and stop nothing: a version is a database of its own, and what
is odd in it spoils no other. They read the partition's version as the steps do, and leave it to
``flows.checks`` and ``domain.expectations`` to decide.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import dagster as dg

from mediatool_assets.defs.dumped import DUMP
from mediatool_assets.defs.failures import explained
from mediatool_assets.defs.findings import result, spec
from mediatool_assets.defs.layers import Layer, key, name_of
from mediatool_assets.defs.published import METADATA
from mediatool_assets.defs.resources import Platform
from mediatool_assets.defs.runs import RunVersion
from mediatool_assets.domain.model import Model, Verb
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.checks.answers import Findings
from mediatool_assets.flows.checks.database import database_as_loaded, dump_as_loaded
from mediatool_assets.flows.checks.raw import raw_as_usual, raw_counted, schema_beside
from mediatool_assets.flows.checks.transformed import (
    losses_as_usual,
    references_as_usual,
    rows_accounted,
)
from mediatool_assets.flows.checks.version import archives_whole, unnamed
from mediatool_assets.flows.ports import ObjectStore

COUNTED = "counted"
USUAL = "as_usual"
LOADED = "loaded"
DUMPED = "dumped"
ACCOUNTED = "accounted"
LOSSES = "losses_as_usual"
WHOLE = "archives_whole"
UNNAMED = "unnamed"
SCHEMA = "schema_as_before"


class _Check(NamedTuple):
    """One check of every table or collection of a layer; ``ask`` is what the flow makes of it."""

    name: str
    says: str
    ask: Callable[[Platform, ObjectStore, Version, list[str]], Findings]
    blocking: bool = False


def raw_checks(tables: Iterable[str], model: Model) -> dg.AssetChecksDefinition:
    """Of every table: the archive holds what the source had, and that is much what it was."""
    bounds = {name: table.bounds for name, table in model.sources.items()}
    counted = _Check(
        COUNTED,
        "As many rows as PostgreSQL counted in the snapshot, every byte read again.",
        lambda platform, objects, version, names: raw_counted(
            objects, version, names, platform.settings().workers
        ),
        blocking=True,
    )
    usual = _Check(
        USUAL,
        "Rows within their bounds, and columns as they were, against the last versions",
        lambda _, objects, version, names: raw_as_usual(objects, version, names, bounds),
    )
    says = "Read the raw archive again, and look back on the versions before."
    return _layer_checks("raw", tables, says, counted, usual)


def transformed_checks(
    model: Model, collections: Iterable[str]
) -> Iterator[dg.AssetChecksDefinition]:
    """Of every collection that refers to others: as much is found as usual; none if none does."""
    usual = _Check(
        USUAL,
        "No more references that find nothing than in the last versions.",
        lambda _, objects, version, names: references_as_usual(objects, version, names),
    )
    referring = [name for name in collections if _refers(model, name)]
    if referring:
        says = "Look back on the references of the versions before."
        yield _layer_checks("transformed", referring, says, usual)


def _refers(model: Model, collection: str) -> bool:
    made = model.collections.get(collection)
    additions = made.shape.every_addition() if made is not None else ()
    return any(addition.verb in (Verb.LOOK_UP, Verb.UNION) for addition in additions)


def mongodb_checks(collections: Iterable[str]) -> dg.AssetChecksDefinition:
    """Of every collection: what was transformed, was loaded, and is there."""
    loaded = _Check(
        LOADED,
        "The documents of the transformed archive, all of them, and still there.",
        lambda platform, objects, version, names: database_as_loaded(
            objects, platform.documents(), version, names
        ),
    )
    says = "Compare archive and marker, and let mongod count."
    return _layer_checks("mongodb", collections, says, loaded)


def _layer_checks(
    layer: Layer, things: Iterable[str], says: str, *checks: _Check
) -> dg.AssetChecksDefinition:
    """The checks of each of the layer's tables or collections, in one step."""

    @dg.multi_asset_check(
        name=f"check_{layer}",
        description=says,
        specs=[
            spec(key(layer, thing), check.name, check.says, blocking=check.blocking)
            for thing in things
            for check in checks
        ],
        can_subset=True,
    )
    def check_layer(
        context: dg.AssetCheckExecutionContext, platform: Platform
    ) -> Iterator[dg.AssetCheckResult]:
        with explained():
            objects, version = platform.objects(), _version(context, platform)
            found = {
                check.name: check.ask(platform, objects, version, _asked(context, check.name))
                for check in checks
            }
        for name, findings in found.items():
            for thing, finding in findings.items():
                yield result(dg.AssetCheckKey(key(layer, thing), name), finding)

    return check_layer


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
                        found = dump_as_loaded(objects, platform.documents(), version)
                    case "accounted":
                        found = rows_accounted(objects, version)
                    case "losses_as_usual":
                        found = losses_as_usual(objects, version)
                    case "schema_as_before":
                        found = schema_beside(objects, version, tables)
                    case "unnamed":
                        found = unnamed(
                            objects,
                            platform.documents(),
                            version,
                            tables=tables,
                            collections=collections,
                            workers=platform.settings().workers,
                        )
                    case _:
                        workers = platform.settings().workers
                        found = archives_whole(objects, version, workers)
                yield result(asked, found)

    return check_version


def _version(context: dg.AssetCheckExecutionContext, platform: Platform) -> Version:
    """The run's version, or the partition's newest where checks are run again alone."""
    return RunVersion.of(context).to_read(platform.objects())


def _asked(context: dg.AssetCheckExecutionContext, name: str) -> list[str]:
    """The tables or collections of which this check is asked for."""
    keys = context.selected_asset_check_keys
    return sorted(name_of(check.asset_key) for check in keys if check.name == name)
