"""A report for people as a value, which HTML, Markdown and the terminal render.

Parts and sections are false where they have nothing to show, and are then left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Detail = Literal["summary", "report", "full"]
"""Where a section is shown: everywhere, everywhere but on a terminal, or in HTML only."""


@dataclass(frozen=True, slots=True)
class Number:
    """A cell that sorts by its value and reads as its text."""

    value: float | None
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class OutcomeCell:
    """A cell that is an outcome, a verdict or a severity, and has its colour."""

    word: str

    def __str__(self) -> str:
        return self.word


@dataclass(frozen=True, slots=True)
class Link:
    """A text that leads to another page; ``target`` is relative. ``current`` is this page."""

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
    """Horizontal bars, each of counts by kind; names without any count have no bar."""

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
    """A list of texts; those that are commands are ``code``."""

    texts: Sequence[str]
    code: bool = False

    def __bool__(self) -> bool:
        return bool(self.texts)


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """A day of a calendar: its page, the outcome that gives it a colour, and what it holds."""

    date: str
    target: str
    outcome: str
    says: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days by month, the newest month first; a table has the same where there is no calendar."""

    days: Sequence[CalendarDay]

    def __bool__(self) -> bool:
        return bool(self.days)


@dataclass(frozen=True, slots=True)
class Folded:
    """Parts under a title that a click opens, unless it ``is_open``."""

    title: str
    says: str
    parts: "Sequence[Part]"
    is_open: bool = False


Part = str | Grid | BarChart | LineChart | Items | Calendar | Folded


@dataclass(frozen=True, slots=True)
class Card:
    """A large figure, and its change."""

    name: str
    value: str
    change: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Parts under a title. ``lead`` explains them; ``otherwise`` is shown where there are none."""

    title: str
    parts: Sequence[Part]
    lead: str = ""
    otherwise: str = ""
    detail: Detail = "report"

    def __bool__(self) -> bool:
        return bool(self.otherwise or any(self.parts))

    @property
    def shown(self) -> tuple[Part, ...]:
        """The parts that have something to show, with the texts around them."""
        parts = tuple(part for part in self.parts if part) or (self.otherwise,)
        return (self.lead, *parts) if self.lead else parts


@dataclass(frozen=True, slots=True)
class Page:
    """A whole report. ``links`` lead to other pages, in rows: of the site, then of the day."""

    title: str
    verdict: str
    headline: str
    small: Sequence[str] = ()
    cards: Sequence[Card] = ()
    sections: Sequence[Section] = ()
    links: Sequence[tuple[str, Sequence[Link]]] = ()

    def shown(self, *details: Detail) -> tuple[Section, ...]:
        """The sections of these details that have something to show."""
        return tuple(each for each in self.sections if each and each.detail in details)
