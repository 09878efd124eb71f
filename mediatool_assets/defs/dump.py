"""The dump: the version's MongoDB database in mongodump's layout, in one archive."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from mediatool_assets.defs import pools
from mediatool_assets.defs.failures import retried
from mediatool_assets.defs.layers import (
    ARCHIVES_IO,
    CODE_VERSION,
    OWNERS,
    VERSION,
    archive_facts,
    key,
)
from mediatool_assets.defs.partitions import DAYS
from mediatool_assets.defs.progress import LoggedProgress
from mediatool_assets.defs.resources import Platform
from mediatool_assets.defs.runs import RunVersion
from mediatool_assets.flows.dump import dump

DUMP = dg.AssetKey("dump")


def dump_layer(collections: Sequence[str]) -> dg.AssetsDefinition:
    """The step that dumps the version's database."""

    @dg.asset(
        name="dump",
        deps=[key("mongodb", name) for name in collections],
        description="The version's database in mongodump's layout; mongorestore can restore it.",
        group_name=VERSION,
        kinds={"s3", "mongodb", "bson"},
        owners=OWNERS,
        tags={"mediatool/layer": "dump"},
        code_version=CODE_VERSION,
        io_manager_key=ARCHIVES_IO,
        partitions_def=DAYS,
        pool=pools.DUMP,
    )
    def dump_asset(
        context: dg.AssetExecutionContext, platform: Platform
    ) -> dg.MaterializeResult[Any]:
        """Dump the version's database; an existing dump with the same content is adopted."""
        with retried():
            objects = platform.objects()
            version = RunVersion.of(context).to_read(objects)
            with platform.workspace(LoggedProgress(context)) as workspace:
                archived = dump(objects, platform.documents(), workspace, version)
        manifest = archived.manifest
        return dg.MaterializeResult(
            metadata={
                **archive_facts(archived, version),
                "dagster/row_count": manifest.rows,
                "dagster/partition_row_count": manifest.rows,
                "dagster/uri": archived.uri,
                "bytes": manifest.bytes,
                "documents": {name: m.rows for name, m in manifest.collections().items()},
            },
        )

    return dump_asset
