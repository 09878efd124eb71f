"""The cost report as bytes: JSON for programs, Markdown and HTML for people."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from mediatool_assets.domain.costs.report import Costs
from mediatool_assets.flows.page import charts, document, markdown, tables
from mediatool_assets.flows.page.formats import Format

_DUE = {"gone": "gone", "noncurrent": "expired"}


def render(found: Costs, wanted: Format) -> bytes:
    """The report in the wanted format."""
    match wanted:
        case "json":
            encoded = msgspec.json.Encoder(decimal_format="number").encode(found)
            return msgspec.json.format(encoded, indent=2) + b"\n"
        case "html":
            return html(found).encode()
        case "markdown":
            return text(found).encode()


class ReportTable(NamedTuple):
    """A table of the report, for either kind of page."""

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[tables.Cell, ...]]


def money(amount: Decimal | None) -> str:
    """Dollars to the cent; what is less than half a cent with the digits that it has."""
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
        f"{money(found.monthly)} a month as it lies, {money(found.monthly_all_standard)} in "
        f"STANDARD. Twelve months under {rules}: {money(found.year)}, in STANDARD "
        f"{money(found.year_all_standard)}: {money(found.saved)} saved."
    )


def small_print(found: Costs) -> str:
    """Of when and of what the report is."""
    said = f"Inventory of {found.taken}; prices of {found.prices['dated']}, "
    all_doubts = (*found.rules_not_understood, *found.classes_not_priced)
    doubts = "".join(f" {doubt[0].upper()}{doubt[1:]}." for doubt in all_doubts)
    return f"{said}{found.prices['region']}, without tax, reading and traffic.{doubts}"


def shown(found: Costs) -> Iterator[ReportTable]:
    """Every table of the report."""
    yield ReportTable(
        "Now",
        ("Prefix", "Class", "What", "Objects", "Size", "A month", "Small objects", "If deleted"),
        [
            (
                each.area, each.storage_class, each.state, tables.whole(each.objects),
                tables.octets(each.bytes), _dollars(each.monthly), _dollars(each.small_objects),
                _dollars(each.early_deletion),
            )
            for each in found.holdings
        ],
    )  # fmt: skip
    yield ReportTable(
        "Overdue",
        ("Prefix", "Class", "Should be", "Objects", "Size", "Costs a month"),
        [
            (
                each.area, each.storage_class, _DUE.get(each.should_be, each.should_be),
                tables.whole(each.objects), tables.octets(each.bytes), _dollars(each.monthly),
            )
            for each in found.overdue
        ],
    )  # fmt: skip
    yield ReportTable(
        "Growth seen",
        ("Prefix", "Days", "Objects a day", "Bytes a day", "More each day"),
        [
            (
                each.area, tables.whole(each.days),
                tables.Number(float(each.objects), f"{each.objects:,}"),
                tables.octets(each.bytes), tables.octets(each.more, sign=True),
            )
            for each in found.growth
        ],
    )  # fmt: skip
    yield ReportTable(
        "Twelve months",
        (
            "Month", "Storage", "Small objects", "Early deletion", "Transitions", "Writes",
            "Together", "In STANDARD",
        ),
        [
            (
                each.month, _dollars(each.storage), _dollars(each.small_objects),
                _dollars(each.early_deletion), _dollars(each.transitions),
                _dollars(each.requests), _dollars(each.total), _dollars(each.all_standard),
            )
            for each in found.months
        ],
    )  # fmt: skip
    yield ReportTable(
        "Cost strategies",
        ("Strategy", "Saves in twelve months", "How"),
        [(each.name, _dollars(each.saves), each.says) for each in found.strategies],
    )
    yield ReportTable(
        "Having one archive back",
        ("Prefix", "Class", "Archives", "Size of the newest", "Way", "Takes", "Costs"),
        [
            (
                each.area, each.storage_class, tables.whole(each.versions),
                tables.octets(each.bytes), each.option, each.takes, _dollars(each.dollars),
            )
            for each in found.restoring
        ],
    )  # fmt: skip


def html(found: Costs) -> str:
    """The report as one HTML file."""
    parts = [
        document.heading(
            f"Costs of {found.bucket}", f"{money(found.monthly)} a month", headline(found)
        ),
        document.paragraph(small_print(found)),
        document.section("The year to come", *_charts(found)),
    ]
    for each in shown(found):
        parts.append(document.section(each.title, tables.table(each.headings, each.rows)))
    return document.page(f"Costs of {found.bucket}", parts)


def _charts(found: Costs) -> Iterator[str]:
    """A line for the rules and one for STANDARD, in millionths of a dollar."""
    names = [each.month for each in found.months]
    series: tuple[tuple[str, Callable[[Any], Decimal]], ...] = (
        ("Dollars a month under the rules", lambda month: month.total),
        ("Dollars a month if all stayed in STANDARD", lambda month: month.all_standard),
    )
    for title, of in series:
        values = [int(of(month) * 1_000_000) for month in found.months]
        yield charts.lines(title, names, values, lambda value: money(Decimal(value) / 1_000_000))


def text(found: Costs) -> str:
    """The report as Markdown."""
    lines = [f"# Costs of {markdown.escaped(found.bucket)}", "", headline(found), ""]
    lines.append(small_print(found))
    for each in shown(found):
        rows = ([_plain(cell) for cell in row] for row in each.rows)
        lines.extend(markdown.section(each.title, each.headings, rows))
    return "\n".join(lines) + "\n"


def _plain(cell: tables.Cell) -> str:
    match cell:
        case tables.Number(_, text_):
            return text_
        case tables.OutcomeCell(word):
            return word
        case _:
            return cell


def _dollars(amount: Decimal | None) -> tables.Number:
    return tables.Number(None if amount is None else float(amount), money(amount))
