"""A temporary folder that is removed however the process ends."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_GUARD = 'trap "" HUP INT TERM; read -r _; rm -rf -- "$1"'
"""A shell that removes the folder when the last process with its pipe open has ended."""


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder in ``parent``, by default in ``TMPDIR``.

    A guard process removes it, also after SIGKILL.
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
