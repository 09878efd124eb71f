"""Dump: writes a loaded MongoDB database to an archive that mongorestore restores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from mediatool_assets.archive.spool import Spooled
from mediatool_assets.archive.writer import ArchiveWriter
from mediatool_assets.domain.collection import CollectionInfo
from mediatool_assets.domain.errors import AlreadyExists, CheckFailed, CountMismatch, NotFound
from mediatool_assets.domain.fingerprint import Fingerprint
from mediatool_assets.domain.manifest import FORMAT, Manifest
from mediatool_assets.domain.member_names import bson_member, metadata_member
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.load import LoadOptions, load
from mediatool_assets.flows.ports import DocumentStore, ObjectStore
from mediatool_assets.flows.versions import archives
from mediatool_assets.flows.versions.archives import StoredArchive
from mediatool_assets.flows.versions.collection_metadata import metadata_json
from mediatool_assets.flows.versions.version_databases import Loaded, loaded
from mediatool_assets.flows.workers.id_ranges import IdRange, id_ranges
from mediatool_assets.flows.workers.ordered_results import in_order
from mediatool_assets.flows.workers.spooling import Spooling, spooling
from mediatool_assets.flows.workers.workspace import Workspace


def dump(
    objects: ObjectStore, documents: DocumentStore, workspace: Workspace, version: Version
) -> StoredArchive:
    """Dump ``mediatool_{version}`` in mongodump's layout, documents in order of ``_id``.

    The dump that the load made is used if its content is that of the marker. Only without a dump is
    every document read from mongod, and compared with what the load verified. Raises NotFound (not
    loaded), CheckFailed (changed since), AlreadyExists (another dump), Unreachable.
    """
    expected = loaded(documents, version)
    if expected is None:
        raise NotFound(
            f"the MongoDB database of {version} is absent or half-loaded; load the version first: "
            "materialize its MongoDB assets"
        )
    present = archives.find(objects, "dump", version)
    if present is not None:
        if not expected.agrees_with(present.manifest):
            raise AlreadyExists(present.uri, "and differs from the database; use a new version")
        return present
    found = documents.collections(expected.database)
    if (names := {info.name for info in found}) != expected.documents.keys():
        odd = ", ".join(sorted(names ^ expected.documents.keys()))
        raise CheckFailed(
            f"{expected.database}: {odd}: created or dropped after the load; export again"
        )
    return _publish(objects, version, _Dump(documents, workspace, expected, found))


def load_and_dump(
    objects: ObjectStore, documents: DocumentStore, workspace: Workspace, version: Version
) -> Loaded:
    """Load a version's new database as ``load`` does; reading it back also makes its dump.

    So mongod is read only once. The dump is in the bucket before the database gets its marker.
    ``dump`` uses this dump, if it equals the marker, and reads the database only without one. If
    the version has a dump already, it is only loaded. Raises the errors of ``load``; nothing is
    published if a fingerprint differs.
    """

    def read_back(expected: Loaded, found: Sequence[CollectionInfo]) -> None:
        _publish(objects, version, _Dump(documents, workspace, expected, found))

    first = archives.find(objects, "dump", version) is None
    options = LoadOptions(read_back=read_back if first else None)
    return load(objects, documents, workspace, version, options)


def _publish(objects: ObjectStore, version: Version, work: "_Dump") -> StoredArchive:
    """Write the archive; nothing is there if the database differs."""
    with spooling(objects, work.workspace, "dump") as spools:
        write = partial(work.write, spools)
        return archives.publish(objects, "dump", version, write, work.workspace.executor)


@dataclass(frozen=True, slots=True)
class _Dump:
    """One dump in progress: its shares, and the content that it must equal."""

    documents: DocumentStore
    workspace: Workspace
    expected: Loaded
    found: Sequence[CollectionInfo]

    def write(self, spools: Spooling, writer: ArchiveWriter) -> Manifest:
        """Write every collection, in order of name, once its last range is spooled."""
        done, total = 0, sum(self.expected.documents.values())
        shares = list(self._shares(spools))
        with in_order(self.workspace.executor, _spool, shares, ahead=spools.ahead) as spooled:
            pairs = zip(shares, spooled, strict=True)
            by_name = {info.name: info for info in self.found}
            for name, group in groupby(pairs, key=lambda pair: pair[0].range.collection):
                done += self._collection(writer, by_name[name], [spool for _, spool in group])
                self.workspace.progress("dump", done, total)
        source = {"database": self.expected.database, **self.documents.facts()}
        own = Manifest(FORMAT, "dump", "", (), source=source)
        return writer.finish(own)

    def _shares(self, spools: Spooling) -> Iterator["_DumpShare"]:
        """Every collection split into ranges, in order."""
        database, count = self.expected.database, 0
        for info in self.found:
            rows, size = self.expected.documents[info.name], self.expected.bytes[info.name]
            for part in id_ranges(self.documents, database, info.name, rows, size):
                yield _DumpShare(part, spools, f"{count:06}")
                count += 1

    def _collection(
        self, writer: ArchiveWriter, info: CollectionInfo, spools: list[Spooled]
    ) -> int:
        """Write one collection and its metadata; raises CountMismatch if it has changed."""
        database, wanted = self.expected.database, self.expected.fingerprints[info.name]
        fingerprint = sum((spool.fingerprint for spool in spools), Fingerprint())
        if str(fingerprint) != wanted:
            raise CountMismatch(
                f"{database}.{info.name}", "documents and fingerprint", wanted, fingerprint
            )
        writer.add_rows(bson_member(database, info.name), spools, collection=info.name)
        writer.add_file(metadata_member(bson_member(database, info.name)), metadata_json(info))
        return fingerprint.count


@dataclass(frozen=True, slots=True)
class _DumpShare:
    """A range, and the file that a worker spools it to."""

    range: IdRange
    spools: Spooling
    name: str


def _spool(share: _DumpShare) -> Spooled:
    """In a worker: spool the documents of a range as mongod returns them.

    No step reads the dump's blocks before the version is published. So each is unpacked here. On
    its way to the bucket the writer compares its bytes with their checksum, and the server those of
    each part with their SHA-256.
    """
    return share.spools.documents(share.name, share.range.batches(), unpacked=True)
