"""Renders a page as Markdown, with values escaped: for Dagster's UI, a terminal or a chat."""

import re
from collections.abc import Iterator

from mediatool_assets.domain.page import Folded, Grid, Items, Page, PageElement
from mediatool_assets.domain.printable import visible

_SPECIAL = re.compile(r"([\\`*\[\]<>|#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
_ROWS = 100  # maximum rows of a table; the JSON and the HTML report have all


def markdown(page: Page) -> str:
    """The page without its charts and the elements that are only for HTML."""
    lines = [f"# {escaped(page.title)}: {escaped(page.verdict)}", "", escaped(page.headline)]
    lines += map(escaped, page.small)
    if page.cards:
        lines += _grid(
            Grid(("", "", ""), [(card.name, card.value, card.change) for card in page.cards])
        )
    for section in page.shown("summary", "report"):
        found = [line for element in section.shown for line in _element(element)]
        lines += ["", f"## {escaped(section.title)}", *found] if found else []
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """The text on one line, with Markdown's special characters escaped."""
    return visible(_SPECIAL.sub(r"\\\1", " ".join(text.split())))


def _element(element: PageElement) -> Iterator[str]:
    match element:
        case str():
            yield from ("", escaped(element))
        case Grid():
            yield from _grid(element)
        case Items(texts, code):
            yield ""
            yield from (f"    {visible(text)}" if code else f"- {escaped(text)}" for text in texts)
        case Folded(title, says, elements):
            yield from ("", f"### {escaped(title)}", "", escaped(says))
            yield from (line for each in elements if each for line in _element(each))
        case _:
            return


def _grid(grid: Grid) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(map(escaped, grid.headings))} |"
    yield f"|{'---|' * len(grid.headings)}"
    for row in grid.rows[:_ROWS]:
        yield f"| {' | '.join(escaped(str(cell)) for cell in row)} |"
    if len(grid.rows) > _ROWS:
        yield from ("", f"and {len(grid.rows) - _ROWS:,} more")
