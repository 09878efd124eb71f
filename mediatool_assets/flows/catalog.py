"""What versions there are: those with a metadata file, whatever else lies in the bucket."""

import os.path
from collections.abc import Iterator
from datetime import date
from itertools import islice

import msgspec

from mediatool_assets.domain import metadata as metadata_file
from mediatool_assets.domain import registry as registry_file
from mediatool_assets.domain.errors import BadArchive, DamagedInput, Misuse, NotFound
from mediatool_assets.domain.keys import (
    METADATA_PREFIX,
    REGISTRY_KEY,
    metadata_key,
    metadata_prefix,
)
from mediatool_assets.domain.metadata import Metadata
from mediatool_assets.domain.registry import Entry
from mediatool_assets.domain.source_identity import SourceIdentity
from mediatool_assets.domain.version import Version
from mediatool_assets.flows import archives, marks
from mediatool_assets.flows.ports import ObjectStore

_OTHERS = 100  # versions of other sources that are read in search of a version's own


def versions(
    objects: ObjectStore, first: date | None = None, last: date | None = None
) -> Iterator[Version]:
    """The complete versions of the days ``first`` to ``last``, both included, oldest first.

    Lists the bucket and reads nothing in it.
    """
    days = [first.isoformat(), last.isoformat()] if first and last else []
    shared = os.path.commonprefix(days)  # noqa: RUF071  # a bucket's prefix is of characters
    for info in objects.list(METADATA_PREFIX + shared):
        version = _version_of(info.key)
        if version is None or (first is not None and version.day < first):
            continue
        if last is not None and version.day > last:
            return
        yield version


def complete_versions(
    objects: ObjectStore, first: date | None = None, last: date | None = None
) -> Iterator[Metadata]:
    """The metadata of the complete versions of those days, oldest first, read one by one."""
    return (read(objects, version) for version in versions(objects, first, last))


def read(objects: ObjectStore, version: Version) -> Metadata:
    """The metadata of a version; raises NotFound unless it is complete."""
    key = metadata_key(version)
    try:
        data, _ = objects.get(key)
    except NotFound as error:
        raise NotFound(
            f"{version} is not a complete version: {objects.uri(key)} is not there; "
            "`mediatool versions` lists those that are"
        ) from error
    try:
        return metadata_file.decode(data)
    except msgspec.MsgspecError as error:
        raise DamagedInput(
            f"{objects.uri(key)} cannot be read ({error}); restore an earlier copy of it, or take "
            "another version"
        ) from error


def latest(objects: ObjectStore, partition: str | None = None) -> Metadata:
    """The newest complete version, of one day or of all; raises NotFound where there is none.

    Looks at the newest days first, so that a bucket of years costs two or three requests.
    """
    if partition is not None:
        days = [metadata_prefix(partition)]
    else:
        days = list(objects.folders(METADATA_PREFIX))
    for day in reversed(days):
        found = [v for info in objects.list(day) if (v := _version_of(info.key)) is not None]
        if found:
            return read(objects, max(found))
    of = f"of {partition} " if partition else ""
    raise NotFound(
        f"no complete version {of}in {objects.uri('')}; make one with `mediatool export`"
    )


def before(
    objects: ObjectStore, version: Version, count: int, source: SourceIdentity | None = None
) -> tuple[Metadata, ...]:
    """The metadata of the last ``count`` complete versions before ``version``, oldest first.

    Only those of its own ``source``: what the version itself says, unless it is given.
    """
    own = source or source_of(objects, version)
    earlier = islice(_earlier(objects, version), count + _OTHERS)
    found = (m for m in earlier if own is None or own.may_be(SourceIdentity.of(m.source)))
    return tuple(islice(found, count))[::-1]


def newest_of_day(objects: ObjectStore, day: date, source: SourceIdentity) -> Metadata | None:
    """The newest complete version of a day, of those that are of this source."""
    of_day = reversed(list(versions(objects, day, day)))
    found = (read(objects, version) for version in of_day)
    return next((m for m in found if source.may_be(SourceIdentity.of(m.source))), None)


def source_of(objects: ObjectStore, version: Version) -> SourceIdentity | None:
    """Where a version came from, complete or not yet; None where it has no raw archive either."""
    try:
        if objects.head(metadata_key(version)) is not None:
            return SourceIdentity.of(read(objects, version).source)
        return SourceIdentity.of_facts(archives.reader(objects, "raw", version).manifest.source)
    except (NotFound, BadArchive):
        return None


def _earlier(objects: ObjectStore, version: Version) -> Iterator[Metadata]:
    """The metadata of every complete version before ``version``, newest first, read one by one."""
    for day in reversed(list(objects.folders(METADATA_PREFIX))):
        if day <= metadata_prefix(version.partition):
            of_day = (v for info in objects.list(day) if (v := _version_of(info.key)) is not None)
            for earlier in sorted((v for v in of_day if v < version), reverse=True):
                yield read(objects, earlier)


def registry(objects: ObjectStore) -> tuple[Entry, ...]:
    """The registry, oldest version first; where its file is lost or damaged, what it would hold.

    Marks are told as they are, also where a killed writer did not bring the file up to date.
    """
    entries, _ = stored_registry(objects)
    if entries is None:
        return whole_registry(objects, ())
    found = marks.read(objects)
    return tuple(entry.marked(found) for entry in entries)


def stored_registry(objects: ObjectStore) -> tuple[tuple[Entry, ...] | None, str | None]:
    """The registry file's entries, None unless it can be read, and its entity tag, if there is."""
    try:
        data, etag = objects.get(REGISTRY_KEY)
    except NotFound:
        return None, None
    try:
        return registry_file.decode(data), etag
    except msgspec.MsgspecError:
        return None, etag


def whole_registry(objects: ObjectStore, known: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """One entry for each complete version; metadata is read only of those that are not known.

    The marks are read anew. So an entry that a killed writer did not come to add is added by
    the next one, and an entry whose version is gone goes with it.
    """
    entries = {entry.version: entry for entry in known}
    found = marks.read(objects)
    return tuple(
        (entries.get(str(version)) or Entry.of(read(objects, version))).marked(found)
        for version in versions(objects)
    )


def _version_of(key: str) -> Version | None:
    """The version whose metadata file has that key; None for any other object."""
    name = key.rsplit("/", 1)[-1].removesuffix(".json")
    try:
        version = Version.parse(name)
    except Misuse:
        return None
    return version if metadata_key(version) == key else None
