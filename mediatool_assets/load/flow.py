"""Load: writes a transformed archive to its MongoDB database, reads it back, marks it complete.

Dump: writes a loaded MongoDB database to an archive that mongorestore restores.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Literal, cast
from uuid import uuid4

from mediatool_assets.archive.reader import (
    ArchiveReader,
    block_shares,
    cut_documents,
    documents_fingerprint,
)
from mediatool_assets.archive.writer import ArchiveWriter, Spooled
from mediatool_assets.core.errors import (
    AlreadyExists,
    BadArchive,
    CheckFailed,
    CountMismatch,
    NotFound,
    UnknownName,
)
from mediatool_assets.core.manifest import (
    FORMAT,
    Block,
    CollectionInfo,
    Fingerprint,
    Manifest,
    Member,
)
from mediatool_assets.core.texts import suggestion
from mediatool_assets.core.version import Version, bson_member, metadata_member
from mediatool_assets.stores.ports import ArchiveStore, DocumentStore, ObjectStore, Progress
from mediatool_assets.versions import catalog
from mediatool_assets.versions.catalog import StoredArchive
from mediatool_assets.versions.records import Loaded, loaded, metadata_json, metadata_of
from mediatool_assets.work import IdRange, id_ranges, in_order
from mediatool_assets.work.scratch import Spooling, Workspace, spooling

DocumentKind = Literal["transformed", "dump"]
"""The archive kinds that hold documents."""


ReadBack = Callable[[Loaded, Sequence[CollectionInfo]], object]
"""A function that reads back every document of a new database, before its marker is written.

It gets the expected content of the database, and the collections as mongod lists them. It raises
CountMismatch if a fingerprint differs.
"""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How documents are loaded.

    ``kind`` is the archive to load; the dump has the same documents as the transformed archive.
    ``database`` is ``mediatool_{version}`` by default. With ``collections`` only these are loaded,
    and the database does not count as complete. A complete database is refused unless ``replace``
    is set. ``read_first`` reads the archive to its end before anything is written. If ``read_back``
    is given, it is called to read a new and whole database; else the load reads it itself.
    """

    kind: DocumentKind = "transformed"
    database: str | None = None
    collections: Iterable[str] | None = None
    replace: bool = False
    read_first: bool = False
    read_back: ReadBack | None = None


DEFAULTS = LoadOptions()
"""The default: the whole transformed archive, into the version's own new database."""


def load(
    objects: ArchiveStore,
    documents: DocumentStore,
    workspace: Workspace,
    version: Version,
    options: LoadOptions = DEFAULTS,
) -> Loaded:
    """Load documents of a version, read them back, and mark the database last.

    The order is: data, indexes, journalling all of it, reading every document back from mongod and
    comparing it with the manifest, marker. Remains of an interrupted load are replaced. A database
    that is replaced stays unchanged until the new one is complete, and the archive is read to its
    end first. Of two concurrent loads one is refused. Raises AlreadyExists (the database is
    complete), CheckFailed, NotFound, BadArchive, Unreachable.
    """
    archive = catalog.reader(objects, options.kind, version)
    executor, replace = workspace.executor, options.replace
    sanitized = archive.manifest.is_sanitized
    own = documents.database_names.in_mongodb(version, sanitized=sanitized)
    database = options.database or own
    members = _chosen(archive, options.collections)
    wanted = [metadata_of(archive, name, member) for name, member in members.items()]
    present = documents.marker(database) is not None
    if present and not replace:
        raise AlreadyExists(
            f"the complete database {database}", "to replace it, restore again with --replace"
        )
    if present or options.read_first:
        with in_order(executor, archive.verify, archive.manifest.members) as verified:
            list(verified)
    name = str(uuid4())
    with documents.loading(database, name) as prefix:
        if not replace and documents.marker(database) is not None:
            raise AlreadyExists(f"the complete database {database}", "it was loaded meanwhile")
        staged = {prefix + collection: member for collection, member in members.items()}
        shares = _insertions(documents, database, archive, prefix, wanted)
        _insert(executor, shares, sum(m.rows for m in members.values()), workspace.progress)
        indexed = [_Indexing(documents, database, prefix, info) for info in wanted if info.indexes]
        with in_order(executor, _index, indexed) as built:
            list(built)
        documents.make_durable(database, name)  # what is read back stays there
        live = documents.collections(database, prefix)
        _compare(wanted, live)
        result = Loaded(
            database,
            documents={name: member.rows for name, member in members.items()},
            fingerprints={name: str(member.fingerprint) for name, member in members.items()},
            bytes={name: member.bytes for name, member in members.items()},
            load=name,
        )
        complete = members.keys() == archive.manifest.collections().keys()
        if options.read_back is not None and complete and not prefix:
            options.read_back(result, live)
        else:
            found = reread(documents, executor, database, staged, workspace.progress)
            _verify(database, members, {c: found[prefix + c] for c in members})
        marker = {"_id": str(version), "archive": archive.source.name, **_content(result)}
        if sanitized:
            marker["sanitized"] = True
        documents.mark(database, name, marker, complete=complete)
    return result


def _content(loaded: Loaded) -> dict[str, object]:
    """The marker's record of the collections."""
    return {
        "documents": loaded.documents,
        "fingerprints": loaded.fingerprints,
        "bytes": loaded.bytes,
        "load": loaded.load,
    }


def _chosen(archive: ArchiveReader, names: Iterable[str] | None) -> dict[str, Member]:
    """The collections to load; raises UnknownName."""
    members = archive.manifest.collections()
    wanted = members.keys() if names is None else set(names)
    if odd := sorted(wanted - members.keys()):
        raise UnknownName(
            f"{archive.source.name} has no collection {', '.join(odd)}; "
            + suggestion(odd[0], members)
        )
    return {name: member for name, member in members.items() if name in wanted}


@dataclass(frozen=True, slots=True)
class _Insertion:
    """Consecutive blocks of one collection, for one worker to insert."""

    documents: DocumentStore
    database: str
    collection: str
    archive: ArchiveReader
    blocks: tuple[Block, ...]

    @property
    def rows(self) -> int:
        return sum(block.rows for block in self.blocks)


def _insertions(
    documents: DocumentStore,
    database: str,
    archive: ArchiveReader,
    prefix: str,
    wanted: Sequence[CollectionInfo],
) -> Iterator[_Insertion]:
    """Create each collection, and give its blocks to insert, in shares of consecutive blocks.

    So workers insert into the first collections while the next ones are created.
    """
    source = ArchiveReader(archive.source)  # workers need no manifest
    members = archive.manifest.collections()
    for info in wanted:
        documents.create(database, prefix + info.name, info.options)
        for blocks in block_shares(members[info.name].blocks):
            yield _Insertion(documents, database, prefix + info.name, source, tuple(blocks))


def _insert(
    executor: Executor, shares: Iterable[_Insertion], total: int, progress: Progress
) -> None:
    """Insert all shares in parallel; ``total`` is the number of their documents."""
    done = 0
    with in_order(executor, _insert_share, shares) as inserted:
        for rows in inserted:
            done += rows
            progress("load", done, total)


def _insert_share(share: _Insertion) -> int:
    """In a worker: insert a share, one block at a time in memory; returns the document count."""
    for content in share.archive.blocks(share.blocks):
        try:
            cut_documents(content, 0, len(content))
        except ValueError as error:
            raise BadArchive(share.archive.source.name, f"{share.collection}: {error}") from error
        share.documents.insert(share.database, share.collection, content)
    return share.rows


@dataclass(frozen=True, slots=True)
class _Indexing:
    """The indexes of one collection, to be built by one worker."""

    documents: DocumentStore
    database: str
    prefix: str
    info: CollectionInfo


def _index(share: _Indexing) -> None:
    """In a worker: have mongod build the indexes of a collection."""
    name = share.prefix + share.info.name
    share.documents.create_indexes(share.database, name, share.info.indexes)


def _verify(database: str, members: Mapping[str, Member], found: Mapping[str, Fingerprint]) -> None:
    """Raise CountMismatch unless mongod returned every document as the manifest records it."""
    for name, member in members.items():
        if str(found[name]) != member.fingerprint:
            raise CountMismatch(
                f"{database}.{name}", "documents and fingerprint", member.fingerprint, found[name]
            )


def reread(
    documents: DocumentStore,
    executor: Executor,
    database: str,
    members: Mapping[str, Member],
    progress: Progress,
) -> dict[str, Fingerprint]:
    """Read these collections to their end from mongod; returns their fingerprints."""
    shares = [
        share
        for name, member in members.items()
        for share in id_ranges(documents, database, name, member.rows, member.bytes)
    ]
    found = dict.fromkeys(members, Fingerprint())
    done, total = 0, sum(member.rows for member in members.values())
    with in_order(executor, _fingerprint, shares) as fingerprints:
        for share, fingerprint in zip(shares, fingerprints, strict=True):
            found[share.collection] += fingerprint
            done += fingerprint.count
            progress("verify", done, total)
    return found


def _fingerprint(share: IdRange) -> Fingerprint:
    """In a worker: return the fingerprint of a range as mongod returns it."""
    return sum(map(documents_fingerprint, share.batches()), Fingerprint())


def _compare(wanted: Sequence[CollectionInfo], found: Sequence[CollectionInfo]) -> None:
    """Compare collections, options and indexes with those requested; raises CheckFailed."""
    live = {info.name: info for info in found}
    if odd := live.keys() ^ {info.name for info in wanted}:
        raise CheckFailed(
            f"{', '.join(sorted(odd))}: only in the archive or only in the database; run it again"
        )
    for info in wanted:
        asked = {str(index["name"]): index for index in info.indexes}
        built = {str(index["name"]): index for index in live[info.name].indexes}
        odd = {name for name in asked if not same_index(built.get(name), asked[name])}
        odd |= built.keys() - asked.keys() - {"_id_"}
        if odd:
            raise CheckFailed(
                f"{info.name}: mongod's indexes differ from the archive's: "
                f"{', '.join(sorted(odd))}; correct the model, and export again"
            )
        if not holds(live[info.name].options, info.options):
            raise CheckFailed(
                f"{info.name}: mongod did not keep the collection's options; correct the model"
            )


def same_index(built: dict[str, object] | None, asked: dict[str, object]) -> bool:
    """True if an index is as requested, fields in order; mongod lists a text index by weights."""
    key, weights = asked["key"], asked.get("weights", {})
    if built is None or not isinstance(key, dict) or not isinstance(weights, dict):
        return False
    if "text" in key.values() and "_fts" not in key:
        rest = {name: value for name, value in asked.items() if name != "key"}
        texts = {field: 1 for field, kind in key.items() if kind == "text"}
        return holds(built, {**rest, "weights": texts | weights})
    return holds(built, asked) and list(cast(dict[str, object], built["key"])) == list(key)


def holds(live: object, wanted: object) -> bool:
    """True if mongod kept the requested value; it may add its own defaults to a document."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        return all(key in live and holds(live[key], value) for key, value in wanted.items())
    return live == wanted


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
    present = catalog.find(objects, "dump", version)
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

    first = catalog.find(objects, "dump", version) is None
    options = LoadOptions(read_back=read_back if first else None)
    return load(objects, documents, workspace, version, options)


def _publish(objects: ObjectStore, version: Version, work: "_Dump") -> StoredArchive:
    """Write the archive; nothing is there if the database differs."""
    with spooling(objects, work.workspace, "dump") as spools:
        write = partial(work.write, spools)
        return catalog.publish(objects, "dump", version, write, work.workspace.executor)


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
