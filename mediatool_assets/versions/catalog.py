"""Which versions are in the bucket, with their archives and marks.

The complete versions of a bucket: those with a metadata file.

Archives of a version in the bucket: written once, as a whole, and opened by range.

The ways to name a version: itself, a day, ``latest``, ``latest~2``, or a range.

The row counts of PostgreSQL for the snapshot of a raw archive, from its manifest.

The marks of versions in the bucket: read, changed by many writers, and applied as tags.

Conflicts: if another writer changed an object first, it is read and changed again.
"""

import logging
import os.path
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from itertools import islice

import msgspec
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from mediatool_assets.archive.reader import ArchiveReader, Bytes
from mediatool_assets.archive.writer import ArchiveWriter, JoiningWriter
from mediatool_assets.core import metadata as registry_file
from mediatool_assets.core.authenticity import Authenticity, authenticity, copy_authenticity
from mediatool_assets.core.bucket import TESTING
from mediatool_assets.core.errors import (
    AlreadyExists,
    BadArchive,
    CountMismatch,
    DamagedInput,
    Misuse,
    NotAuthentic,
    NotFound,
)
from mediatool_assets.core.manifest import Manifest
from mediatool_assets.core.metadata import Marks, Metadata, RegistryEntry, SourceIdentity
from mediatool_assets.core.signing import Signed
from mediatool_assets.core.texts import closest
from mediatool_assets.core.version import (
    MARKS_KEY,
    METADATA_PREFIX,
    REGISTRY_KEY,
    DatabaseNames,
    Kind,
    Version,
    archive_key,
    metadata_key,
    metadata_prefix,
    signature_key,
)
from mediatool_assets.stores.ports import ArchiveStore, ObjectStore
from mediatool_assets.work.scratch import staging


@dataclass(frozen=True, slots=True)
class StoredArchive:
    """An archive in the bucket; ``size`` is its compressed length in bytes."""

    uri: str
    size: int
    manifest: Manifest


def publish(
    objects: ArchiveStore,
    kind: Kind,
    version: Version,
    write: Callable[[ArchiveWriter], Manifest],
    executor: Executor | None = None,
) -> StoredArchive:
    """Stream an archive to its key; after an error nothing is left there.

    Workers of ``executor`` assemble the parts that they staged. Raises AlreadyExists if the version
    has that archive already.
    """
    key = archive_key(kind, version, objects.database_names)
    bucket = None if executor is None else staging(objects, executor)
    if executor is None or bucket is None:
        with objects.create(key) as sink:
            manifest = write(ArchiveWriter(sink, kind, version))
    else:
        with bucket.assemble(key, executor) as joined:
            manifest = write(JoiningWriter(joined, kind, version))
    return StoredArchive(objects.uri(key), objects.open(key).size, manifest)


def find(objects: ArchiveStore, kind: Kind, version: Version) -> StoredArchive | None:
    """The version's archive if it is there; objects appear only whole, so that it is complete."""
    key = archive_key(kind, version, objects.database_names)
    if objects.head(key) is None:
        return None
    archive = reader(objects, kind, version)
    return StoredArchive(objects.uri(key), archive.source.size, archive.manifest)


def reader(objects: ArchiveStore, kind: Kind, version: Version) -> ArchiveReader:
    """Open the version's archive for reading.

    Raises NotFound, BadArchive if it is another version's, NotAuthentic if it is not to be trusted.
    """
    key = archive_key(kind, version, objects.database_names)
    archive = ArchiveReader(objects.open(key))
    require_identity(archive, kind, version)
    authenticate(objects, key, kind, version, archive)
    return archive


def authenticate(
    objects: ArchiveStore, key: str, kind: Kind, version: Version, archive: ArchiveReader
) -> None:
    """Compare an archive with what a trusted key has signed; raises NotAuthentic.

    Nothing is compared if no key is trusted. A version's archive is signed by its metadata, a
    sanitized copy by an object beside it. A copy may be in the place of a raw archive, in a bucket
    without the version's metadata.
    """
    if not objects.signature_policy.keys:
        return
    is_copy = archive.manifest.kind == "sanitized" and (
        kind == "sanitized" or objects.head(metadata_key(version)) is None
    )
    if is_copy:
        found = _authenticity_of_copy(objects, signature_key(key), version, archive.digest)
    else:
        found = authenticity_of(objects, version)
    require_authentic(objects, found, archive.source.name)
    if found.statement is not None and found.statement.archives.get(kind) != archive.digest:
        raise NotAuthentic(
            f"{archive.source.name}: forged: it is not the archive that was signed, whose digest "
            f"is {found.statement.archives.get(kind)}; use another version"
        )


def require_authentic(objects: ArchiveStore, found: Authenticity, uri: str) -> None:
    """Raise NotAuthentic if the result may not be read; the only place that decides this."""
    if objects.signature_policy.refuses(found):
        unsigned = found.status in ("unsigned", "unfinished")
        step = "; or read it with --allow-unsigned" if unsigned else ""
        raise NotAuthentic(f"{uri}: {found}; use another version{step}")


def _authenticity_of_copy(
    objects: ArchiveStore, key: str, version: Version, digest: str
) -> Authenticity:
    try:
        source = objects.open(key)
    except NotFound:
        return Authenticity("unsigned", f"the sanitized copy of {version} has no signature")
    try:
        signed = Signed.from_json(source.read(0, source.size))
    except msgspec.MsgspecError as error:
        raise DamagedInput(f"{source.name} cannot be read ({error})") from error
    return copy_authenticity(signed, version, digest, objects.signature_policy)


def authenticity_of(objects: ArchiveStore, version: Version) -> Authenticity:
    """The signature status of the version, from its metadata; unfinished if there is none."""
    try:
        source = objects.open(metadata_key(version))
    except NotFound:
        return Authenticity("unfinished", f"{version} has no metadata, so it is not complete")
    try:
        return authenticity(source.read(0, source.size), version, objects.signature_policy)
    except msgspec.MsgspecError as error:
        raise DamagedInput(f"{source.name} cannot be read ({error})") from error


def require_identity(archive: ArchiveReader, kind: Kind, version: Version) -> None:
    """Raise BadArchive if an archive is of another version or kind than its key.

    A sanitized copy may be in the place of the raw archive, in its own bucket.
    """
    manifest = archive.manifest
    if manifest.version != str(version):
        problem = f"is of version {manifest.version}, but has the key of {version}"
        raise BadArchive(archive.source.name, problem)
    if manifest.kind not in ((kind, "sanitized") if kind == "raw" else (kind,)):
        problem = f"is a {manifest.kind} archive, but has the key of the {kind} one"
        raise BadArchive(archive.source.name, problem)


def source_counts(raw: ArchiveReader) -> dict[str, int]:
    """Rows by table; a table that was not counted is left out. Raises BadArchive."""
    try:
        return msgspec.convert(raw.manifest.facts.get("counted", {}), dict[str, int])
    except msgspec.ValidationError as error:
        raise BadArchive(raw.source.name, f"no count of the source ({error})") from error


def require_source_counts(raw: ArchiveReader) -> None:
    """Raise CountMismatch unless each counted table has as many rows in the archive."""
    members = raw.manifest.tables()
    for table, rows in source_counts(raw).items():
        found = members[table].rows if table in members else None
        if found != rows:
            raise CountMismatch(table, "rows of the source", rows, found)


retried_on_conflict = retry(
    retry=retry_if_exception_type(AlreadyExists),
    stop=stop_after_attempt(30),
    wait=wait_random_exponential(multiplier=0.05, max=2),
    reraise=True,
)
"""Repeats a function, up to 30 times, while it raises AlreadyExists; then raises that."""


_LOG = logging.getLogger(__name__)

_KINDS: tuple[Kind, ...] = ("raw", "transformed", "dump")


def read_marks(objects: ObjectStore) -> Marks:
    """The marks; empty if there are none. Raises DamagedInput if they cannot be read."""
    return stored(objects).marks


def known_marks(objects: ObjectStore) -> Marks | None:
    """The marks for display: None, and a logged warning, if they cannot be read."""
    try:
        return read_marks(objects)
    except DamagedInput as error:
        _LOG.warning("%s", error)
        return None


@retried_on_conflict
def change(objects: ObjectStore, edit: Callable[[Marks], Marks]) -> Marks:
    """Edit the marks safely beside other writers, and return the new marks.

    ``edit`` is called again if another writer was first, so that no change is lost. Raises
    AlreadyExists after 30 lost races, and the errors of ``edit``: then nothing was written.
    """
    found = stored(objects)
    edited = edit(found.marks)
    if edited != found.marks:
        objects.put(MARKS_KEY, edited.to_json(), replacing=found.etag)
    return edited


def remove_tags(objects: ObjectStore, metadata: Metadata) -> None:
    """Remove the tag of the deletion rule from a test version's objects.

    The metadata comes last: if this is interrupted, a version is deleted before its archives. An
    object that has expired is skipped.
    """
    if metadata.purpose == "testing":
        for key in reversed(keys_of(metadata.version, objects.database_names)):
            _tag(objects, key, {})


def update_tags(objects: ObjectStore, metadata: Metadata) -> None:
    """Tag a test version's objects for the bucket's deletion rule; remove the tags of a kept one.

    By the marks as they are in the bucket, which are read again at the end: of writers at once, the
    last one tags by the last marks. If they cannot be read, nothing is tagged. The metadata is
    tagged first: if this is interrupted, a version is deleted before its archives.
    """
    if metadata.purpose != "testing":
        return
    tagged: bool | None = None
    while (found := known_marks(objects)) is not None:
        is_free = found.protection(metadata.version) is None
        if is_free == tagged:
            return
        if is_free:
            for key in keys_of(metadata.version, objects.database_names):
                _tag(objects, key, dict([TESTING]))
        else:
            remove_tags(objects, metadata)
        tagged = is_free


def _tag(objects: ObjectStore, key: str, tags: dict[str, str]) -> None:
    with suppress(NotFound):
        objects.tag(key, tags)


def keys_of(version: Version, names: DatabaseNames) -> tuple[str, ...]:
    """The metadata's key, then those of the three archives."""
    return (metadata_key(version), *(archive_key(kind, version, names) for kind in _KINDS))


@dataclass(frozen=True, slots=True)
class StoredMarks:
    """The marks as stored; the entity tag is None if there is no document."""

    marks: Marks = field(default_factory=Marks)
    etag: str | None = None


def stored(objects: ObjectStore) -> StoredMarks:
    """The marks at the top of the bucket; raises DamagedInput if they cannot be read."""
    try:
        data, etag = objects.get(MARKS_KEY)
        return StoredMarks(Marks.from_json(data), etag)
    except NotFound:
        return StoredMarks()
    except msgspec.MsgspecError as error:
        raise DamagedInput(
            f"{objects.uri(MARKS_KEY)} cannot be read ({error}), so it is unknown which versions "
            "are pinned; put back an earlier S3 version of this object"
        ) from error


_OTHERS = 100  # maximum of versions of other sources read to find one of the same source


def versions(
    objects: ObjectStore, first: date | None = None, last: date | None = None
) -> Iterator[Version]:
    """The complete versions of the days ``first`` to ``last``, both included, oldest first.

    Lists the bucket and reads nothing in it.
    """
    days = [first.isoformat(), last.isoformat()] if first and last else []
    shared = os.path.commonprefix(days)  # noqa: RUF071  # a bucket's prefix is of characters
    for info in objects.list(METADATA_PREFIX + shared):
        version = version_of(info.key)
        if version is None or (first is not None and version.day < first):
            continue
        if last is not None and version.day > last:
            return
        yield version


def complete_versions(
    objects: ObjectStore, first: date | None = None, last: date | None = None
) -> Iterator[Metadata]:
    """The metadata of the complete versions of those days, oldest first, read one by one.

    A file that cannot be read is logged and skipped.
    """
    return _readable(objects, versions(objects, first, last))


def read(objects: ObjectStore, version: Version) -> Metadata:
    """The metadata of a version.

    Raises NotFound if it is not complete, DamagedInput if it cannot be read, NotAuthentic if keys
    are trusted and none of them signed it.
    """
    metadata, data = read_unauthenticated(objects, version)
    if objects.signature_policy.keys:
        found = authenticity(data, version, objects.signature_policy)
        require_authentic(objects, found, objects.uri(metadata_key(version)))
    return metadata


def read_unauthenticated(objects: ObjectStore, version: Version) -> tuple[Metadata, bytes]:
    """Like ``read``, but without comparing the signature; and the bytes of the file."""
    key = metadata_key(version)
    try:
        data, _ = objects.get(key)
    except NotFound as error:
        near = closest(str(version), map(str, versions(objects)))
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise NotFound(
            f"{version} is not a complete version: {objects.uri(key)} does not exist; {meant}"
            "`mediatool versions` lists the complete ones"
        ) from error
    try:
        metadata = Metadata.from_json(data)
    except msgspec.MsgspecError as error:
        raise DamagedInput(
            f"{objects.uri(key)} cannot be read ({error}); put back an earlier S3 version "
            "of this object, or use another version"
        ) from error
    if metadata.timestamp != str(version):
        raise DamagedInput(
            f"{objects.uri(key)} is the metadata of {metadata.timestamp[:40]!r}; put back an "
            "earlier S3 version of this object, or use another version"
        )
    return metadata, data


def raw_archive(objects: ObjectStore, version: Version) -> Bytes:
    """Open the raw archive of a complete version for reading.

    Raises NotFound, InColdStorage, NotAuthentic.
    """
    read(objects, version)
    key = archive_key("raw", version)
    source = objects.open(key)
    if objects.signature_policy.keys:
        authenticate(objects, key, "raw", version, ArchiveReader(source))
    return source


def latest(objects: ObjectStore, partition: str | None = None) -> Metadata:
    """The newest complete version, of one day or of all; raises NotFound if there is none.

    The newest days are searched first, so that a bucket with years of versions takes two or three
    requests. A version whose metadata cannot be read is logged, and the previous one is used.
    Raises NotAuthentic if the newest is not to be trusted: an older one is not used in its place.
    """
    if partition is not None:
        days = [metadata_prefix(partition)]
    else:
        days = list(objects.folders(METADATA_PREFIX))
    found = next(_newest_first(objects, days, skips_untrusted=False), None)
    if found is not None:
        return found
    of = f"of {partition} " if partition else ""
    raise NotFound(
        f"no complete version {of}in {objects.uri('')}; make one with `mediatool export`"
    )


def versions_before(
    objects: ObjectStore, version: Version, count: int, source: SourceIdentity | None = None
) -> tuple[Metadata, ...]:
    """The metadata of the last ``count`` complete versions before ``version``, oldest first.

    Only versions of the same ``source``, by default that of ``version``. A version that cannot be
    read is logged and skipped.
    """
    own = source or source_of(objects, version)
    last = metadata_prefix(version.partition)
    days = [day for day in objects.folders(METADATA_PREFIX) if day <= last]
    earlier = islice(_newest_first(objects, days, before=version), count + _OTHERS)
    found = (m for m in earlier if own is None or own.may_be(SourceIdentity.of(m.source)))
    return tuple(islice(found, count))[::-1]


def newest_of_day(objects: ObjectStore, day: date, source: SourceIdentity) -> Metadata | None:
    """The newest complete version of a day from this source."""
    found = _newest_first(objects, [metadata_prefix(day.isoformat())])
    return next((m for m in found if source.may_be(SourceIdentity.of(m.source))), None)


def source_of(objects: ObjectStore, version: Version) -> SourceIdentity | None:
    """The source of a version, complete or not; None if it has no raw archive either."""
    try:
        if objects.head(metadata_key(version)) is not None:
            return SourceIdentity.of(read(objects, version).source)
        return SourceIdentity.of_facts(reader(objects, "raw", version).manifest.source)
    except (NotFound, BadArchive):
        return None


def _newest_first(
    objects: ObjectStore,
    days: Sequence[str],
    before: Version | None = None,
    *,
    skips_untrusted: bool = True,
) -> Iterator[Metadata]:
    """The readable metadata of those days, newest first, read one by one."""
    for day in reversed(days):
        of_day = (v for info in objects.list(day) if (v := version_of(info.key)) is not None)
        wanted = (v for v in of_day if before is None or v < before)
        yield from _readable(objects, sorted(wanted, reverse=True), skips_untrusted=skips_untrusted)


def _as_stored(objects: ObjectStore, version: Version) -> Metadata:
    metadata, _ = read_unauthenticated(objects, version)
    return metadata


def _readable(
    objects: ObjectStore,
    wanted: Iterable[Version],
    reader: Callable[[ObjectStore, Version], Metadata] = read,
    *,
    skips_untrusted: bool = True,
) -> Iterator[Metadata]:
    """The readable metadata; other files are logged, except those deleted meanwhile."""
    for version in wanted:
        try:
            yield reader(objects, version)
        except NotFound:
            continue
        except DamagedInput as error:
            if isinstance(error, NotAuthentic) and not skips_untrusted:
                raise
            _LOG.warning("%s", error)


def registry(objects: ObjectStore) -> tuple[RegistryEntry, ...]:
    """One entry for each complete version, oldest first, whatever the registry file contains.

    For versions in the file, the metadata need not be read. Marks are always current, even if a
    killed writer did not update the file.
    """
    stored, _ = stored_registry(objects)
    return whole_registry(objects, stored or ())


def stored_registry(objects: ObjectStore) -> tuple[tuple[RegistryEntry, ...] | None, str | None]:
    """The registry file's entries, None if unreadable, and its entity tag, None if absent."""
    try:
        data, etag = objects.get(REGISTRY_KEY)
    except NotFound:
        return None, None
    try:
        return registry_file.registry_from_json(data), etag
    except msgspec.MsgspecError:
        return None, etag


def whole_registry(
    objects: ObjectStore, known: Iterable[RegistryEntry], *, anew: bool = False
) -> tuple[RegistryEntry, ...]:
    """One entry for each complete version; metadata is read only for unknown versions.

    With ``anew`` all of it is read. The marks are always read. Entries that a killed writer missed
    are added, and entries of deleted versions are removed. A metadata file or marks that cannot be
    read are logged, and the known entry is kept. Signatures are not compared.
    """
    entries = {entry.version: entry for entry in known}
    there = list(versions(objects))
    to_read = there if anew else [v for v in there if str(v) not in entries]
    entries |= {m.timestamp: RegistryEntry.of(m) for m in _readable(objects, to_read, _as_stored)}
    whole = tuple(entries[str(version)] for version in there if str(version) in entries)
    found = known_marks(objects)
    return whole if found is None else tuple(entry.marked(found) for entry in whole)


def version_of(key: str) -> Version | None:
    """The version whose metadata file has that key; None for any other object."""
    name = key.rsplit("/", 1)[-1].removesuffix(".json")
    try:
        version = Version.parse(name)
    except Misuse:
        return None
    return version if metadata_key(version) == key else None


FORMS = "YYYYMMDD-HHMMSS, YYYY-MM-DD, latest or latest~N"

_LATEST = re.compile(r"latest(?:~([0-9]{1,6}))?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_RANGE = ".."


def named_version(objects: ObjectStore, text: str) -> Version:
    """The version that ``text`` names.

    A day is its newest complete version, ``latest~1`` the complete version before the newest. A
    version that is given in full need not be complete. Raises Misuse, NotFound.
    """
    if written := written_version(text):
        return written
    if match := _LATEST.fullmatch(text):
        return _latest(objects, int(match[1] or 0))
    return Version.parse(latest(objects, text).timestamp)


def written_version(text: str) -> Version | None:
    """The version if it is given in full; None for names that have to be looked up in the bucket.

    Raises Misuse for anything else.
    """
    if _LATEST.fullmatch(text) or _day(text):
        return None
    if Version.of_name(text, "") is None:
        meant = "did you mean latest? " if closest(text, ["latest"]) else ""
        raise Misuse(f"{text!r} is not a version; {meant}write {FORMS}")
    return Version.parse(text)


def named_versions(objects: ObjectStore, text: str) -> tuple[Version, ...]:
    """The complete versions of a range ``FIRST..LAST``, both included, oldest first; or one.

    A day as FIRST starts with its first version, and as LAST ends with its last. Raises Misuse, and
    NotFound if the range has none.
    """
    if _RANGE not in text:
        return (named_version(objects, text),)
    left, _, right = text.partition(_RANGE)
    if not left or not right:
        raise Misuse(f"{text!r} is not a range; write FIRST{_RANGE}LAST, each as {FORMS}")
    first = _bound(objects, left, time.min)
    last = _bound(objects, right, time.max)
    found = tuple(
        version
        for version in versions(objects, first.date(), last.date())
        if first <= version.moment <= last
    )
    if not found:
        raise NotFound(f"no complete version in {text}; `mediatool versions` lists them")
    return found


def _bound(objects: ObjectStore, text: str, of_day: time) -> datetime:
    day = _day(text)
    if day is None:
        return named_version(objects, text).moment
    return datetime.combine(day, of_day, UTC)


def _day(text: str) -> date | None:
    if not _DAY.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Misuse(f"{text!r} is not a date: {error}; write YYYY-MM-DD") from error


def _latest(objects: ObjectStore, back: int) -> Version:
    newest = Version.parse(latest(objects).timestamp)
    if not back:
        return newest
    found = versions_before(objects, newest, back)
    if len(found) < back:
        raise NotFound(
            f"latest~{back} does not exist: the oldest complete version is latest~{len(found)}"
        )
    return Version.parse(found[0].timestamp)
