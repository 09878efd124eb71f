"""Marks of versions in the bucket: read, changed by many writers, and followed by the tags."""

from collections.abc import Callable
from contextlib import suppress

import msgspec
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from mediatool_assets.domain import marks as marks_file
from mediatool_assets.domain.bucket.declaration import TESTING
from mediatool_assets.domain.errors import AlreadyExists, DamagedInput, NotFound
from mediatool_assets.domain.keys import MARKS_KEY, Kind, archive_key, metadata_key
from mediatool_assets.domain.marks import Marks
from mediatool_assets.domain.metadata import Metadata
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore

_KINDS: tuple[Kind, ...] = ("raw", "transformed", "dump")


def read(objects: ObjectStore) -> Marks:
    """The marks; none where nobody has made any. Raises DamagedInput where they cannot be read."""
    marks, _ = _stored(objects)
    return marks


@retry(
    retry=retry_if_exception_type(AlreadyExists),
    stop=stop_after_attempt(30),
    wait=wait_random_exponential(multiplier=0.05, max=2),
    reraise=True,
)
def change(objects: ObjectStore, edit: Callable[[Marks], Marks]) -> Marks:
    """Edit the marks, whoever edits them besides, and return them as they are then.

    ``edit`` is called again on what another writer left meanwhile, so that nothing is lost. Raises
    AlreadyExists when others won 30 times, and whatever ``edit`` raises: then nothing was written.
    """
    marks, etag = _stored(objects)
    edited = edit(marks)
    if edited != marks:
        objects.put(MARKS_KEY, marks_file.encode(edited), replacing=etag)
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


def _stored(objects: ObjectStore) -> tuple[Marks, str | None]:
    """The marks and their entity tag, None where there is no document yet."""
    try:
        data, etag = objects.get(MARKS_KEY)
    except NotFound:
        return Marks(), None
    try:
        return marks_file.decode(data), etag
    except msgspec.MsgspecError as error:
        raise DamagedInput(
            f"{objects.uri(MARKS_KEY)} cannot be read ({error}); restore an earlier copy of it: "
            "without it nobody knows which versions are pinned"
        ) from error
