"""Renders a page as one HTML file with embedded style and script; light and dark, no network.

``page.css`` and ``page.js`` are embedded in every file.
"""

from calendar import monthcalendar
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mediatool_assets.domain.page import (
    BarChart,
    Calendar,
    CalendarDay,
    Card,
    Cell,
    Folded,
    Grid,
    Items,
    LineChart,
    Link,
    Number,
    OutcomeCell,
    Page,
    PageElement,
)
from mediatool_assets.flows.reports import charts
from mediatool_assets.flows.reports.escaping import escape

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
"""
_STYLE, _SCRIPT = (
    Path(__file__).with_name(name).read_text("utf-8") for name in ("page.css", "page.js")
)
_COLOURS = {
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
    badge = f"<span class='badge {_COLOURS.get(page.verdict, '')}'>{escape(page.verdict)}</span>"
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
            return charts.bars(element)
        case LineChart():
            return charts.line(element)
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
            return f"<td class='outcome {_COLOURS.get(word, '')}'>{escape(word)}</td>"
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
    return (
        f"<a class='{_COLOURS.get(day.outcome, '')}' href='{escape(day.target)}' title='{says}' "
        f"aria-label='{says}'>{number}</a>"
    )
