"""The masking key that a home keeps: made once, for those who have not set one of their own."""

import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mediatool_assets.domain.errors import BadSettings
from mediatool_assets.domain.masking.key import MaskingKey
from mediatool_assets.stores.private_files import private_directory

_NAME = "masking.key"


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A key in a file that its owner alone can read; ``is_new`` where this call made it."""

    key: MaskingKey
    path: Path
    is_new: bool


def kept_key(home: Path) -> KeptKey:
    """The key in ``home``, the same for ever; made where there is none.

    Of calls at once one makes it and all return it. Raises BadSettings where the file cannot be
    taken: it holds something else, or others can read it.
    """
    path = home / _NAME
    if path.exists():
        return KeptKey(_read(path), path, is_new=False)
    private_directory(home)
    handle, draft = tempfile.mkstemp(dir=home, prefix=f".{_NAME}.")  # with mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(handle)
        os.link(draft, path)
    except FileExistsError:
        return KeptKey(_read(path), path, is_new=False)
    finally:
        Path(draft).unlink()
    return KeptKey(_read(path), path, is_new=True)


def _read(path: Path) -> MaskingKey:
    if path.stat().st_mode & 0o077:
        raise BadSettings([f"{path} can be read by others; `chmod 600 {path}`, or make a new key"])
    try:
        return MaskingKey.parse(path.read_text())
    except ValueError as error:
        raise BadSettings([f"the key in {path} {error}; or set MEDIATOOL_MASKING_KEY"]) from error
