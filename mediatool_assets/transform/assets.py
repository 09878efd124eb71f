"""The transformed layer: the raw archive as MongoDB documents, by the model, in one archive."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import dagster as dg

from mediatool_assets import orchestration as pools
from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.core.errors import BadModel
from mediatool_assets.core.model import Collection, Model
from mediatool_assets.core.shapes import DocumentCollection, digest, exclusion_mistakes
from mediatool_assets.core.version import Version
from mediatool_assets.orchestration import (
    ARCHIVES_IO,
    CODE_VERSION,
    COLLECTIONS_IO,
    DAYS,
    RAW_ARCHIVE,
    TOGETHER,
    TRANSFORMED_ARCHIVE,
    columns,
    key,
    layer_spec,
    lineage,
    log_warnings,
    require_named,
    resolved,
    warnings_of,
)
from mediatool_assets.orchestration.io_managers import stored_archive, stored_member
from mediatool_assets.orchestration.resources import ServersResource
from mediatool_assets.orchestration.runs import LoggedProgress, record_process, retried
from mediatool_assets.query.handles import ArchiveHandle
from mediatool_assets.transform.flow import transform
from mediatool_assets.versions import catalog
from mediatool_assets.versions.catalog import StoredArchive


def collections_of(model: Model, excluded: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """Every collection of a version, and the source tables that it is made from.

    Raises BadModel if the model requires an excluded table.
    """
    if problems := sorted(set(exclusion_mistakes(model, excluded))):
        raise BadModel(
            model.at(line, f"{text} (MEDIATOOL_EXCLUDE_TABLES)") for line, text in problems
        )
    made: dict[str, tuple[str, ...]] = {}
    for name, collection in model.collections.items():
        if collection.root not in excluded:
            made[name] = collection.tables
            made |= {orphans: (table,) for orphans, table in collection.orphans.items()}
    return dict(sorted(made.items()))


def transformed_layer(
    model: Model, collections: Mapping[str, tuple[str, ...]]
) -> dg.AssetsDefinition:
    """The step that makes the transformed archive: all of its collections or none."""

    @dg.multi_asset(
        name="transform",
        specs=[
            _archive_spec(collections),
            *(_spec(name, made, model.collections.get(name)) for name, made in collections.items()),
        ],
        ins={"raw_archive": dg.AssetIn(RAW_ARCHIVE)},
        partitions_def=DAYS,
        pool=pools.TRANSFORM,
    )
    def transform_layer(
        context: dg.AssetExecutionContext, servers: ServersResource, raw_archive: ArchiveHandle
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Transform the raw archive into documents; an archive from the same inputs is adopted."""
        record_process(context.instance, context.run)
        with retried():
            objects, version = servers.objects(), raw_archive.version
            with servers.workspace(LoggedProgress(context)) as workspace:
                archived = transform(objects, workspace, version, model)
            log_warnings(context, archived.manifest.warnings)
            archive = catalog.reader(objects, "transformed", version)
            documents = resolved(model, raw_archive.archive)
            results = list(_results(archive, archived, documents, collections))
        yield from results

    return transform_layer


def _archive_spec(collections: Mapping[str, tuple[str, ...]]) -> dg.AssetSpec:
    tables = sorted({table for made_of in collections.values() for table in made_of})
    return layer_spec(
        "transformed",
        TRANSFORMED_ARCHIVE,
        [RAW_ARCHIVE, *(key("raw", table) for table in tables)],
        "The day's transformed archive as a whole: every collection as BSON, and the manifest.",
        {"s3", "bson"},
    ).with_io_manager_key(ARCHIVES_IO)


def _spec(name: str, tables: tuple[str, ...], collection: Collection | None) -> dg.AssetSpec:
    what = f"made of {', '.join(tables)}" if collection else f"rows of {tables[0]} without an owner"
    spec = layer_spec(
        "transformed",
        key("transformed", name),
        [RAW_ARCHIVE, *(key("raw", table) for table in tables)],
        f"The documents of `{name}` as BSON in the day's transformed archive: {what}.{TOGETHER}",
        {"s3", "bson"},
    ).with_io_manager_key(COLLECTIONS_IO)
    return spec.replace_attributes(code_version=f"{CODE_VERSION}-{digest(collection)[:12]}")


def _results(
    archive: ArchiveReader,
    archived: StoredArchive,
    documents: Mapping[str, DocumentCollection],
    collections: Iterable[str],
) -> Iterator[dg.MaterializeResult[Any]]:
    members, version = archived.manifest.collections(), Version.parse(archived.manifest.version)
    require_named(archived.uri, collections, members)
    yield dg.MaterializeResult(
        asset_key=TRANSFORMED_ARCHIVE,
        value=stored_archive(version, archived, archive.digest),
        metadata={"documents": {name: members[name].rows for name in collections}},
    )
    for name in collections:
        member = members[name]
        yield dg.MaterializeResult(
            asset_key=key("transformed", name),
            value=stored_member(version, archived, member),
            data_version=dg.DataVersion(member.fingerprint or member.content),
            metadata={
                **warnings_of(name, archived.manifest.warnings, collections),
                "dagster/column_schema": columns(archive, member, documents.get(name)),
                "dagster/column_lineage": lineage(documents[name]),
            },
        )
