"""The marks of versions in the bucket: read, changed by many writers, and applied as tags."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from mediatool_assets.domain.bucket.declaration import TESTING
from mediatool_assets.domain.errors import DamagedInput, NotFound
from mediatool_assets.domain.keys import (
    MARKS_KEY,
    DatabaseNames,
    Kind,
    archive_key,
    metadata_key,
)
from mediatool_assets.domain.marks import Marks
from mediatool_assets.domain.metadata import Metadata
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.versions.conflicts import retried_on_conflict

_LOG = logging.getLogger(__name__)

_KINDS: tuple[Kind, ...] = ("raw", "transformed", "dump")


def read(objects: ObjectStore) -> Marks:
    """The marks; empty if there are none. Raises DamagedInput if they cannot be read."""
    return stored(objects).marks


def known(objects: ObjectStore) -> Marks | None:
    """The marks for display: None, and a logged warning, if they cannot be read."""
    try:
        return read(objects)
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
    while (found := known(objects)) is not None:
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
