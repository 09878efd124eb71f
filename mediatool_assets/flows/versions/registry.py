"""The registry of versions, in the bucket and as a local copy, updated by many writers."""

import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from tenacity import retry, retry_if_exception_type, retry_if_result, stop_after_attempt, wait_fixed

from mediatool_assets.domain import registry as registry_file
from mediatool_assets.domain.errors import AlreadyExists
from mediatool_assets.domain.keys import METADATA_PREFIX, REGISTRY_KEY
from mediatool_assets.domain.metadata import Metadata
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.versions import catalog, marks
from mediatool_assets.flows.versions.conflicts import retried_on_conflict

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
        objects.put(REGISTRY_KEY, registry_file.registry_to_json(whole), replacing=etag)
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
        marks.update_tags(objects, Metadata.from_json(data))
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
