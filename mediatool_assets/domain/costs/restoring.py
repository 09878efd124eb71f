"""The cost of retrieving a version from its storage class."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from mediatool_assets.domain.costs.bill import PART
from mediatool_assets.domain.costs.inventory import Cohort
from mediatool_assets.domain.keys import DUMPS_PREFIX, RAW_PREFIX, TRANSFORMED_PREFIX
from mediatool_assets.domain.prices import Prices, RetrievalPrice

COPY_DAYS = 7
"""Days for which a copy restored from an archive class is stored, and billed, in STANDARD."""

_THAWED = {"GLACIER", "DEEP_ARCHIVE"}

ARCHIVES = (RAW_PREFIX, TRANSFORMED_PREFIX, DUMPS_PREFIX)


@dataclass(frozen=True, slots=True)
class RetrievalCost:
    """Retrieving the newest archive of a prefix from one class: by which tier, how fast, its cost.

    ``versions`` counts the archives in that class; ``bytes`` is the size of the newest. The cost
    holds within the region: data transfer out of AWS is not included.
    """

    area: str
    storage_class: str
    versions: int
    bytes: int
    option: str
    takes: str
    dollars: Decimal


def retrieval_costs(held: Iterable[Cohort], prices: Prices) -> tuple[RetrievalCost, ...]:
    """For each prefix of archives and each class with some of them, every retrieval tier."""
    found: dict[tuple[str, str], list[Cohort]] = {}
    for each in held:
        if each.area in ARCHIVES and each.state == "current":
            found.setdefault((each.area, each.storage_class), []).append(each)
    return tuple(
        RetrievalCost(
            area,
            name,
            int(sum(each.count for each in those)),
            int(size := _newest(those)),
            way.option,
            way.hours,
            cost(size, name, way, prices).quantize(Decimal("0.000001")),
        )
        for (area, name), those in sorted(found.items())
        for way in prices.retrieval[name]
    )


def _newest(those: list[Cohort]) -> Decimal:
    newest = max(those, key=lambda each: each.made)
    return newest.bytes / newest.count


def cost(size: Decimal, name: str, way: RetrievalPrice, prices: Prices) -> Decimal:
    """Dollars for one object: its bytes, its requests, and its copy in STANDARD if there is one.

    A restored object needs one request; an object that is readable at once is read in parts.
    """
    gigabytes = size / (1 << 30)
    reads = Decimal(max(-(-int(size) // PART), 1))
    read = reads * prices.retrieval["STANDARD"][0].request_1000 / 1000
    if name not in _THAWED:
        return gigabytes * way.gb + reads * way.request_1000 / 1000
    copy = prices.storage("STANDARD", size) * COPY_DAYS / 30
    return gigabytes * way.gb + way.request_1000 / 1000 + copy + read
