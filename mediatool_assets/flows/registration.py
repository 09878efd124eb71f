"""Registration: the registry of versions, in the bucket and beside it, kept by many writers."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from mediatool_assets.domain import registry as registry_file
from mediatool_assets.domain.errors import AlreadyExists
from mediatool_assets.domain.keys import REGISTRY_KEY
from mediatool_assets.flows import catalog
from mediatool_assets.flows.ports import ObjectStore


@retry(
    retry=retry_if_exception_type(AlreadyExists),
    stop=stop_after_attempt(30),
    wait=wait_random_exponential(multiplier=0.05, max=2),
    reraise=True,
)
def register(objects: ObjectStore, *, anew: bool = False) -> None:
    """Bring the registry in the bucket up to date with metadata and marks, whoever writes besides.

    A lost or damaged registry is made anew, and with ``anew`` every metadata file is read. Raises
    AlreadyExists when others won 30 times.
    """
    stored, etag = catalog.stored_registry(objects)
    whole = catalog.whole_registry(objects, () if anew else stored or ())
    if whole != stored:
        objects.put(REGISTRY_KEY, registry_file.encode(whole), replacing=etag)
        if catalog.whole_registry(objects, whole) != whole:
            # its entity tag is that of its bytes: those may have come back under an older reading
            raise AlreadyExists(objects.uri(REGISTRY_KEY), "it changed meanwhile; read it again")


def write_local_registry(objects: ObjectStore, path: Path) -> None:
    """Copy the bucket's registry to ``path``; a reader meets the old file or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.parent) as directory:
        # read under the lock, so that of two writers the last one has the newest copy
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
    """Hold the directory against other processes of ours; gives its file descriptor."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
