"""Asset checks: one step for each layer.

Only ``raw/TABLE: counted`` is blocking: an archive that lacks rows of the source is not
transformed. The other checks only report, since an unusual version does not affect other versions.
Checks and steps find the version of the partition in the same way. ``flows.checks`` and
``domain.expectations`` decide.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import dagster as dg

from mediatool_assets.defs.check_results import check_result, check_spec
from mediatool_assets.defs.failures import errors_as_failures
from mediatool_assets.defs.layers import DUMP_ARCHIVE, METADATA, Layer, key, name_of
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.defs.runs import RunVersion
from mediatool_assets.domain.model import AdditionVerb, Model
from mediatool_assets.domain.targets import Targets
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.checks.database import database_as_loaded, dump_as_loaded
from mediatool_assets.flows.checks.raw import raw_as_usual, raw_counted, schema_beside_model
from mediatool_assets.flows.checks.transformed import (
    losses_as_usual,
    references_as_usual,
    rows_accounted,
)
from mediatool_assets.flows.checks.version import archives_whole, restored, unnamed

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
