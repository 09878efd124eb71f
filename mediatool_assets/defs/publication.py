"""Metadata and registry: the version is compared as a whole before they are written."""

from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg
import msgspec

from mediatool_assets.defs import pools
from mediatool_assets.defs.failures import retried
from mediatool_assets.defs.layers import (
    DUMP_ARCHIVE,
    JSON_IO,
    METADATA,
    POSTGRES_DATABASE,
    REGISTRY,
    TRANSFORMED_ARCHIVE,
    VERSION,
    layer_spec,
)
from mediatool_assets.defs.partitions import DAYS
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.defs.runs import RunVersion
from mediatool_assets.defs.stored import stored_json
from mediatool_assets.domain.keys import REGISTRY_KEY, metadata_key
from mediatool_assets.domain.metadata import Metadata
from mediatool_assets.domain.targets import Targets
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.complete import RunFacts, SourceType, complete
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.query.handles import ArchiveHandle
from mediatool_assets.flows.versions import archives, catalog
from mediatool_assets.flows.versions.chain import checkpoint_of
from mediatool_assets.flows.versions.registry import write_local_registry
from mediatool_assets.stores.signing_keys import signing_key


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
    source = archives.reader(objects, "raw", version).manifest.source
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
