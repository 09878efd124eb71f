"""The databases, test exports and sanitized copies that retention decides on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mediatool_assets.domain.metadata import Purpose
from mediatool_assets.domain.version import Version

DatabaseState = Literal["complete", "partial", "unfinished", "foreign"]
"""``partial``: a restore of some tables or collections. ``unfinished``: a load or restore that is
running, or died. ``foreign``: not made by a load or restore of this package.
"""


@dataclass(frozen=True, slots=True)
class FoundDatabase:
    """A database with the name of a version.

    ``made``: when it was started or restored, None if unknown. ``ours``: whether it certainly comes
    from this bucket. ``archive`` is the URI of the archive that was loaded. ``busy``: who uses it
    right now, in words. ``sanitized``: by its name, it belongs to a sanitized copy.
    """

    server: Literal["mongodb", "postgres"]
    name: str
    version: Version
    state: DatabaseState
    made: datetime | None = None
    ours: bool = True
    busy: str | None = None
    archive: str | None = None
    sanitized: bool = False


@dataclass(frozen=True, slots=True)
class FoundExport:
    """A version's metadata and archives in the bucket; ``testing`` by its metadata or tags."""

    version: Version
    keys: tuple[str, ...]
    testing: bool


@dataclass(frozen=True, slots=True)
class FoundCopy:
    """A sanitized copy of a version; ``lock`` says until when Object Lock holds it."""

    version: Version
    key: str
    modified: datetime
    lock: str | None = None


@dataclass(frozen=True, slots=True)
class RetentionInventory:
    """Everything that retention decides on, and the reasons to keep it.

    ``complete``: the purpose of every version that has metadata. ``protected``: versions that a
    mark protects. ``locked``: versions with an object under Object Lock. Both have the reason.
    """

    complete: Mapping[Version, Purpose]
    protected: Mapping[Version, str]
    locked: Mapping[Version, str]
    databases: tuple[FoundDatabase, ...] = ()
    exports: tuple[FoundExport, ...] = ()
    copies: tuple[FoundCopy, ...] = ()
