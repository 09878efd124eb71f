"""Detects a full disk of the local servers, whose own errors do not name the cause."""

import shutil
from urllib.parse import urlsplit

from mediatool_assets.domain.errors import Full
from mediatool_assets.stores.environment import home

_LOCAL = {"127.0.0.1", "localhost", "::1"}
_ENOUGH = 256 << 20
"""Free bytes. mongod stops without room for a journal file of 100 MiB, SeaweedFS at 1 % free."""


def full_disk(server: str) -> Full | None:
    """The error to raise if a server on this machine fails because the disk is full; else None.

    ``server`` is a URL, or ``host:port``.
    """
    where = home()
    host = urlsplit(server if "://" in server else f"//{server}").hostname
    if host not in _LOCAL or not where.is_dir():
        return None
    free = shutil.disk_usage(where).free
    if free >= _ENOUGH:
        return None
    return Full(
        f"the disk of {where} is full ({free >> 20} MiB are free), and the server at {server} "
        "cannot go on; make room there, then `mediatool up`, and run it again"
    )
