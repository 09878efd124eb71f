"""The marks of versions in the bucket: read, changed by many writers, and applied as tags."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from mediatool_assets.domain import marks as marks_file
from mediatool_assets.domain.bucket.declaration import TESTING
from mediatool_assets.domain.errors import DamagedInput, NotFound, Refused
from mediatool_assets.domain.keys import MARKS_KEY, OLD_MARKS_KEY, Kind, archive_key, metadata_key
from mediatool_assets.domain.marks import Marks
from mediatool_assets.domain.metadata import Metadata
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.versions.conflicts import retried_on_conflict

_LOG = logging.getLogger(__name__)

_KINDS: tuple[Kind, ...] = ("raw", "transformed", "dump")


def read(objects: ObjectStore) -> Marks:
    """The marks; none where nobody has made any. Raises DamagedInput where they cannot be read."""
    return stored(objects).marks


def known(objects: ObjectStore) -> Marks | None:
    """The marks for somebody who only shows them: None, and logged, where they cannot be read."""
    try:
        return read(objects)
    except DamagedInput as error:
        _LOG.warning("%s", error)
        return None


@retried_on_conflict
def change(objects: ObjectStore, edit: Callable[[Marks], Marks]) -> Marks:
    """Edit the marks, whoever edits them besides, and return them as they are then.

    ``edit`` is called again on what another writer left meanwhile, so that nothing is lost. Raises
    AlreadyExists when others won 30 times, Refused where the bucket has its marks in their old
    place, and whatever ``edit`` raises: then nothing was written.
    """
    found = stored(objects)
    edited = edit(found.marks)
    if edited != found.marks:
        if found.is_old:
            raise Refused(
                f"{objects.uri(OLD_MARKS_KEY)} has to be moved before marks can change, so that "
                "no older mediatool changes it too: run `mediatool bucket migrate`"
            )
        objects.put(MARKS_KEY, marks_file.encode(edited), replacing=found.etag)
    return edited


def settle_tags(objects: ObjectStore, metadata: Metadata, marks: Marks) -> None:
    """Tag a test version's objects for the bucket's rule that deletes them, or untag a kept one's.

    The metadata first: were this broken off, a version would go before its archives do. An object
    that has aged out has no tag, and is passed over.
    """
    if metadata.purpose != "testing":
        return
    tags = dict([TESTING]) if marks.protection(metadata.version) is None else {}
    for key in keys_of(metadata.version):
        with suppress(NotFound):
            objects.tag(key, tags)


def keys_of(version: Version) -> tuple[str, ...]:
    """The metadata's key, then those of the three archives."""
    return (metadata_key(version), *(archive_key(kind, version) for kind in _KINDS))


@dataclass(frozen=True, slots=True)
class StoredMarks:
    """The marks as they are stored; no entity tag where there is no document."""

    marks: Marks = field(default_factory=Marks)
    etag: str | None = None
    is_old: bool = False


def stored(objects: ObjectStore) -> StoredMarks:
    """The marks at the top of the bucket, or those in their old place where they were not moved."""
    found = stored_at(objects, MARKS_KEY)
    if found.etag is None:
        found = stored_at(objects, OLD_MARKS_KEY)
    # once more at the top: they may have been moved between the two looks
    return found if found.etag is not None else stored_at(objects, MARKS_KEY)


def stored_at(objects: ObjectStore, key: str) -> StoredMarks:
    """The marks in one of the two places; raises DamagedInput where they cannot be read."""
    is_old = key == OLD_MARKS_KEY
    decode = marks_file.decode_old if is_old else marks_file.decode
    try:
        data, etag = objects.get(key)
        return StoredMarks(decode(data), etag, is_old)
    except NotFound:
        return StoredMarks()
    except msgspec.MsgspecError as error:
        raise DamagedInput(
            f"{objects.uri(key)} cannot be read ({error}); restore an earlier copy of it: without "
            "it nobody knows which versions are pinned"
        ) from error
