"""Prices of a region on a day, and the billing rules of storage classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

GB = 1 << 30
"""The bytes that S3 bills as one GB."""


@dataclass(frozen=True, slots=True)
class Overhead:
    """Bytes billed for an archived object besides its own: in its class, and in STANDARD."""

    own: int
    standard: int


@dataclass(frozen=True, slots=True)
class RetrievalPrice:
    """One retrieval tier of a class: dollars per GB, and per thousand requests."""

    option: str
    hours: str
    gb: Decimal
    request_1000: Decimal


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars by storage class: per GB and month, per thousand requests; and the billing minimums.

    ``put_1000`` and ``transition_1000`` are prices of requests into the class; ``minimum_days`` and
    ``minimum_bytes`` are the least that is billed for each object.
    """

    dated: str
    region: str
    sources: tuple[str, ...]
    gb_month: Mapping[str, Decimal]
    minimum_days: Mapping[str, int]
    minimum_bytes: Mapping[str, int]
    archive_overhead_bytes: Mapping[str, Overhead]
    put_1000: Mapping[str, Decimal]
    transition_1000: Mapping[str, Decimal]
    retrieval: Mapping[str, tuple[RetrievalPrice, ...]]

    def storage(self, storage_class: str, size: Decimal) -> Decimal:
        """Dollars a month for a number of bytes."""
        return size / GB * self.gb_month[storage_class]

    def overhead(self, storage_class: str, size: Decimal, count: Decimal) -> Decimal:
        """Dollars a month besides the storage of the bytes: for ``count`` objects of equal size."""
        least = count * self.minimum_bytes.get(storage_class, 0)
        extra = self.storage(storage_class, max(least - size, Decimal(0)))
        if (archive := self.archive_overhead_bytes.get(storage_class)) is not None:
            extra += self.storage(storage_class, count * archive.own)
            extra += self.storage("STANDARD", count * archive.standard)
        return extra
