"""A version's databases read again, and held against what its archives hold."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Literal

from mediatool_assets.domain.errors import MediatoolError, Refused, Unreachable
from mediatool_assets.domain.fingerprint import Fingerprint
from mediatool_assets.domain.keys import mongodb_database, postgres_database
from mediatool_assets.domain.manifest import Manifest, Member
from mediatool_assets.domain.restored import Marker, content_of
from mediatool_assets.domain.verdict import Check, Outcome
from mediatool_assets.flows.archive_check import Round
from mediatool_assets.flows.load import loaded
from mediatool_assets.flows.load import reread as reread_collections
from mediatool_assets.flows.ports import DocumentStore, Target
from mediatool_assets.flows.rereading import reread as reread_tables

_NO_MANIFEST = "its archive cannot be read: there is nothing to compare it with"


def check_mongodb(of: Round, documents: DocumentStore, manifest: Manifest | None) -> Check:
    """The version's MongoDB database against the transformed archive, collection by collection.

    A sample reads today's share of the collections, each whole.
    """
    database = mongodb_database(of.version)
    try:
        marked = loaded(documents, of.version)
        if marked is None and documents.exists(database):
            return _said("mongodb", database, "failed", "it holds collections and no marker")
        if marked is None:
            return Check("mongodb", database, "absent")
        if manifest is None:
            return _said("mongodb", database, "unknown", _NO_MANIFEST)
        wanted = manifest.collections()
        there = {info.name for info in documents.collections(database)}
        members = {name: wanted[name] for name in of.share.of(wanted)}
        found = reread_collections(documents, of.executor, database, members, of.progress)
    except MediatoolError as error:
        return _unread("mongodb", database, error)
    findings = chain(
        () if marked.agrees_with(manifest) else ["its marker is not the transformed archive's"],
        (f"{name}: not in the archive" for name in sorted(there - wanted.keys())),
        _differing(members, found),
    )
    return _checked("mongodb", database, members.values(), len(wanted), findings)


def check_postgres(
    of: Round, target: Target, manifest: Manifest | None, schema: str | None
) -> Check:
    """The version's restored PostgreSQL database against the raw archive, table by table.

    ``schema`` is the source's. A sample reads today's share of the tables, each whole.
    """
    database = postgres_database(of.version)
    try:
        marker = target.marker(database)
        if marker is None and target.exists(database):
            return _said("postgres", database, "failed", "it is there, and has no marker")
        if marker is None:
            return Check("postgres", database, "absent")
        if manifest is None or schema is None:
            return _said("postgres", database, "unknown", _NO_MANIFEST)
        wanted = _restored(manifest, marker)
        members = {name: wanted[name] for name in of.share.of(wanted)}
        with target.database(database, schema).snapshot() as snapshot:
            there = {table.name for table in snapshot.schema.tables}
            tables = [table for table in snapshot.schema.tables if table.name in members]
            found = reread_tables(snapshot, of.executor, tables, of.progress)
    except MediatoolError as error:
        return _unread("postgres", database, error)
    known = manifest.tables().keys() | {exclusion.table for exclusion in manifest.exclusions}
    findings = chain(
        ["its marker is not the raw archive's"] if _is_of_another(marker, manifest) else (),
        (f"{name}: not in the archive" for name in sorted(there - known)),
        _differing(members, found),
    )
    return _checked("postgres", database, members.values(), len(wanted), findings)


def _is_of_another(marker: Marker, manifest: Manifest) -> bool:
    """Whether it was restored from other rows; the marker of a part does not say from which."""
    content = marker.content or content_of(manifest)
    return (marker.version, content) != (manifest.version, content_of(manifest))


def _restored(manifest: Manifest, marker: Marker) -> dict[str, Member]:
    """The tables whose rows the database holds: all, or those of a part."""
    members = manifest.tables()
    return {name: members[name] for name in (marker.tables or members) if name in members}


def _differing(members: Mapping[str, Member], found: Mapping[str, Fingerprint]) -> Iterator[str]:
    """What is gone, and what does not have the rows that the archive has."""
    for name, member in members.items():
        if name not in found:
            yield f"{name}: gone"
        elif str(found[name]) != member.fingerprint:
            yield (
                f"{name}: {found[name].count} rows, fingerprint {found[name]}; "
                f"the archive has {member.rows}, fingerprint {member.fingerprint}"
            )


def _checked(
    part: Literal["mongodb", "postgres"],
    database: str,
    members: Iterable[Member],
    total: int,
    findings: Iterable[str],
) -> Check:
    members, findings = list(members), tuple(findings)
    size = sum(member.bytes for member in members)
    outcome: Outcome = "failed" if findings else "passed"
    return Check(part, database, outcome, len(members), total, size, findings)


def _said(
    part: Literal["mongodb", "postgres"], database: str, outcome: Outcome, finding: str
) -> Check:
    return Check(part, database, outcome, findings=(finding,))


def _unread(part: Literal["mongodb", "postgres"], database: str, error: MediatoolError) -> Check:
    """A server that does not answer, or denies, leaves it unknown; any other error is a finding."""
    unknown = isinstance(error, (Unreachable, Refused))
    return _said(part, database, "unknown" if unknown else "failed", str(error))
