"""Versions that no other test has, for databases on servers that tests share."""

from datetime import UTC, datetime, timedelta
from itertools import count

from mediatool_assets.core.version import Version

_SECONDS = count()


def fresh_version() -> Version:
    """A version of its own."""
    return Version(datetime(2004, 2, 1, tzinfo=UTC) + timedelta(seconds=next(_SECONDS)))
