"""A year of daily versions that never was: what a bucket would list of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from mediatool_assets.core.bucket import LIFECYCLE, configuration, read
from mediatool_assets.core.inventory import ActiveRules, ArchiveSizes, BilledInventory, StoredItem
from mediatool_assets.core.version import Version, archive_key, metadata_key

TAKEN = datetime(2026, 6, 30, 12, tzinfo=UTC)
DAYS = 365
GIB = 1 << 30

DECLARED = ActiveRules(read(configuration(LIFECYCLE)), "bucket", "they are active")
"""The declared rules, as though the bucket had them."""


def items(days: int = DAYS, raw: int = GIB, other: int = GIB // 2) -> Iterator[StoredItem]:
    """A version at 02:00 of each of the last days, each archive in the class of its age."""
    for age in range(days):
        made = (TAKEN - timedelta(days=age)).replace(hour=2)
        version = Version.at(made)
        # lifecycle days end at the midnight after: 30 days old is still in STANDARD
        cold = "STANDARD" if age <= 30 else "STANDARD_IA" if age <= 90 else "GLACIER"
        warm = "STANDARD" if age <= 7 else "GLACIER_IR"
        yield StoredItem(archive_key("raw", version), "version", raw, cold, made)
        yield StoredItem(archive_key("transformed", version), "version", other, warm, made)
        yield StoredItem(archive_key("dump", version), "version", other, warm, made)
        yield StoredItem(metadata_key(version), "version", 64 << 10, "STANDARD", made)


def year() -> BilledInventory:
    """1 GiB raw, 512 MiB transformed, 512 MiB dump and 64 KiB metadata, each day of a year."""
    sizes = {"raw": GIB, "transformed": GIB // 2, "dump": GIB // 2}
    unpacked = {"raw": 3 * GIB, "transformed": GIB, "dump": GIB}
    newest = ArchiveSizes("20260630-020000", sizes, unpacked)
    return BilledInventory("b", TAKEN, tuple(items()), DECLARED, newest)
