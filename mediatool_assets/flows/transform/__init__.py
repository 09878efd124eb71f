"""Transform: the raw archive into documents, as the model says, every row accounted for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from urllib.parse import quote

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.archive.spool import discard
from mediatool_assets.archive.writer import ArchiveWriter
from mediatool_assets.domain.collection import CollectionInfo
from mediatool_assets.domain.errors import AlreadyExists
from mediatool_assets.domain.keys import DatabaseNames
from mediatool_assets.domain.manifest import FORMAT, Manifest
from mediatool_assets.domain.member_names import bson_member, metadata_member
from mediatool_assets.domain.model import Model
from mediatool_assets.domain.model_digest import digest
from mediatool_assets.domain.resolution import Resolution, resolve
from mediatool_assets.domain.shapes import DocumentCollection
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ArchiveStore
from mediatool_assets.flows.transform.collection_shares import (
    CollectionShare,
    CollectionShareResult,
    make,
)
from mediatool_assets.flows.transform.counts import Counts
from mediatool_assets.flows.transform.indexes import index_documents
from mediatool_assets.flows.transform.join_plan import join
from mediatool_assets.flows.transform.join_session import Joins
from mediatool_assets.flows.transform.table_cuts import cuts
from mediatool_assets.flows.transform.uniqueness import require_unique
from mediatool_assets.flows.transform.validators import options
from mediatool_assets.flows.versions import archives
from mediatool_assets.flows.versions.archives import StoredArchive
from mediatool_assets.flows.versions.collection_metadata import metadata_json
from mediatool_assets.flows.versions.source_counts import require_source_counts
from mediatool_assets.flows.workers.duckdb_session import MEMORY
from mediatool_assets.flows.workers.ordered_results import in_order
from mediatool_assets.flows.workers.spooling import Spooling, spooling
from mediatool_assets.flows.workers.workspace import Workspace

__all__ = ["transform"]


def transform(
    objects: ArchiveStore,
    workspace: Workspace,
    version: Version,
    model: Model,
    *,
    memory: str = MEMORY,
) -> StoredArchive:
    """Make the version's transformed archive from its raw archive and a model.

    ``memory`` limits the joins in the coordinator. If the version has a transformed archive
    already, made from the same raw archive by the same model, it is kept. Raises BadModel (the
    model does not fit the schema), BadValue (a value or document that MongoDB cannot store),
    CountMismatch (a row was lost, here or in the export), BadArchive, NotFound, AlreadyExists.
    """
    archive = archives.reader(objects, "raw", version)
    raw = archive.manifest
    source: dict[str, str | int | None] = {
        "raw": archive.digest,
        "model": digest(model),
    }
    if raw.is_sanitized:
        source["kind"] = "sanitized"
    present = archives.find(objects, "transformed", version)
    if present is not None:
        if present.manifest.source != source:
            raise AlreadyExists(
                present.uri, "and was made from another raw archive or model; use a new version"
            )
        return present
    require_source_counts(archive)
    resolution = resolve(model, archive.schema(), {e.table for e in raw.exclusions})
    with spooling(objects, workspace, "transform") as spools:
        joins = join(archive, resolution.collections, workspace, spools, memory)
        names = objects.database_names
        work = _Transform(archive, resolution, joins, workspace, version, spools, source, names)
        return archives.publish(objects, "transformed", version, work.write, workspace.executor)


@dataclass(frozen=True, slots=True)
class _Transform:
    """One transform under way."""

    archive: ArchiveReader
    resolution: Resolution
    joins: Joins
    workspace: Workspace
    version: Version
    spools: Spooling
    source: dict[str, str | int | None]
    names: DatabaseNames

    def write(self, writer: ArchiveWriter) -> Manifest:
        """Write every collection, in order of name, when its last share has arrived."""
        counts = Counts()
        tables = {name: member.rows for name, member in self.archive.manifest.tables().items()}
        for table in self.resolution.left_out:
            counts.homes["left_out", table] += tables.get(table, 0)
        shares = [list(self._shares(c)) for c in self.resolution.collections]
        flat = list(chain.from_iterable(shares))
        done, total = 0, sum(share.cut.rows for share in flat)
        with in_order(self.workspace.executor, make, flat) as results:
            for collection, own in zip(self.resolution.collections, shares, strict=True):
                made: list[CollectionShareResult] = []
                for share, result in zip(own, results, strict=False):  # own ends first
                    made.append(result)
                    counts.add(result.counts)
                    done += share.cut.rows
                    self.workspace.progress("transform", done, total)
                self._collection(writer, collection, made)
        return writer.finish(
            Manifest(
                FORMAT,
                "transformed",
                "",
                (),
                source=self.source,
                warnings=(*self.resolution.warnings, *_warnings(counts)),
                facts=counts.facts(tables),
            )
        )

    def _shares(self, collection: DocumentCollection) -> Iterator[CollectionShare]:
        member = self.archive.manifest.tables().get(collection.shape.table.name)
        for count, cut in enumerate(cuts(member.blocks) if member is not None else ()):
            name = f"{quote(collection.name, safe='')}-{count:06}"
            archive = ArchiveReader(self.archive.source)
            yield CollectionShare(collection, archive, cut, self.joins, self.spools, name)

    def _collection(
        self,
        writer: ArchiveWriter,
        collection: DocumentCollection,
        made: Sequence[CollectionShareResult],
    ) -> None:
        """Write a collection's documents and its metadata."""
        spools = [result.spooled for result in made]
        workers = self.workspace.executor if self.spools.elsewhere else None
        require_unique(collection, [result.identities for result in made], spools, workers)
        for result in made:
            discard(result.identities)
        database, name = self.names.in_mongodb(self.version), collection.name
        writer.add_rows(bson_member(database, name), spools, collection=name)
        info = CollectionInfo(name, options(collection), index_documents(collection))
        writer.add_file(metadata_member(bson_member(database, name)), metadata_json(info))


def _warnings(counts: Counts) -> Iterator[str]:
    for (home, table), rows in sorted(counts.homes.items()):
        if home == "orphans" and rows:
            yield f"{table}: {rows} rows belong to no document, and went to a collection of orphans"
    for field, found in sorted(counts.ambiguous.items()):
        yield (
            f"{field}: {found} references match several rows; the row with the lowest key was used"
        )
