"""The dump: the version's MongoDB database in mongodump's layout, in one archive."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from mediatool_assets.defs import pools
from mediatool_assets.defs.dead_runs import record_process
from mediatool_assets.defs.failures import retried
from mediatool_assets.defs.layers import (
    ARCHIVES_IO,
    DUMP_ARCHIVE,
    MONGODB_DATABASE,
    VERSION,
    key,
    layer_spec,
)
from mediatool_assets.defs.partitions import DAYS
from mediatool_assets.defs.progress import LoggedProgress
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.defs.stored import stored_archive
from mediatool_assets.flows.dump import dump
from mediatool_assets.flows.query.handles import LiveDatabase
from mediatool_assets.flows.versions import archives


def dump_layer(collections: Sequence[str]) -> dg.AssetsDefinition:
    """The step that dumps the version's database."""

    @dg.multi_asset(
        name="dump",
        specs=[_spec(collections)],
        ins={"mongodb_database": dg.AssetIn(MONGODB_DATABASE)},
        partitions_def=DAYS,
        pool=pools.DUMP,
    )
    def dump_asset(
        context: dg.AssetExecutionContext, servers: ServersResource, mongodb_database: LiveDatabase
    ) -> dg.MaterializeResult[Any]:
        """Dump the version's database; an existing dump with the same content is adopted."""
        record_process(context.instance, context.run)
        with retried():
            objects, version = servers.objects(), mongodb_database.version
            with servers.workspace(LoggedProgress(context)) as workspace:
                archived = dump(objects, servers.documents(), workspace, version)
            digest = archives.reader(objects, "dump", version).digest
        manifest = archived.manifest
        return dg.MaterializeResult(
            value=stored_archive(version, archived, digest),
            metadata={"documents": {name: m.rows for name, m in manifest.collections().items()}},
        )

    return dump_asset


def _spec(collections: Sequence[str]) -> dg.AssetSpec:
    spec = layer_spec(
        "dump",
        DUMP_ARCHIVE,
        [MONGODB_DATABASE, *(key("mongodb", name) for name in collections)],
        "The version's database in mongodump's layout; mongorestore can restore it.",
        {"s3", "mongodb", "bson"},
    )
    return spec.replace_attributes(group_name=VERSION).with_io_manager_key(ARCHIVES_IO)
