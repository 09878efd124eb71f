"""The cost report as a page, and where it is stored: ``{COSTS_PREFIX}{date}``."""

from collections.abc import Callable, Iterator
from decimal import Decimal

from mediatool_assets.domain.costs.inventory import BilledInventory
from mediatool_assets.domain.costs.report import Costs, ForecastMonth
from mediatool_assets.domain.keys import RECORDS_PREFIX
from mediatool_assets.domain.page import LineChart, Number, Page, Section, grid
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.reports.figures import byte_cell, count_cell
from mediatool_assets.flows.reports.formats import Format, rendered
from mediatool_assets.flows.reports.storage import keep

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
