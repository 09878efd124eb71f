"""A report as a value, which is rendered as HTML, Markdown or on the terminal.

Parts and sections are false if they have nothing to show; they are then left out.

Renders a page as one HTML file with embedded style and script; light and dark, no network.

``page.css`` and ``page.js`` are embedded in every file.

Charts as HTML and SVG with the page's text and colours, at any width.

Escapes text for HTML: no markup, no control characters.

Figures for display: numbers, sizes and shares.

Renders a page as Markdown, with values escaped: for Dagster's UI, a terminal or a chat.

The formats of a report in a file.

Writes, replaces and reads the reports of a day in the bucket.

Charts of the last versions: rows and sizes.
"""

import html as stdlib_html
import re
from calendar import monthcalendar
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor, log10
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from mediatool_assets.core.errors import DamagedInput, NotFound
from mediatool_assets.core.metrics import ChartPoint
from mediatool_assets.core.texts import decoded, visible, visible_lines
from mediatool_assets.core.version import REPORTS, Report, Version, report_key
from mediatool_assets.stores.ports import ObjectStore

Detail = Literal["summary", "report", "full"]
"""Where a section is shown: everywhere, everywhere except on a terminal, or in HTML only."""


@dataclass(frozen=True, slots=True)
class Number:
    """A cell that sorts by its value and reads as its text."""

    value: float | None
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class OutcomeCell:
    """A cell with an outcome, a verdict or a severity, which determines its colour."""

    word: str

    def __str__(self) -> str:
        return self.word


@dataclass(frozen=True, slots=True)
class Link:
    """A link to another page; ``target`` is relative. ``current``: it is this page."""

    text: str
    target: str
    current: bool = False

    def __str__(self) -> str:
        return self.text


Cell = str | Number | OutcomeCell | Link


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: its headings, and cells in rows."""

    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    sortable: bool = True

    def __bool__(self) -> bool:
        return bool(self.rows)


def grid(headings: Sequence[str], rows: Iterable[Sequence[Cell]], *, sortable: bool = True) -> Grid:
    """A table of any rows."""
    return Grid(tuple(headings), tuple(map(tuple, rows)), sortable)


@dataclass(frozen=True, slots=True)
class BarChart:
    """Horizontal bars, each with counts by kind; names without counts have no bar."""

    bars: Sequence[tuple[str, Mapping[str, int]]]

    def __bool__(self) -> bool:
        return any(any(counts.values()) for _, counts in self.bars)


@dataclass(frozen=True, slots=True)
class LineChart:
    """One figure over versions or days: ``(name, value, value as text)`` from left to right."""

    title: str
    points: Sequence[tuple[str, float, str]]

    def __bool__(self) -> bool:
        return len(self.points) > 1


@dataclass(frozen=True, slots=True)
class Items:
    """A list of texts; ``code``: they are commands."""

    texts: Sequence[str]
    code: bool = False

    def __bool__(self) -> bool:
        return bool(self.texts)


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """A day of a calendar: its page, the outcome that determines its colour, and its content."""

    date: str
    target: str
    outcome: str
    says: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days by month, newest first; without HTML it is a table."""

    days: Sequence[CalendarDay]

    def __bool__(self) -> bool:
        return bool(self.days)


@dataclass(frozen=True, slots=True)
class Folded:
    """Elements under a title that expands on a click, unless it ``is_open``."""

    title: str
    says: str
    elements: "Sequence[PageElement]"
    is_open: bool = False


PageElement = str | Grid | BarChart | LineChart | Items | Calendar | Folded


@dataclass(frozen=True, slots=True)
class Card:
    """A large figure, and its change."""

    name: str
    value: str
    change: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Elements under a title. ``lead`` explains them; ``otherwise`` is shown if there are none."""

    title: str
    elements: Sequence[PageElement]
    lead: str = ""
    otherwise: str = ""
    detail: Detail = "report"

    def __bool__(self) -> bool:
        return bool(self.otherwise or any(self.elements))

    @property
    def shown(self) -> tuple[PageElement, ...]:
        """The elements that have something to show, with the texts around them."""
        elements = tuple(element for element in self.elements if element) or (self.otherwise,)
        return (self.lead, *elements) if self.lead else elements


@dataclass(frozen=True, slots=True)
class Page:
    """A whole report. ``links`` are rows of links to other pages: of the site, then of the day."""

    title: str
    verdict: str
    headline: str
    small: Sequence[str] = ()
    cards: Sequence[Card] = ()
    sections: Sequence[Section] = ()
    links: Sequence[tuple[str, Sequence[Link]]] = ()

    def shown(self, *details: Detail) -> tuple[Section, ...]:
        """The sections with one of these details that have something to show."""
        return tuple(each for each in self.sections if each and each.detail in details)


def escape(text: str) -> str:
    """The text as HTML, in quotes too."""
    return stdlib_html.escape(visible_lines(text))


_CHARTED = 15  # maximum bars of a chart; the tables list all
_DOTTED = 60  # maximum points of a line that get a dot
_WIDTH = 82  # percent of the row for the bar; the rest is for its number

_COLOURS = {
    "added": "added", "removed": "removed", "changed": "changed",
    "surplus": "added", "missing": "removed", "differs": "changed",
}  # fmt: skip
"""The kinds of changes and defects in bars, with the page's colours."""


def bars(chart: BarChart) -> str:
    """Horizontal bars, longest first, each split by kind, with a legend."""
    totals = [(name, counts, sum(counts.values())) for name, counts in chart.bars]
    found = sorted((row for row in totals if row[2]), key=lambda row: (-row[2], row[0]))
    longest, more = found[0][2], len(found) - _CHARTED
    made = []
    for name, counts, total in found[:_CHARTED]:
        parts = "".join(
            f"<i class='{_COLOURS[kind]}' title='{count:,} {kind}' "
            f"style='width: {_WIDTH * count / longest:.2f}%'></i>"
            for kind, count in counts.items()
            if count
        )
        says = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
        made.append(
            f"<li><span>{escape(name)}</span>"
            f"<span class='bar' role='img' aria-label='{says}'>{parts}{total:,}</span></li>"
        )
    legend = "".join(f"<span><i class='{_COLOURS[kind]}'></i>{kind}</span>" for kind in found[0][1])
    rest = f"<p class='dim'>and {more:,} more</p>" if more > 0 else ""
    return f"<p class='legend dim'>{legend}</p><ul class='bars'>{''.join(made)}</ul>{rest}"


def line(chart: LineChart) -> str:
    """A line over the full width, scaled between its lowest and highest value."""
    names, values, texts = zip(*chart.points, strict=True)
    low, high = min(values), max(values)
    room = (high - low) or 1
    last = len(values) - 1
    dots = [
        (f"{1000 * place / last:.1f}", f"{95 - 90 * (value - low) / room:.1f}")
        for place, value in enumerate(values)
    ]
    path = " ".join(f"{x},{y}" for x, y in dots)
    tips = "".join(
        f"<g><title>{escape(f'{name}: {text}')}</title><path class='dot' d='M{x} {y}h0'/></g>"
        for (x, y), name, text in zip(dots, names, texts, strict=True)
        if last < _DOTTED
    )
    lowest, highest = (texts[values.index(value)] for value in (low, high))
    says = escape(f"{chart.title}: {names[0]} {texts[0]}, {names[-1]} {texts[-1]}")
    return (
        f"<figure><figcaption>{escape(chart.title)}</figcaption><div class='lines'>"
        f"<div class='y'><span>{escape(highest)}</span><span>{escape(lowest)}</span></div>"
        f"<svg viewBox='0 0 1000 100' preserveAspectRatio='none' role='img' aria-label='{says}'>"
        f"<polyline class='line' points='{path}'/>{tips}</svg>"
        f"<div class='x'><span>{escape(names[0])}</span><span>{escape(names[-1])}</span></div>"
        "</div></figure>"
    )


_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
"""
_STYLE, _SCRIPT = (
    Path(__file__).with_name(name).read_text("utf-8") for name in ("page.css", "page.js")
)
_VERDICT_COLOURS = {
    "same": "good", "passed": "good", "failed": "bad", "breaking": "bad", "different": "plain",
    "warned": "unsure", "warning": "unsure", "unknown": "unsure", "absent": "unsure",
}  # fmt: skip
"""The colour of an outcome, a verdict or a severity: green, red, blue or amber."""
_WEEKDAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_LONG = 5  # a page with at least this many sections gets a table of contents
_UNKNOWN = -1e308  # unknown values sort below everything


def html(page: Page) -> str:
    """The whole HTML file."""
    return "".join(_file(page))


def _file(page: Page) -> Iterator[str]:
    sections = page.shown("summary", "report", "full")
    yield f"{_HEAD}<title>{escape(page.title)}</title>\n<style>\n{_STYLE}</style></head><body>\n"
    for name, links in page.links:
        yield f"<nav aria-label='{escape(name)}'>{_list(map(_cell_text, links))}</nav>"
    colour = _VERDICT_COLOURS.get(page.verdict, "")
    badge = f"<span class='badge {colour}'>{escape(page.verdict)}</span>"
    yield f"<main><h1>{escape(page.title)} {badge}</h1><p>{escape(page.headline)}</p>"
    yield from map(_paragraph, page.small)
    if page.cards:
        yield f"<dl class='cards'>{''.join(map(_card, page.cards))}</dl>"
    if len(sections) >= _LONG:
        contents = (f"<a href='#s{n}'>{escape(s.title)}</a>" for n, s in enumerate(sections))
        yield f"<nav class='contents' aria-label='Contents'>{_list(contents)}</nav>"
    for number, section in enumerate(sections):
        yield f"<section aria-labelledby='s{number}'>"
        yield f"<h2 id='s{number}'>{escape(section.title)}</h2>"
        yield from (_element(element, section.title) for element in section.shown)
        yield "</section>"
    yield f"</main><script>\n{_SCRIPT}</script></body></html>\n"


def _element(element: PageElement, title: str) -> str:  # noqa: PLR0911  # one for each kind
    """An element under a title, which is its label for screen readers."""
    match element:
        case str():
            return _paragraph(element)
        case Grid():
            return _grid(element, title)
        case BarChart():
            return bars(element)
        case LineChart():
            return line(element)
        case Items(texts, code):
            lines = map(escape, texts)
            return f"<pre><code>{chr(10).join(lines)}</code></pre>" if code else _list(lines)
        case Calendar():
            return _calendar(element)
        case Folded(name, says, elements, is_open):
            summary = f"<b>{escape(name)}</b> <span class='dim'>{escape(says)}</span>"
            inner = "".join(_element(each, name) for each in elements if each)
            return f"<details{' open' * is_open}><summary>{summary}</summary>{inner}</details>"


def _paragraph(text: str) -> str:
    return f"<p class='dim'>{escape(text)}</p>"


def _list(items: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"


def _card(card: Card) -> str:
    change = f"<dd class='change'>{escape(card.change)}</dd>" if card.change else ""
    return f"<div><dt>{escape(card.name)}</dt><dd><b>{escape(card.value)}</b></dd>{change}</div>"


def _grid(grid: Grid, title: str) -> str:
    numeric = [isinstance(cell, Number) for cell in grid.rows[0]]
    head = "".join(
        f"<th scope='col'{' class=n' * is_number}>{escape(name)}</th>"
        for name, is_number in zip(grid.headings, numeric, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in grid.rows)
    return (
        f"<div class='scroll' role='region' tabindex='0' aria-label='{escape(title)}'>"
        f"<table{' class=sortable' * grid.sortable}><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(cell: Cell) -> str:
    match cell:
        case Number(value, text):
            order = _UNKNOWN if value is None else value
            return f"<td class=n data-value='{order}'>{escape(text)}</td>"
        case OutcomeCell(word):
            return f"<td class='outcome {_VERDICT_COLOURS.get(word, '')}'>{escape(word)}</td>"
        case _:
            return f"<td>{_cell_text(cell)}</td>"


def _cell_text(cell: Cell) -> str:
    if not isinstance(cell, Link):
        return escape(str(cell))
    current = " aria-current='page'" if cell.current else ""
    return f"<a href='{escape(cell.target)}'{current}>{escape(cell.text)}</a>"


def _calendar(calendar: Calendar) -> str:
    """A table for each month, with weeks from Monday to Sunday."""
    days = {day.date: day for day in calendar.days}
    months = sorted({date[:7] for date in days}, reverse=True)
    return f"<div class='months'>{''.join(_month(month, days) for month in months)}</div>"


def _month(month: str, days: Mapping[str, CalendarDay]) -> str:
    weeks = monthcalendar(int(month[:4]), int(month[5:]))
    rows = (
        "".join(
            f"<td>{_day(number, days.get(f'{month}-{number:02}')) if number else ''}</td>"
            for number in week
        )
        for week in weeks
    )
    heads = "".join(f"<th scope='col'>{name}</th>" for name in _WEEKDAYS)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f"<table><caption>{month}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _day(number: int, day: CalendarDay | None) -> str:
    if day is None:
        return f"<span class='dim'>{number}</span>"
    says = escape(f"{day.date}: {day.outcome}, {day.says}")
    colour = _VERDICT_COLOURS.get(day.outcome, "")
    return (
        f"<a class='{colour}' href='{escape(day.target)}' title='{says}' "
        f"aria-label='{says}'>{number}</a>"
    )


_UNITS = ("B", "kB", "MB", "GB", "TB")


def number(value: int | None, *, sign: bool = False) -> str:
    """A number with thousands separators; a dash for None."""
    if value is None:
        return "–"
    return f"{value:+,}" if sign and value else f"{value:,}"


def bytes_text(value: int | None, *, sign: bool = False, digits: int = 1) -> str:
    """Bytes in units of a thousand: ``1.3 MB``."""
    if value is None:
        return "–"
    plus = "+" if sign and value else ""
    if abs(value) < 1000:
        return f"{value:{plus}} B"
    power = min(4, (len(str(abs(value))) - 1) // 3)
    return f"{value / 1000**power:{plus},.{digits}f} {_UNITS[power]}"


def sizes(values: Sequence[int]) -> Callable[[int], str]:
    """A formatter for sizes, with enough decimals to distinguish them."""
    spread = max(values, default=0) - min(values, default=0)
    power = min(4, (len(str(max(values, default=0))) - 1) // 3)
    digits = max(1, 1 - floor(log10(spread / 1000**power))) if spread else 1
    return lambda value: bytes_text(value, digits=digits)


def percent(value: float | None) -> str:
    """A relative change in percent; a dash if it is undefined."""
    return "–" if value is None else f"{value:+.2f} %"


def count_cell(value: int | None, *, sign: bool = False) -> Number:
    """A cell with a count."""
    return Number(value, number(value, sign=sign))


def percent_cell(value: float | None) -> Number:
    """A cell with a change in percent."""
    return Number(value, percent(value))


def byte_cell(value: int | None, *, sign: bool = False) -> Number:
    """A cell with a number of bytes."""
    return Number(value, bytes_text(value, sign=sign))


_SPECIAL = re.compile(r"([\\`*\[\]<>|#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
_ROWS = 100  # maximum rows of a table; the JSON and the HTML report have all


def markdown(page: Page) -> str:
    """The page without its charts and the elements that are only for HTML."""
    lines = [f"# {escaped(page.title)}: {escaped(page.verdict)}", "", escaped(page.headline)]
    lines += map(escaped, page.small)
    if page.cards:
        lines += _markdown_grid(
            Grid(("", "", ""), [(card.name, card.value, card.change) for card in page.cards])
        )
    for section in page.shown("summary", "report"):
        found = [line for element in section.shown for line in _markdown_element(element)]
        lines += ["", f"## {escaped(section.title)}", *found] if found else []
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """The text on one line, with Markdown's special characters escaped."""
    return visible(_SPECIAL.sub(r"\\\1", " ".join(text.split())))


def _markdown_element(element: PageElement) -> Iterator[str]:
    match element:
        case str():
            yield from ("", escaped(element))
        case Grid():
            yield from _markdown_grid(element)
        case Items(texts, code):
            yield ""
            yield from (f"    {visible(text)}" if code else f"- {escaped(text)}" for text in texts)
        case Folded(title, says, elements):
            yield from ("", f"### {escaped(title)}", "", escaped(says))
            yield from (line for each in elements if each for line in _markdown_element(each))
        case _:
            return


def _markdown_grid(grid: Grid) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(map(escaped, grid.headings))} |"
    yield f"|{'---|' * len(grid.headings)}"
    for row in grid.rows[:_ROWS]:
        yield f"| {' | '.join(escaped(str(cell)) for cell in row)} |"
    if len(grid.rows) > _ROWS:
        yield from ("", f"and {len(grid.rows) - _ROWS:,} more")


Format = Literal["json", "html", "markdown"]

_SUFFIXES: dict[str, Format] = {
    ".html": "html", ".htm": "html", ".md": "markdown", ".markdown": "markdown",
}  # fmt: skip


def format_of(path: Path) -> Format:
    """The format for a file's extension; JSON by default."""
    return _SUFFIXES.get(path.suffix.lower(), "json")


def rendered(wanted: Format, json: bytes, page: Page) -> bytes:
    """A report in the wanted format, from its JSON and its page."""
    match wanted:
        case "json":
            return json
        case "html":
            return html(page).encode()
        case "markdown":
            return markdown(page).encode()


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReportForms:
    """A report as JSON and as a page; Dagster's UI plots its ``figures`` by day."""

    content: msgspec.Struct
    page: Page
    figures: Mapping[str, str | int | float] = field(default_factory=dict)


def keep(objects: ObjectStore, key: str, data: bytes) -> str:
    """Write a small object, replacing an existing one, and return its URI.

    Raises AlreadyExists if another process replaced it at the same moment.
    """
    present = objects.head(key)
    objects.put(key, data, replacing=present.etag if present else None)
    return objects.uri(key)


def keep_twin(objects: ObjectStore, report: Report, partition: str, page: Page) -> str:
    """Write the HTML beside a day's report, and return its URI."""
    return keep(objects, report_key(report, partition, "html"), html(page).encode())


def read(objects: ObjectStore, report: Report, partition: str) -> bytes:
    """A day's report as JSON; raises NotFound."""
    key = report_key(report, partition)
    try:
        return objects.get(key)[0]
    except NotFound as error:
        raise NotFound(
            f"{objects.uri(key)} does not exist; materialize the group reports of {partition} in "
            "Dagster's UI, or make a version with `mediatool export`"
        ) from error


class _Head(msgspec.Struct):
    """The fields that name the version of any report."""

    verdict: str
    version: str = ""
    version2: str = ""


def reports_of(objects: ObjectStore, version: Version) -> Iterator[tuple[Report, str]]:
    """The reports of a version, with the URIs of their pages."""
    for report in REPORTS:
        try:
            data = read(objects, report, version.partition)
        except NotFound:
            continue
        if version_of(report, data) == str(version):
            yield report, objects.uri(report_key(report, version.partition, "html"))


def version_of(report: Report, data: bytes) -> str:
    """The version that a report describes; raises DamagedInput."""
    head = decoded_report(report, data, lambda text: decoded(text, _Head))
    return head.version or head.version2


def decoded_report(report: Report, data: bytes, decode: Callable[[bytes], T]) -> T:
    """Decode a report's JSON with ``decode``; raises DamagedInput."""
    try:
        return decode(data)
    except msgspec.MsgspecError as error:
        raise DamagedInput(
            f"{report}.json cannot be read ({error}); materialize the group reports of its day "
            "again in Dagster's UI"
        ) from error


def history(points: Sequence[ChartPoint]) -> Section:
    """A section with the charts; empty for the first version."""
    data = [point.data_size_bytes for point in points]
    packed = [point.archive_size_bytes for point in points]
    rows = [point.total_records for point in points]

    def chart(title: str, values: Sequence[int], show: Callable[[int], str]) -> LineChart:
        names = [point.version for point in points]
        return LineChart(
            title, [(n, value, show(value)) for n, value in zip(names, values, strict=True)]
        )

    return Section(
        f"The last {len(points)} versions",
        [
            chart("Rows", rows, number),
            chart("Data (JSON, uncompressed)", data, sizes(data)),
            chart("Raw archive (compressed)", packed, sizes(packed)),
        ],
        detail="full",
    )
