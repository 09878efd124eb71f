"""The complete versions of a bucket: those with a metadata file."""

import logging
import os.path
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from itertools import islice

import msgspec

from mediatool_assets.archive.reader import ArchiveReader, Bytes
from mediatool_assets.domain import registry as registry_file
from mediatool_assets.domain.authenticity import authenticity
from mediatool_assets.domain.errors import BadArchive, DamagedInput, Misuse, NotAuthentic, NotFound
from mediatool_assets.domain.keys import (
    METADATA_PREFIX,
    REGISTRY_KEY,
    archive_key,
    metadata_key,
    metadata_prefix,
)
from mediatool_assets.domain.metadata import Metadata
from mediatool_assets.domain.registry import RegistryEntry
from mediatool_assets.domain.source_identity import SourceIdentity
from mediatool_assets.domain.suggestions import closest
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.versions import archives, marks

_LOG = logging.getLogger(__name__)

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
        archives.require_authentic(objects, found, objects.uri(metadata_key(version)))
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
        archives.authenticate(objects, key, "raw", version, ArchiveReader(source))
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
        return SourceIdentity.of_facts(archives.reader(objects, "raw", version).manifest.source)
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
    found = marks.known(objects)
    return whole if found is None else tuple(entry.marked(found) for entry in whole)


def version_of(key: str) -> Version | None:
    """The version whose metadata file has that key; None for any other object."""
    name = key.rsplit("/", 1)[-1].removesuffix(".json")
    try:
        version = Version.parse(name)
    except Misuse:
        return None
    return version if metadata_key(version) == key else None
