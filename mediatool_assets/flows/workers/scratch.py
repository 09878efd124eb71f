"""A temporary folder that is removed however the process ends."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_GUARD = 'trap "" HUP INT TERM; read -r _; rm -rf -- "$1"'
"""A shell that waits until nobody holds the other end of its input: killed processes hold none."""


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder in ``parent``, by default in ``TMPDIR``.

    A process that is killed cannot remove it: a guard, which outlives it, does.
    """
    with tempfile.TemporaryDirectory(prefix="mediatool-", dir=parent) as name:
        folder = Path(name).absolute()
        guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "sh", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield folder
        finally:
            guard.communicate()
