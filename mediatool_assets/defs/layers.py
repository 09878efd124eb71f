"""The layers of a version, and what their assets share: keys, facts of a run."""

import re
from collections.abc import Container, Iterable
from importlib import metadata as distribution
from typing import Literal
from urllib.parse import unquote

import dagster as dg

from mediatool_assets.dagster_internals import RawMetadataValue
from mediatool_assets.domain.errors import CheckFailed

Facts = dict[str, RawMetadataValue]
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
