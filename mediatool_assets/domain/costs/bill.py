"""The bill: what objects in storage classes cost in each month, by the hour."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from mediatool_assets.domain.costs.inventory import ActiveRules, Cohort, hour
from mediatool_assets.domain.costs.object_lifetime import DAY, ClassPeriod, remaining_life
from mediatool_assets.domain.prices import Prices

PART = 8 << 20
"""Bytes of one part of an upload. Larger parts of archives above 3 GB would save only cents."""

NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Charges:
    """Dollars by what they are paid for."""

    storage: Decimal = NONE
    small_objects: Decimal = NONE
    early_deletion: Decimal = NONE
    transitions: Decimal = NONE
    requests: Decimal = NONE

    @property
    def total(self) -> Decimal:
        """The sum of all amounts."""
        whole = self.storage + self.small_objects + self.early_deletion
        return whole + self.transitions + self.requests

    def __add__(self, other: "Charges") -> "Charges":
        """The sum of two."""
        return Charges(
            self.storage + other.storage,
            self.small_objects + other.small_objects,
            self.early_deletion + other.early_deletion,
            self.transitions + other.transitions,
            self.requests + other.requests,
        )


@dataclass(slots=True)
class Month:
    """One calendar month: its first hour, the hour after its last, and what is billed in it."""

    name: str
    begin: int
    end: int
    areas: dict[str, Charges] = field(default_factory=dict)

    @property
    def amounts(self) -> Charges:
        """The sum of all areas."""
        return sum(self.areas.values(), Charges())

    def add(self, area: str, amounts: Charges) -> None:
        """Add amounts to one area, which is a prefix of the bucket."""
        self.areas[area] = self.areas.get(area, Charges()) + amounts


def months(now: datetime, count: int = 12) -> tuple[Month, ...]:
    """The whole calendar months after the month of ``now``."""
    found, first = [], _following(now)
    for _ in range(count):
        after = _following(first)
        found.append(Month(f"{first:%Y-%m}", hour(first), hour(after)))
        first = after
    return tuple(found)


def _following(day: datetime) -> datetime:
    year, month = divmod(day.year * 12 + day.month, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Bill:
    """Twelve months, to which cohorts of objects are charged under given rules and prices."""

    calendar: tuple[Month, ...]
    active: ActiveRules
    prices: Prices

    @property
    def total(self) -> Decimal:
        """Dollars of all months."""
        return sum((month.amounts.total for month in self.calendar), NONE)

    def holding(self, cohorts: Iterable[Cohort], now: int) -> None:
        """Charge the remaining life of existing objects."""
        for cohort in cohorts:
            self._charge(cohort, remaining_life(cohort, self.active, now))

    def receiving(self, cohorts: Iterable[Cohort]) -> None:
        """Charge the whole life of future objects, and the requests that write them."""
        for cohort in cohorts:
            self._add(cohort, cohort.made, Charges(requests=requests(cohort, self.prices)))
            self._charge(cohort, remaining_life(cohort, self.active, cohort.made))

    def _charge(self, cohort: Cohort, life: Iterable[ClassPeriod]) -> None:
        for stay in life:
            name = stay.storage_class
            storage = self.prices.storage(name, cohort.bytes)
            extra = self.prices.overhead(name, cohort.bytes, cohort.count)
            for month in self.calendar:
                until = month.end if stay.end is None else min(stay.end, month.end)
                hours = until - max(stay.begin, month.begin)
                if hours > 0:
                    share = Decimal(hours) / (month.end - month.begin)
                    month.add(cohort.area, Charges(storage * share, extra * share))
            if stay.moved:
                fee = cohort.count * self.prices.transition_1000.get(name, NONE) / 1000
                self._add(cohort, stay.begin, Charges(transitions=fee))
            if stay.end is not None:
                early = (storage + extra) * minimum_months(stay, stay.end, self.prices)
                self._add(cohort, stay.end, Charges(early_deletion=early))

    def _add(self, cohort: Cohort, at: int, amounts: Charges) -> None:
        for month in self.calendar:
            if month.begin <= at < month.end:
                month.add(cohort.area, amounts)


def minimum_months(stay: ClassPeriod, at: int, prices: Prices) -> Decimal:
    """The months of 30 days that a class still bills for an object that leaves it at that hour."""
    least = stay.entered + prices.minimum_days.get(stay.storage_class, 0) * DAY
    return Decimal(max(least - at, 0)) / (30 * DAY)


def requests(cohort: Cohort, prices: Prices) -> Decimal:
    """Dollars of the write requests: one, or those of a multipart upload."""
    parts = -(-int(cohort.bytes / cohort.count) // PART)
    writes = 1 if parts <= 1 else parts + 2
    return cohort.count * writes * prices.put_1000[cohort.storage_class] / 1000
