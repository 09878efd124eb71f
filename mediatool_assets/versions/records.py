"""Restore records: every restore stores a small object with its result."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import msgspec

from mediatool_assets.domain import restore_record
from mediatool_assets.domain.errors import (
    DamagedInput,
    MediatoolError,
    Misuse,
    Refused,
    UnknownName,
)
from mediatool_assets.domain.keys import RESTORES_PREFIX
from mediatool_assets.domain.metadata import instant
from mediatool_assets.domain.restore_record import RestoreRecord, RestoreTo
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.versions.version_databases import Restored

_LOOKED_AT = 100  # drills write two a week, other restores a few a day


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """A restore to execute; ``who`` is the account that requests it."""

    version: Version
    to: RestoreTo
    database: str
    server: str
    who: str


def recorded(
    objects: ObjectStore,
    request: RestoreRequest,
    restore: Callable[[], Restored],
    clock: Callable[[], datetime],
) -> RestoreRecord:
    """Execute a restore and store its record; if it fails, its error is raised after that.

    A wrong setting, an unknown table, or a refusal leaves no record: the restore has not begun.
    """
    began = clock()
    key = restore_record.restore_key(request.version, began, request.to)
    try:
        made = restore()
    except (Misuse, Refused, UnknownName):
        raise
    except MediatoolError as error:
        try:
            objects.put(key, _record(request, began, clock(), error).to_json())
        except MediatoolError as second:
            error.add_note(f"and no record of it could be stored: {second}")
        raise
    record = _record(request, began, clock(), made)
    objects.put(key, record.to_json())
    return record


def restore_records(objects: ObjectStore, version: Version) -> Iterator[RestoreRecord]:
    """Every restore of a version, oldest first; raises DamagedInput if one cannot be read."""
    for info in objects.list(restore_record.restores_prefix(version)):
        yield _read(objects, info.key)


def newest_restore_record(objects: ObjectStore, version: Version) -> RestoreRecord | None:
    """The version's last restore, or None; raises like ``restore_records``."""
    keys = [info.key for info in objects.list(restore_record.restores_prefix(version))]
    return _read(objects, keys[-1]) if keys else None


def newest_records(objects: ObjectStore, database: str) -> list[RestoreRecord]:
    """The newest restore to a database of this name on each kind of server, if any.

    Reads the newest hundred records of all versions; raises like ``restore_records``.
    """
    found: dict[str, RestoreRecord] = {}
    keys = [info.key for info in objects.list(RESTORES_PREFIX)]
    for key in reversed(keys[-_LOOKED_AT:]):
        if not any(key.endswith(f"-{to}.json") for to in found):
            record = _read(objects, key)
            if record.database == database:
                found[record.to] = record
    return list(found.values())


def why_not_restored(objects: ObjectStore, version: Version, database: str) -> str:
    """The reason that the last restore to the version's PostgreSQL database recorded."""
    for info in reversed(list(objects.list(restore_record.restores_prefix(version)))):
        with suppress(DamagedInput):  # an earlier record may have the reason
            found = _read(objects, info.key)
            if (found.to, found.database) == ("postgres", database):
                notes = "; ".join(found.notes) or "not all of its tables were requested"
                return found.reason or f"{database} is a part of the version: {notes}"
    return f"no restore of it to {database} is recorded"


def _read(objects: ObjectStore, key: str) -> RestoreRecord:
    data, _ = objects.get(key)
    try:
        return RestoreRecord.from_json(data)
    except msgspec.DecodeError as error:
        raise DamagedInput(
            f"{objects.uri(key)} cannot be read ({error}); "
            "put back an earlier S3 version of this object"
        ) from error


def _record(
    request: RestoreRequest, began: datetime, ended: datetime, found: Restored | MediatoolError
) -> RestoreRecord:
    """Build the record from the result, or from the error that ended the restore."""
    made = None if isinstance(found, MediatoolError) else found
    return RestoreRecord(
        str(request.version),
        request.to,
        request.database,
        request.server,
        request.who,
        instant(began),
        round((ended - began).total_seconds(), 3),
        "verified" if made else "failed",
        rows=made.rows if made else {},
        part=made.part if made else False,
        reason=None if made else str(found),
        notes=made.notes if made else (),
    )
