"""A versioned, verified copy of a PostgreSQL database every day: to S3, to MongoDB, and back.

The public API; all other modules are private and change without notice.
"""

from typing import TYPE_CHECKING, Any

from mediatool_assets.core.errors import MediatoolError
from mediatool_assets.core.version import Version

if TYPE_CHECKING:
    from mediatool_assets.component import PostgresToMongo, Watch
    from mediatool_assets.orchestration import DAYS
    from mediatool_assets.query.handles import (
        ArchiveHandle,
        Documents,
        LiveDatabase,
        LiveDocuments,
        OpenVersion,
        RestoredDatabase,
        TableRows,
        open_version,
    )

__all__ = [
    "DAYS",
    "ArchiveHandle",
    "Documents",
    "LiveDatabase",
    "LiveDocuments",
    "MediatoolError",
    "OpenVersion",
    "PostgresToMongo",
    "RestoredDatabase",
    "TableRows",
    "Version",
    "Watch",
    "open_version",
]

_HANDLES = "mediatool_assets.query.handles"
_LAZY = {
    "DAYS": "mediatool_assets.orchestration",
    "ArchiveHandle": _HANDLES,
    "Documents": _HANDLES,
    "LiveDatabase": _HANDLES,
    "LiveDocuments": _HANDLES,
    "OpenVersion": "mediatool_assets.query.handles",
    "PostgresToMongo": "mediatool_assets.component",
    "RestoredDatabase": "mediatool_assets.query.handles",
    "TableRows": _HANDLES,
    "Watch": "mediatool_assets.component",
    "open_version": "mediatool_assets.query.handles",
}
"""Names that are imported when they are first used: the command line needs neither."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415  # as the names are

    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_LAZY]
