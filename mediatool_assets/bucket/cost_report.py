"""The cost report: costs now, overdue objects, and the forecast, from one inventory.

The cost report as a page, and where it is stored: ``{COSTS_PREFIX}{date}``.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

import msgspec

from mediatool_assets.bucket.cost_rules import (
    NONE,
    Bill,
    Charges,
    DailyUploads,
    Month,
    RetrievalCost,
    Strategy,
    due,
    future_cohorts,
    minimum_months,
    months,
    recent_arrivals,
    remaining_life,
    retrieval_costs,
    strategies,
    whole_life,
    without_transitions,
)
from mediatool_assets.bucket.rules import Prices
from mediatool_assets.core.bucket import WATERFALL
from mediatool_assets.core.inventory import (
    ActiveRules,
    BilledInventory,
    Cohort,
    State,
    cohorts,
    hour,
)
from mediatool_assets.core.texts import JsonDocument
from mediatool_assets.core.version import RECORDS_PREFIX
from mediatool_assets.pages import (
    Format,
    LineChart,
    Number,
    Page,
    Section,
    byte_cell,
    count_cell,
    grid,
    keep,
    rendered,
)
from mediatool_assets.stores.ports import ObjectStore

_MILLIONTH = Decimal("0.000001")


def dollars(amount: Decimal) -> Decimal:
    """Rounded to a millionth of a dollar: a day of a small bucket must not cost zero."""
    return amount.quantize(_MILLIONTH)


@dataclass(frozen=True, slots=True)
class PrefixCost:
    """The objects of one class below one prefix, and their cost in dollars a month.

    ``small_objects`` is the overhead of small objects. ``early_deletion`` is what would be billed
    at once if all of it were deleted now.
    """

    area: str
    storage_class: str
    state: State
    objects: int
    bytes: int
    monthly: Decimal
    small_objects: Decimal
    early_deletion: Decimal


@dataclass(frozen=True, slots=True)
class Overdue:
    """Objects that should be in another class, or deleted; ``monthly`` is their cost a month."""

    area: str
    storage_class: str
    should_be: str
    objects: int
    bytes: int
    monthly: Decimal


@dataclass(frozen=True, slots=True)
class Growth:
    """The daily arrivals below one prefix, seen over ``days``; ``more``: growth, bytes a day."""

    area: str
    days: int
    objects: Decimal
    bytes: int
    more: int


@dataclass(frozen=True, slots=True)
class ForecastMonth:
    """The forecast of one month; ``all_standard`` is the cost without any transition."""

    month: str
    storage: Decimal
    small_objects: Decimal
    early_deletion: Decimal
    transitions: Decimal
    requests: Decimal
    total: Decimal
    all_standard: Decimal
    areas: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Costs(JsonDocument):
    """The whole report, in dollars. ``rules`` says where the lifecycle was read, and why there.

    ``classes_not_priced`` holds a sentence for each class that is priced as STANDARD.
    """

    bucket: str
    taken: str
    prices: dict[str, str | tuple[str, ...]]
    rules: str
    rules_reason: str
    rules_not_understood: tuple[str, ...]
    classes_not_priced: tuple[str, ...]
    monthly: Decimal
    monthly_all_standard: Decimal
    holdings: tuple[PrefixCost, ...]
    overdue: tuple[Overdue, ...]
    growth: tuple[Growth, ...]
    months: tuple[ForecastMonth, ...]
    year: Decimal
    year_all_standard: Decimal
    saved: Decimal
    restoring: tuple[RetrievalCost, ...]
    strategies: tuple[Strategy, ...]

    def to_json(self) -> bytes:
        """The bytes of the report; amounts are numbers with all their digits."""
        encoded = msgspec.json.Encoder(decimal_format="number").encode(self)
        return msgspec.json.format(encoded, indent=2) + b"\n"


def _priced(inventory: BilledInventory) -> tuple[BilledInventory, tuple[str, ...]]:
    """The inventory with unknown classes replaced by STANDARD, and a sentence for each of them."""
    known = {"STANDARD", *WATERFALL}
    others = Counter(i.storage_class for i in inventory.items if i.storage_class not in known)
    if not others:
        return inventory, ()
    items = tuple(
        replace(item, storage_class="STANDARD") if item.storage_class in others else item
        for item in inventory.items
    )
    doubts = (f"{name} ({count}) is priced as STANDARD" for name, count in sorted(others.items()))
    return replace(inventory, items=items), tuple(doubts)


def costs(inventory: BilledInventory, prices: Prices) -> Costs:
    """The cost report of an inventory."""
    active, now = inventory.rules, hour(inventory.taken)
    inventory, doubts = _priced(inventory)
    held = cohorts(inventory.items, active.read.rules)
    bill = _bill(inventory, held, active, prices)
    flat = without_transitions(active)
    in_standard = (
        replace(each, storage_class="STANDARD")
        for each in cohorts(inventory.items, flat.read.rules)
    )
    all_standard = _bill(inventory, in_standard, flat, prices)
    holdings = tuple(_holdings(held, active, prices, now))

    def year_under(other: ActiveRules) -> Decimal:
        """The year's cost if other rules had always applied."""
        grouped = cohorts(inventory.items, other.read.rules)
        return _bill(inventory, (_as_if(e, other, now) for e in grouped), other, prices).total

    names = {area for month in bill.calendar for area in month.areas}
    areas = {
        name: sum((m.areas.get(name, Charges()).total for m in bill.calendar), NONE)
        for name in names
    }
    return Costs(
        bucket=inventory.bucket,
        taken=f"{inventory.taken:%Y-%m-%dT%H:%M:%SZ}",
        prices={"dated": prices.dated, "region": prices.region, "sources": prices.sources},
        rules=active.source,
        rules_reason=active.reason,
        rules_not_understood=active.read.not_understood,
        classes_not_priced=doubts,
        monthly=dollars(sum((h.monthly + h.small_objects for h in holdings), NONE)),
        monthly_all_standard=dollars(
            sum((prices.storage("STANDARD", each.bytes) for each in held), NONE)
        ),
        holdings=holdings,
        overdue=tuple(_overdue(held, active, prices, now)),
        growth=tuple(_growth(recent_arrivals(held, active, now))),
        months=tuple(
            _billed(m, f) for m, f in zip(bill.calendar, all_standard.calendar, strict=True)
        ),
        year=dollars(bill.total),
        year_all_standard=dollars(all_standard.total),
        saved=dollars(all_standard.total - bill.total),
        restoring=retrieval_costs(held, prices),
        strategies=strategies(inventory, areas, year_under),
    )


def _bill(
    inventory: BilledInventory, held: Iterable[Cohort], active: ActiveRules, prices: Prices
) -> Bill:
    """The year's bill of existing objects and of arrivals; the classes are those of ``held``."""
    held, now = tuple(held), hour(inventory.taken)
    bill = Bill(months(inventory.taken), active, prices)
    bill.holding(held, now)
    for stream in recent_arrivals(held, active, now):
        bill.receiving(future_cohorts(stream, now, bill.calendar[-1].end))
    return bill


def _as_if(cohort: Cohort, active: ActiveRules, now: int) -> Cohort:
    """The cohort in the class that it would be in, had it started in STANDARD under these rules."""
    begun = replace(cohort, storage_class="STANDARD")
    standing = [stay for stay in whole_life(begun, active) if stay.begin <= now]
    return replace(begun, storage_class=standing[-1].storage_class) if standing else begun


def _holdings(
    held: Iterable[Cohort], active: ActiveRules, prices: Prices, now: int
) -> Iterable[PrefixCost]:
    found: dict[tuple[str, str, State], list[Decimal]] = {}
    for each in held:
        sums = found.setdefault((each.area, each.storage_class, each.state), [NONE] * 5)
        storage = prices.storage(each.storage_class, each.bytes)
        small = prices.overhead(each.storage_class, each.bytes, each.count)
        life = remaining_life(each, active, now)
        early = (storage + small) * minimum_months(life[0], now, prices) if life else NONE
        for place, amount in enumerate((each.count, each.bytes, storage, small, early)):
            sums[place] += amount
    for (area, name, state), (count, size, storage, small, early) in sorted(found.items()):
        money = (dollars(storage), dollars(small), dollars(early))
        yield PrefixCost(area, name, state, int(count), int(size), *money)


def _overdue(
    held: Iterable[Cohort], active: ActiveRules, prices: Prices, now: int
) -> Iterable[Overdue]:
    found: dict[tuple[str, str, str], list[Decimal]] = {}
    for each in held:
        should_be = due(each, active, now)
        if should_be is None:
            continue
        sums = found.setdefault((each.area, each.storage_class, should_be), [NONE] * 3)
        amount = _rate(each, each.storage_class, prices)
        if should_be == "noncurrent":  # the bytes stay for as long as a deletion can be undone
            amount = NONE
        elif should_be != "gone":
            amount -= _rate(each, should_be, prices)
        for place, more in enumerate((each.count, each.bytes, amount)):
            sums[place] += more
    for (area, name, should_be), (count, size, amount) in sorted(found.items()):
        yield Overdue(area, name, should_be, int(count), int(size), dollars(amount))


def _rate(cohort: Cohort, name: str, prices: Prices) -> Decimal:
    return prices.storage(name, cohort.bytes) + prices.overhead(name, cohort.bytes, cohort.count)


def _growth(coming: Iterable[DailyUploads]) -> Iterable[Growth]:
    """The growth of all streams, by prefix."""
    found: dict[str, list[DailyUploads]] = {}
    for stream in coming:
        found.setdefault(stream.like.area, []).append(stream)
    for area, those in sorted(found.items()):
        yield Growth(
            area,
            max(stream.days for stream in those),
            sum((stream.count for stream in those), NONE).quantize(Decimal("0.01")),
            int(sum((stream.bytes for stream in those), NONE)),
            int(sum((stream.slope for stream in those), NONE)),
        )


def _billed(month: Month, flat: Month) -> ForecastMonth:
    amounts = month.amounts
    return ForecastMonth(
        month.name,
        dollars(amounts.storage),
        dollars(amounts.small_objects),
        dollars(amounts.early_deletion),
        dollars(amounts.transitions),
        dollars(amounts.requests),
        dollars(amounts.total),
        dollars(flat.amounts.total),
        {area: dollars(each.total) for area, each in sorted(month.areas.items())},
    )


COSTS_PREFIX = RECORDS_PREFIX + "costs/"

_DUE = {"gone": "gone", "noncurrent": "expired"}


def publish(objects: ObjectStore, inventory: BilledInventory, found: Costs) -> str:
    """Store both formats, replacing earlier ones of the day; returns the page's URI."""
    day = f"{COSTS_PREFIX}{inventory.taken:%Y-%m-%d}"
    keep(objects, f"{day}.json", render(found, "json"))
    return keep(objects, f"{day}.html", render(found, "html"))


def render(found: Costs, wanted: Format) -> bytes:
    """The report in the wanted format."""
    return rendered(wanted, found.to_json(), page(found))


def money(amount: Decimal | None) -> str:
    """Dollars to the cent; an amount below half a cent with its significant digits."""
    if amount is None:
        return "–"
    if amount and abs(amount) < Decimal("0.005"):
        return f"${amount.normalize():f}"
    return f"${amount:,.2f}"


def headline(found: Costs) -> str:
    """The report in a sentence or two."""
    rules = (
        "the bucket's own rules"
        if found.rules == "bucket"
        else f"the declared rules, since they are not read from the bucket ({found.rules_reason})"
    )
    return (
        f"{money(found.monthly)} a month as it is, {money(found.monthly_all_standard)} in "
        f"STANDARD. Twelve months under {rules}: {money(found.year)}, in STANDARD "
        f"{money(found.year_all_standard)}: {money(found.saved)} saved."
    )


def page(found: Costs) -> Page:
    """The whole report."""
    title, verdict = f"Costs of {found.bucket}", f"{money(found.monthly)} a month"
    return Page(title, verdict, headline(found), [_small(found)], sections=list(_sections(found)))


def _small(found: Costs) -> str:
    """When the inventory was taken, and the prices used."""
    said = f"Inventory of {found.taken}; prices of {found.prices['dated']}, "
    all_doubts = (*found.rules_not_understood, *found.classes_not_priced)
    doubts = "".join(f" {doubt[0].upper()}{doubt[1:]}." for doubt in all_doubts)
    return f"{said}{found.prices['region']}, without tax, reading and traffic.{doubts}"


def _sections(found: Costs) -> Iterator[Section]:
    charts = [
        _chart("Dollars a month under the rules", found, lambda month: month.total),
        _chart("Dollars a month if all stayed in STANDARD", found, lambda m: m.all_standard),
    ]
    yield Section("Forecast", charts, detail="full")
    holdings = (
        (
            each.area, each.storage_class, each.state,
            count_cell(each.objects), byte_cell(each.bytes),
            _dollars(each.monthly), _dollars(each.small_objects), _dollars(each.early_deletion),
        )
        for each in found.holdings
    )  # fmt: skip
    headings: tuple[str, ...] = (
        "Prefix", "Class", "State", "Objects", "Size", "A month", "Small objects", "If deleted",
    )  # fmt: skip
    empty = f"Bucket {found.bucket} is empty."
    yield Section("Now", [grid(headings, holdings)], otherwise=empty, detail="summary")
    overdue = (
        (
            each.area, each.storage_class, _DUE.get(each.should_be, each.should_be),
            count_cell(each.objects), byte_cell(each.bytes), _dollars(each.monthly),
        )
        for each in found.overdue
    )  # fmt: skip
    headings = ("Prefix", "Class", "Should be", "Objects", "Size", "Costs a month")
    yield Section("Overdue", [grid(headings, overdue)], detail="summary")
    growth = (
        (
            each.area, count_cell(each.days), Number(float(each.objects), f"{each.objects:,}"),
            byte_cell(each.bytes), byte_cell(each.more, sign=True),
        )
        for each in found.growth
    )  # fmt: skip
    headings = ("Prefix", "Days", "Objects a day", "Bytes a day", "More each day")
    yield Section("Growth seen", [grid(headings, growth)])
    months = (
        (
            each.month, _dollars(each.storage), _dollars(each.small_objects),
            _dollars(each.early_deletion), _dollars(each.transitions), _dollars(each.requests),
            _dollars(each.total), _dollars(each.all_standard),
        )
        for each in found.months
    )  # fmt: skip
    headings = (
        "Month", "Storage", "Small objects", "Early deletion", "Transitions", "Writes", "Together",
        "In STANDARD",
    )  # fmt: skip
    yield Section("Twelve months", [grid(headings, months)])
    strategies = ((each.name, _dollars(each.saves), each.says) for each in found.strategies)
    headings = ("Strategy", "Saves in twelve months", "How")
    yield Section("Cost strategies", [grid(headings, strategies)], detail="summary")
    restoring = (
        (
            each.area, each.storage_class, count_cell(each.versions), byte_cell(each.bytes),
            each.option, each.takes, _dollars(each.dollars),
        )
        for each in found.restoring
    )  # fmt: skip
    headings = ("Prefix", "Class", "Archives", "Size of the newest", "Way", "Takes", "Costs")
    yield Section("Reading one archive back", [grid(headings, restoring)])


def _chart(title: str, found: Costs, amount: Callable[[ForecastMonth], Decimal]) -> LineChart:
    return LineChart(
        title, [(each.month, float(amount(each)), money(amount(each))) for each in found.months]
    )


def _dollars(amount: Decimal | None) -> Number:
    return Number(None if amount is None else float(amount), money(amount))
