"""The inventory of the bucket: all object versions, delete markers, unfinished uploads.

The databases, test exports and sanitized copies that retention decides on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from mediatool_assets.core.bucket import LIFECYCLE, TESTING, LifecycleRule, ParsedRules
from mediatool_assets.core.metadata import Purpose
from mediatool_assets.core.version import Version

Kind = Literal["version", "marker", "upload"]
State = Literal["current", "noncurrent", "marker", "lone marker", "upload"]

SMALL = 128 << 10
"""AWS moves no smaller object (bytes) to another class, unless a rule names a size."""


@dataclass(frozen=True, slots=True)
class StoredItem:
    """One item that is billed. ``bytes`` of a delete marker are those of its key, which S3 bills.

    ``modified``: when it was written or, of an upload, begun. ``superseded``: when a newer version
    or a marker replaced it; None if it is current. ``testing``: it has the tag of versions made for
    testing.
    """

    key: str
    kind: Kind
    bytes: int
    storage_class: str
    modified: datetime
    superseded: datetime | None = None
    testing: bool = False
    lone: bool = False
    """Of a delete marker: no noncurrent version is left."""


@dataclass(frozen=True, slots=True)
class ActiveRules:
    """The lifecycle that costs are estimated with, and its origin: bucket or declaration."""

    read: ParsedRules
    source: Literal["bucket", "declaration"]
    reason: str
    versioned: bool = True


@dataclass(frozen=True, slots=True)
class ArchiveSizes:
    """The archives of the newest complete version: bytes in the bucket, and uncompressed."""

    version: str
    packed: Mapping[str, int]
    unpacked: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BilledInventory:
    """All items at one moment, with the rules of that moment; it can be stored and read again."""

    bucket: str
    taken: datetime
    items: tuple[StoredItem, ...]
    rules: ActiveRules
    newest: ArchiveSizes | None = None


def hour(moment: datetime) -> int:
    """Hours since 1970 UTC, rounded up: S3 bills byte-hours."""
    return -(-int(moment.timestamp()) // 3600)


def moment(hours: int) -> datetime:
    """The time of an hour."""
    return datetime.fromtimestamp(hours * 3600, UTC)


@dataclass(frozen=True, slots=True)
class Cohort:
    """Items with equal properties: same area, class, hour of creation and rules.

    ``made`` and ``superseded`` are hours since 1970. ``count`` and ``bytes`` of a forecast can be
    fractions.
    """

    area: str
    state: State
    storage_class: str
    made: int
    superseded: int | None
    small: bool
    rules: tuple[LifecycleRule, ...]
    count: Decimal
    bytes: Decimal


def cohorts(items: Iterable[StoredItem], rules: Iterable[LifecycleRule]) -> tuple[Cohort, ...]:
    """The items grouped by the rules that apply to them."""
    rules, none = tuple(rules), Decimal(0)
    found: dict[Cohort, list[int]] = {}
    for item in items:
        applying = tuple(rule for rule in rules if applies(rule, item))
        gone = None if item.superseded is None else hour(item.superseded)
        at, small = hour(item.modified), item.bytes < SMALL
        name = item.storage_class
        kind = Cohort(area(item.key), _state(item), name, at, gone, small, applying, none, none)
        sums = found.setdefault(kind, [0, 0])
        sums[0] += 1
        sums[1] += item.bytes
    return tuple(
        replace(kind, count=Decimal(count), bytes=Decimal(size))
        for kind, (count, size) in found.items()
    )


def _state(item: StoredItem) -> State:
    match item.kind:
        case "marker":
            return "lone marker" if item.lone else "marker"
        case "upload":
            return "upload"
        case _:
            return "current" if item.superseded is None else "noncurrent"


def applies(rule: LifecycleRule, item: StoredItem) -> bool:
    """Whether the rule's filter selects the item; the only known tag is that of test versions."""
    return (
        item.key.startswith(rule.prefix)
        and (rule.tag is None or (item.testing and rule.tag == TESTING))
        and (rule.larger_than is None or item.bytes > rule.larger_than)
        and (rule.smaller_than is None or item.bytes < rule.smaller_than)
    )


_AREAS = tuple(rule.prefix for rule in LIFECYCLE if rule.prefix)


def area(key: str) -> str:
    """The declared prefix of a key; for other keys their first folder, or ``(top)``."""
    declared = next((prefix for prefix in _AREAS if key.startswith(prefix)), None)
    if declared is not None:
        return declared
    first, slash, _ = key.partition("/")
    return f"{first}/" if slash else "(top)"


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
