"""The MongoDB layer: the version's own database, loaded, compared and marked complete."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from mediatool_assets.defs import pools
from mediatool_assets.defs.collection_columns import columns, unchanged
from mediatool_assets.defs.failures import retried
from mediatool_assets.defs.layers import (
    DATABASE_IO,
    TOGETHER,
    key,
    layer_spec,
    require_named,
)
from mediatool_assets.defs.partitions import DAYS
from mediatool_assets.defs.progress import LoggedProgress
from mediatool_assets.defs.resources import Platform
from mediatool_assets.defs.runs import RunVersion
from mediatool_assets.domain.errors import AlreadyExists
from mediatool_assets.domain.urls import Url
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.load import Loaded, load, loaded
from mediatool_assets.flows.versions import archives


def mongodb_layer(collections: Sequence[str]) -> dg.AssetsDefinition:
    """The step that makes the version's database: all of its collections or none."""

    @dg.multi_asset(
        name="load",
        specs=[_spec(name) for name in collections],
        partitions_def=DAYS,
        pool=pools.LOAD,
    )
    def load_layer(
        context: dg.AssetExecutionContext, platform: Platform
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Load the version's transformed archive into a database of its own."""
        with retried():
            version = RunVersion.of(context).to_read(platform.objects())
            database = _load(context, platform, version)
            results = list(_results(platform, version, database, collections))
        yield from results

    return load_layer


def _spec(name: str) -> dg.AssetSpec:
    return layer_spec(
        "mongodb",
        key("mongodb", name),
        [key("transformed", name)],
        f"The collection `{name}` of the version's own database `mediatool_VERSION`.{TOGETHER}",
        {"mongodb"},
    ).with_io_manager_key(DATABASE_IO)


def _load(context: dg.AssetExecutionContext, platform: Platform, version: Version) -> Loaded:
    """Load the version, or adopt its complete database if that equals the archive."""
    objects, documents = platform.objects(), platform.documents()
    present = loaded(documents, version)
    if present is None:
        with platform.workspace(LoggedProgress(context)) as workspace:
            return load(objects, documents, workspace, version)
    if not present.agrees_with(archives.reader(objects, "transformed", version).manifest):
        raise AlreadyExists(
            f"the complete database {present.database}",
            "and differs from the transformed archive; materialize a new version",
        )
    context.log.info(f"{present.database} is complete: adopted")
    return present


def _results(
    platform: Platform, version: Version, database: Loaded, collections: Sequence[str]
) -> Iterator[dg.MaterializeResult[Any]]:
    require_named(database.database, collections, database.documents)
    archive = archives.reader(platform.objects(), "transformed", version)
    members = archive.manifest.collections()
    where = database_uri(platform.settings().required_url("mongodb_url"), database.database)
    for name in collections:
        fields = columns(archive, members[name], None)
        yield dg.MaterializeResult(
            asset_key=key("mongodb", name),
            data_version=dg.DataVersion(database.fingerprints[name]),
            metadata={
                "version": str(version),
                "dagster/row_count": database.documents[name],
                "dagster/partition_row_count": database.documents[name],
                "dagster/uri": where,
                "dagster/table_name": f"{database.database}.{name}",
                "dagster/column_schema": fields,
                "dagster/column_lineage": unchanged(fields, "transformed", name),
                "bytes": database.bytes[name],
                "fingerprint": database.fingerprints[name],
            },
        )


def database_uri(url: Url, database: str) -> str:
    """``mongodb://hosts/database``, without user, password and options."""
    return f"{url.scheme}://{url.hosts}/{database}"
