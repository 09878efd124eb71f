"""Files and directories that only their owner can read."""

import os
import stat
from pathlib import Path

OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""The part of a file mode that is not the owner's."""


def private_directory(path: Path) -> Path:
    """Create a directory with mode 0700; an existing one is unchanged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=stat.S_IRWXU, exist_ok=True)
    return path


def owner_only(path: str, flags: int) -> int:
    """An ``opener`` for ``open``: a file that it creates has mode 0600."""
    return os.open(path, flags, 0o600)


def write_private(path: Path, text: str, owner: int | None = None) -> None:
    """Write a file with mode 0600, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with open(draft, "x", opener=owner_only) as file:
        file.write(text)
    if owner is not None:
        os.chown(draft, owner, owner)
    draft.replace(path)
