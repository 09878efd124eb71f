"""Reads a version's databases again, and compares them with its archives."""

from collections.abc import Iterable, Mapping

from mediatool_assets.domain.errors import MediatoolError
from mediatool_assets.domain.fingerprint import Fingerprint
from mediatool_assets.domain.manifest import Manifest, Member
from mediatool_assets.domain.restore_record import Marker, content_of
from mediatool_assets.domain.structure import in_its_order
from mediatool_assets.flows.load import reread as reread_collections
from mediatool_assets.flows.ports import DocumentStore, RestoreTarget
from mediatool_assets.flows.restore.rereading import reread as reread_tables
from mediatool_assets.flows.verify.stores import (
    ArchiveReading,
    MongoReading,
    PostgresReading,
    StoreReading,
    Verification,
    in_two_tries,
    look_again,
)

_NO_MANIFEST = "its archive cannot be read: there is nothing to compare it with"


def read_mongodb(
    run: Verification, reading: MongoReading, documents: DocumentStore, manifest: Manifest | None
) -> None:
    """Compare the MongoDB database with the transformed archive's manifest, by collection.

    A sample reads some of the collections, each one whole.
    """
    if reading.marker is None:
        return
    if manifest is None:
        reading.add(_NO_MANIFEST, "unknown")
        return
    try:
        wanted = manifest.collections()
        there = {info.name for info in documents.collections(reading.thing)}
        members = {name: wanted[name] for name in run.sample.choose(wanted)}
        found = reread_collections(documents, run.executor, reading.thing, members, run.progress)
    except MediatoolError as error:
        reading.add(error)
    else:
        if not reading.marker.agrees_with(manifest):
            reading.add("its marker does not match the transformed archive")
        _compare(reading, there - wanted.keys(), members, found)
        reading.total = len(wanted)
    if reading.status == "failed":
        look_again(run, reading, documents)


def read_postgres(
    run: Verification, reading: PostgresReading, target: RestoreTarget, archive: ArchiveReading
) -> None:
    """Compare the restored PostgreSQL database with the raw archive's manifest, by table.

    A sample reads some of the tables, each one whole. After an error they are read once more.
    """
    marker, manifest = reading.marker, archive.manifest
    if marker is None:
        return
    if manifest is None:
        reading.add(_NO_MANIFEST, "unknown")
        return
    try:
        schema = archive.required().schema()
        wanted = _restored(manifest, marker)
        members = {name: wanted[name] for name in run.sample.choose(wanted)}

        def read() -> tuple[set[str], dict[str, Fingerprint]]:
            with target.database(reading.thing, schema.name).snapshot() as snapshot:
                there = {table.name for table in snapshot.schema.tables}
                tables = [t for t in in_its_order(snapshot.schema, schema) if t.name in members]
                return there, reread_tables(snapshot, run.executor, tables, run.progress)

        there, found = in_two_tries(read)
    except MediatoolError as error:
        reading.add(error)
        return
    content = marker.content or content_of(manifest)  # a part's marker has no content
    if (marker.version, content) != (manifest.version, content_of(manifest)):
        reading.add("its marker does not match the raw archive")
    known = manifest.tables().keys() | {exclusion.table for exclusion in manifest.exclusions}
    _compare(reading, there - known, members, found)
    reading.total = len(wanted)


def _restored(manifest: Manifest, marker: Marker) -> dict[str, Member]:
    """The tables whose rows the database has: all, or the restored part."""
    members = manifest.tables()
    return {name: members[name] for name in (marker.tables or members) if name in members}


def _compare(
    reading: StoreReading,
    unexpected: Iterable[str],
    members: Mapping[str, Member],
    found: Mapping[str, Fingerprint],
) -> None:
    """Record tables or collections that are missing, additional, or have other rows."""
    for name in sorted(unexpected):
        reading.add(f"{name}: not in the archive")
    for name, member in members.items():
        if name not in found:
            reading.add(f"{name}: gone")
        elif str(found[name]) != member.fingerprint:
            reading.add(
                f"{name}: {found[name].count} rows, fingerprint {found[name]}; "
                f"the archive has {member.rows}, fingerprint {member.fingerprint}"
            )
    reading.checked = len(members)
    reading.bytes = sum(member.bytes for member in members.values())
