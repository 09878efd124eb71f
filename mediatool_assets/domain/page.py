"""A report as a value, which is rendered as HTML, Markdown or on the terminal.

Parts and sections are false if they have nothing to show; they are then left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

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
