"""What is recorded beside a version: its entry in the registry, verdicts, restores, databases.

The registry of versions, in the bucket and as a local copy, updated by many writers.

Verdicts of verifications in the bucket: written once, and which one stands.

Restore records: every restore stores a small object with its result.

Lines of the raw archive as rows.

The databases of a version: what was loaded or restored into them, and their names.

A collection's ``.metadata.json`` in an archive: its options and indexes.
"""

import fcntl
import hashlib
import json
import logging
import os
import os.path
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import orjson
from tenacity import retry, retry_if_exception_type, retry_if_result, stop_after_attempt, wait_fixed

from mediatool_assets.archive.reader import ArchiveReader, split_lines
from mediatool_assets.core import authenticity, metadata
from mediatool_assets.core.authenticity import Verdict
from mediatool_assets.core.errors import (
    AlreadyExists,
    BadArchive,
    CheckFailed,
    DamagedInput,
    MediatoolError,
    Misuse,
    Refused,
    UnknownName,
)
from mediatool_assets.core.manifest import CollectionInfo, Manifest, Member
from mediatool_assets.core.metadata import Metadata, RestoreRecord, RestoreTo, content_of, instant
from mediatool_assets.core.schema import Table
from mediatool_assets.core.texts import deep_recursion
from mediatool_assets.core.version import (
    METADATA_PREFIX,
    REGISTRY_KEY,
    RESTORES_PREFIX,
    VERDICTS_PREFIX,
    Version,
    metadata_member,
)
from mediatool_assets.stores.ports import DocumentStore, ObjectStore, RestoreTarget
from mediatool_assets.versions import catalog
from mediatool_assets.versions.catalog import retried_on_conflict

_LOG = logging.getLogger(__name__)


@retried_on_conflict
def register(objects: ObjectStore, *, anew: bool = False) -> None:
    """Update the registry in the bucket from metadata and marks, safely beside other writers.

    A lost or damaged registry is rebuilt; with ``anew`` every metadata file is read. If a file
    cannot be read, this is logged, and its version's entry is unchanged. Raises AlreadyExists after
    30 lost races.
    """
    stored, etag = catalog.stored_registry(objects)
    whole = catalog.whole_registry(objects, stored or (), anew=anew)
    if whole != stored:
        objects.put(REGISTRY_KEY, metadata.registry_to_json(whole), replacing=etag)
        if catalog.whole_registry(objects, whole) != whole:
            # the entity tag depends on the bytes only, which may have changed back meanwhile
            raise AlreadyExists(objects.uri(REGISTRY_KEY), "it changed meanwhile; read it again")


@retry(
    retry=retry_if_result(lambda is_last: not is_last) | retry_if_exception_type(AlreadyExists),
    stop=stop_after_attempt(20),
    wait=wait_fixed(0.3),  # `aws s3 ls` shows whole seconds
    retry_error_callback=lambda _: _LOG.warning("the newest version is not last in `aws s3 ls`"),
)
def keep_newest_last(objects: ObjectStore) -> bool:
    """Ensure that ``aws s3 ls …/metadata/ --recursive | sort | tail -1`` prints the newest version.

    That command sorts by the time of writing, and a backfill writes an older day's metadata later.
    Then the newest version's metadata is written again, with the same bytes and tags.
    """
    found = [info for info in objects.list(METADATA_PREFIX) if catalog.version_of(info.key)]
    if not found:
        return True
    *others, newest = found  # in order of key, which is that of versions
    written = [other.modified.replace(microsecond=0) for other in others]
    if not written or newest.modified.replace(microsecond=0) > max(written):
        return True
    data, etag = objects.get(newest.key)
    objects.put(newest.key, data, replacing=etag)
    with suppress(msgspec.MsgspecError):  # readers report that it is damaged
        catalog.update_tags(objects, Metadata.from_json(data))
    return False


def write_local_registry(objects: ObjectStore, path: Path) -> None:
    """Copy the bucket's registry to ``path`` atomically: readers see the old or the new file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.parent) as directory:
        # read under the lock, so that the last of two writers has the newest copy
        data, _ = objects.get(REGISTRY_KEY)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(handle, 0o644)
                os.fsync(handle)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        os.fsync(directory)


@contextmanager
def _locked(directory: Path) -> Iterator[int]:
    """Lock the directory against our other processes; yields its file descriptor."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def store_verdict(objects: ObjectStore, verdict: Verdict) -> str:
    """Store a verdict permanently beside its version; returns its key."""
    key = authenticity.verdict_key(Version.parse(verdict.version), verdict)
    objects.put(key, verdict.to_json())
    return key


def standing_verdict(objects: ObjectStore, version: Version) -> Verdict | None:
    """The standing verdict on a version; None if it was never verified."""
    keys = [info.key for info in objects.list(authenticity.verdicts_prefix(version))]
    return standing_of(objects, keys)


def verdict_keys(objects: ObjectStore, versions: Sequence[Version]) -> dict[Version, list[str]]:
    """The keys of the verdicts on these versions, each in order of time, from one listing."""
    days = [version.partition for version in versions]
    shared = os.path.commonprefix(days)  # noqa: RUF071  # a bucket's prefix is of characters
    found: dict[Version, list[str]] = defaultdict(list)
    for info in objects.list(VERDICTS_PREFIX + shared) if versions else ():
        name = info.key.rpartition("/")[2]
        version = Version.of_name(name[:15], "")
        if version is not None:
            found[version].append(info.key)
    return found


def standing_of(objects: ObjectStore, keys: Sequence[str]) -> Verdict | None:
    """The standing verdict among those stored under the keys of a version."""
    failed = [n for n, key in enumerate(keys) if key.endswith(authenticity.FAILED)]
    read = [n for n, key in enumerate(keys) if not key.endswith(authenticity.NOT_CHECKED)]
    first = (failed or read or [0])[-1]
    return authenticity.standing([_read(objects, key) for key in keys[first:]])


def _read(objects: ObjectStore, key: str) -> Verdict:
    """One verdict; a damaged one is logged, and counts as failed or unknown, by its key."""
    try:
        return Verdict.from_json(objects.get(key)[0])
    except msgspec.MsgspecError as error:
        _LOG.warning("%s cannot be read (%s); verify the version again", objects.uri(key), error)
        return authenticity.unreadable(key)


Row = dict[str, Any]
"""One row of the raw archive: JSON values by column."""


class Lines:
    """The rows of a block; it is split at the first access."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @cached_property
    def all(self) -> list[bytes]:
        """Every row."""
        return split_lines(self._content)


def row_parser(table: Table) -> Callable[[bytes], Row]:
    """A function from a line to its row; it raises ValueError unless it has the table's columns.

    PostgreSQL writes the negative zero of a float as ``-0``, which is an integer to JSON's parsers.
    """
    floats = [column.name for column in table.columns if column.is_float]
    arrays = any(column.is_float and column.element for column in table.columns)

    def parse(line: bytes) -> Row:
        try:
            row: Row = orjson.loads(line)
        except orjson.JSONDecodeError:
            row = _slowly(line)  # orjson goes 1024 levels deep
        if len(row) != len(table.columns):
            odd = row.keys() ^ {column.name for column in table.columns}
            raise ValueError(
                f"columns {', '.join(sorted(odd))} are only in the row or only in the schema"
            )
        zero = floats and (arrays or 0 in map(row.get, floats))
        if zero and may_have_negative_zero(line):
            exact = _slowly(line)
            row.update((name, exact[name]) for name in floats if name in exact)
        return row

    return parse


def may_have_negative_zero(line: bytes) -> bool:
    """Whether ``-0`` is at the end of a value in the line, or within a text."""
    return b"-0," in line or b"-0}" in line or b"-0]" in line


def _slowly(line: bytes) -> Row:
    """The row by the standard library's parser, which keeps the sign of zeros."""
    try:
        with deep_recursion():
            row: Row = json.loads(line, parse_int=_signed)
    except RecursionError:
        raise ValueError("nested deeper than PostgreSQL lets a document be") from None
    return row


def _signed(digits: str) -> int | float:
    return -0.0 if digits == "-0" else int(digits)


_OF_A_VERSION = re.compile(r"media_?tool_(?:sanitized_)?[0-9]{8}-[0-9]{6}")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A complete database; ``documents`` and ``fingerprints`` are by collection.

    ``load`` names the load that made it; empty for one from before 2026-11-28.
    """

    database: str
    documents: dict[str, int]
    fingerprints: dict[str, str]
    bytes: dict[str, int]
    load: str = field(default="", compare=False)

    @property
    def content(self) -> str:
        """The SHA-256 of every collection's name and fingerprint: equal where all documents are."""
        lines = (f"{name} {found}\n" for name, found in sorted(self.fingerprints.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def agrees_with(self, manifest: Manifest) -> bool:
        """True if the database holds exactly the documents of the archive."""
        return self.fingerprints == {
            name: member.fingerprint for name, member in manifest.collections().items()
        }


def loaded(documents: DocumentStore, version: Version) -> Loaded | None:
    """What the version's complete database holds; None where it is absent or half-loaded."""
    database = documents.database_names.in_mongodb(version)
    marker = documents.marker(database)
    if marker is None:
        return None
    try:
        return Loaded(
            database,
            documents=msgspec.convert(marker["documents"], dict[str, int]),
            fingerprints=msgspec.convert(marker["fingerprints"], dict[str, str]),
            bytes=msgspec.convert(marker["bytes"], dict[str, int]),
            load=str(marker.get("load", "")),
        )
    except (KeyError, msgspec.ValidationError) as error:
        raise CheckFailed(
            f"{database}: its marker cannot be read ({error}); load it again: "
            f"`mediatool restore {version} --to mongodb --replace`"
        ) from error


@dataclass(frozen=True, slots=True)
class Restored:
    """A database that was restored and read back; ``rows`` is by table or collection.

    ``part`` is true if only part of the version was requested. ``notes`` lists how its objects
    differ from the source, and why.
    """

    database: str
    rows: dict[str, int]
    part: bool = False
    notes: tuple[str, ...] = ()


def restored(target: RestoreTarget, manifest: Manifest) -> Restored | None:
    """The version's own database, if a restore put all of this raw archive into it; else None."""
    database = target.database_names.in_postgres(Version.parse(manifest.version))
    marker = target.marker(database)
    if marker is None or marker.content != content_of(manifest):
        return None
    rows = {name: member.rows for name, member in manifest.tables().items()}
    return Restored(database, rows, bool(marker.tables), marker.notes)


def own_name(asked: str | None, own: str) -> str:
    """The name to restore to; raises Refused if it is that of another version's database."""
    if asked is not None and asked != own and _OF_A_VERSION.fullmatch(asked):
        raise Refused(
            f"{asked} is the name of another version's database; leave --database out for {own}, "
            "or use a name that belongs to no version"
        )
    return own if asked is None else asked


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
    key = metadata.restore_key(request.version, began, request.to)
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
    for info in objects.list(metadata.restores_prefix(version)):
        yield _read_record(objects, info.key)


def newest_restore_record(objects: ObjectStore, version: Version) -> RestoreRecord | None:
    """The version's last restore, or None; raises like ``restore_records``."""
    keys = [info.key for info in objects.list(metadata.restores_prefix(version))]
    return _read_record(objects, keys[-1]) if keys else None


def newest_records(objects: ObjectStore, database: str) -> list[RestoreRecord]:
    """The newest restore to a database of this name on each kind of server, if any.

    Reads the newest hundred records of all versions; raises like ``restore_records``.
    """
    found: dict[str, RestoreRecord] = {}
    keys = [info.key for info in objects.list(RESTORES_PREFIX)]
    for key in reversed(keys[-_LOOKED_AT:]):
        if not any(key.endswith(f"-{to}.json") for to in found):
            record = _read_record(objects, key)
            if record.database == database:
                found[record.to] = record
    return list(found.values())


def why_not_restored(objects: ObjectStore, version: Version, database: str) -> str:
    """The reason that the last restore to the version's PostgreSQL database recorded."""
    for info in reversed(list(objects.list(metadata.restores_prefix(version)))):
        with suppress(DamagedInput):  # an earlier record may have the reason
            found = _read_record(objects, info.key)
            if (found.to, found.database) == ("postgres", database):
                notes = "; ".join(found.notes) or "not all of its tables were requested"
                return found.reason or f"{database} is a part of the version: {notes}"
    return f"no restore of it to {database} is recorded"


def _read_record(objects: ObjectStore, key: str) -> RestoreRecord:
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


def metadata_json(info: CollectionInfo) -> bytes:
    """A collection's ``.metadata.json``: canonical Extended JSON, as mongorestore reads it.

    mongodump's ``uuid`` is left out: it identifies the server's collection; no restore needs it.
    """
    from bson import json_util  # noqa: PLC0415  # only what reads documents needs it

    content = {
        "options": info.options,
        "indexes": list(info.indexes),
        "collectionName": info.name,
        "type": "collection",
    }
    return json_util.dumps(content, json_options=json_util.CANONICAL_JSON_OPTIONS).encode()


def metadata_of(archive: ArchiveReader, collection: str, member: Member) -> CollectionInfo:
    """Read the options and indexes in the collection's ``.metadata.json``."""
    from bson import json_util  # noqa: PLC0415  # only what reads documents needs it

    name = metadata_member(member.name)
    try:
        content = json_util.loads(archive.read_file(name))
        return CollectionInfo(collection, content["options"], tuple(content["indexes"]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadArchive(archive.source.name, f"{name} cannot be read ({error})") from error
