"""Lists everything that retention decides on, from the stores."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from mediatool_assets.domain.bucket.declaration import TESTING
from mediatool_assets.domain.errors import NotFound
from mediatool_assets.domain.keys import (
    ARCHIVE_PREFIXES,
    SANITIZED_PREFIX,
    DatabaseNames,
    archive_key,
)
from mediatool_assets.domain.metadata import Purpose
from mediatool_assets.domain.retention_inventory import (
    FoundCopy,
    FoundDatabase,
    FoundExport,
    RetentionInventory,
)
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.ports.retention import DatabaseServer, Deletion
from mediatool_assets.flows.restore.records import restore_records
from mediatool_assets.flows.versions import catalog, marks

_ARCHIVES = (
    (ARCHIVE_PREFIXES["raw"], "-raw.tar.gz"),
    (ARCHIVE_PREFIXES["transformed"], "-transformed.tar.gz"),
    (ARCHIVE_PREFIXES["dump"], ".tar.gz"),
)

_UNREADABLE = "its metadata cannot be read: put back an earlier version of the object first"


def gather_inventory(
    objects: ObjectStore, deletion: Deletion, servers: Iterable[DatabaseServer], now: datetime
) -> RetentionInventory:
    """List everything except Object Lock, which takes a request per object: see ``with_locks``.

    Raises DamagedInput, Unreachable; changes nothing.
    """
    complete = _purposes(objects)
    found = marks.read(objects)
    databases = tuple(
        _known(objects, server, each) for server in servers for each in server.databases()
    )
    exports = tuple(_exports(objects, deletion, complete, now))
    versions = {*complete, *(d.version for d in databases), *(e.version for e in exports)}
    protected = {v: reason for v in versions if (reason := found.protection(v)) is not None}
    damaged = set(catalog.versions(objects)) - complete.keys()
    protected |= dict.fromkeys(damaged, _UNREADABLE)
    return RetentionInventory(
        complete,
        protected,
        {},
        databases,
        exports,
        tuple(_copies(objects)),
    )


def with_locks(
    found: RetentionInventory,
    deletion: Deletion,
    names: DatabaseNames,
    versions: Iterable[Version],
    keys: Iterable[str],
) -> RetentionInventory:
    """The inventory with the Object Lock state of these versions and of these copies' keys."""
    locked: dict[Version, str] = {}
    for version in sorted(set(versions)):
        reasons = (deletion.locked(key) for key in marks.keys_of(version, names))
        if (reason := next((r for r in reasons if r is not None), None)) is not None:
            locked[version] = reason
    held = {key: deletion.locked(key) for key in keys}
    copies = tuple(replace(copy, lock=held.get(copy.key)) for copy in found.copies)
    return replace(found, locked=locked, copies=copies)


def _purposes(objects: ObjectStore) -> dict[Version, Purpose]:
    """The purpose of every version with metadata, from the registry where possible."""
    stored, _ = catalog.stored_registry(objects)
    return {
        Version.parse(entry.version): "testing" if entry.purpose == "testing" else "daily_backup"
        for entry in catalog.whole_registry(objects, stored or ())
    }


def _known(objects: ObjectStore, server: DatabaseServer, found: FoundDatabase) -> FoundDatabase:
    """A database with what the bucket records of it: its restores, and its archive."""
    restores = [
        datetime.fromisoformat(each.began)
        for each in restore_records(objects, found.version)
        if (each.to, each.server, each.database) == (found.server, server.server, found.name)
        and each.verdict == "verified"
    ]
    loaded = found.archive == objects.uri(archive_key("transformed", found.version))
    made = found.made or max(restores, default=None)
    unfinished = found.state == "unfinished"
    return replace(found, made=made, ours=loaded or bool(restores) or unfinished)


def _exports(
    objects: ObjectStore, deletion: Deletion, complete: dict[Version, Purpose], now: datetime
) -> Iterator[FoundExport]:
    """The test exports, and the objects of incomplete versions."""
    stored: dict[Version, set[str]] = {}
    for prefix, suffix in _ARCHIVES:
        for info in objects.list(prefix):
            name = info.key.rsplit("/", 1)[-1].removeprefix(objects.database_names.mongodb)
            version = Version.of_name(name, "", suffix)
            if version is not None and info.key in marks.keys_of(version, objects.database_names):
                stored.setdefault(version, set()).add(info.key)
    for version in sorted(stored.keys() | complete.keys()):
        purpose, keys = complete.get(version), stored.get(version, set())
        if purpose == "testing":
            metadata, *archives = marks.keys_of(version, objects.database_names)
            yield FoundExport(version, (metadata, *(k for k in archives if k in keys)), True)
        elif purpose is None:
            old = now - version.moment >= timedelta(days=1)
            testing = old and all(_is_tagged(deletion, key) for key in keys)
            yield FoundExport(version, tuple(sorted(keys)), testing)


def _is_tagged(deletion: Deletion, key: str) -> bool:
    name, value = TESTING
    try:
        return deletion.tags(key).get(name) == value
    except NotFound:  # it was deleted meanwhile
        return True


def _copies(objects: ObjectStore) -> Iterator[FoundCopy]:
    """The sanitized copies, and the objects beside them of the same version."""
    for info in objects.list(SANITIZED_PREFIX):
        version = Version.of_name(info.key.rsplit("/", 1)[-1][:15], "")
        if version is not None:
            yield FoundCopy(version, info.key, info.modified)
