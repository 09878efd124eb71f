"""Folders for the data of servers, and of Dagster instances, that the tests start."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108  # the names in it are mkdtemp's
_ENOUGH = 8 << 30  # bytes; six workers' servers have 3 GB


@contextmanager
def server_folder() -> Iterator[Path]:
    """A new folder that is removed behind, in memory where there is room: no commit waits for disk.

    Not under pytest's own temporary folder: pytest closes that to other users, and PostgreSQL runs
    as another user when the tests run as root.
    """
    in_memory = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ENOUGH
    folder = Path(tempfile.mkdtemp(prefix="mediatool-", dir=_MEMORY if in_memory else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
