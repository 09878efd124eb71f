"""Tables of a page: numbers to the right, verdicts in their colours, sortable by any column."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mediatool_assets.flows.page.document import MOODS
from mediatool_assets.flows.page.escaping import escape
from mediatool_assets.flows.page.figures import number, percent, size

_NONE = -1e308  # what is not known sorts below everything


@dataclass(frozen=True, slots=True)
class Number:
    """A cell that sorts by its value and reads as its text."""

    value: float | None
    text: str


def whole(value: int | None, *, sign: bool = False) -> Number:
    """A count."""
    return Number(value, number(value, sign=sign))


def share(value: float | None) -> Number:
    """A change in percent."""
    return Number(value, percent(value))


def octets(value: int | None, *, sign: bool = False) -> Number:
    """A number of bytes."""
    return Number(value, size(value, sign=sign))


@dataclass(frozen=True, slots=True)
class OutcomeCell:
    """A cell that is a word of a verdict."""

    word: str


Cell = str | Number | OutcomeCell


def table(headings: Sequence[str], rows: Iterable[Sequence[Cell]], *, sortable: bool = True) -> str:
    """The table as HTML; nothing where there is no row."""
    rows = list(rows)
    if not rows:
        return ""
    numeric = [isinstance(cell, Number) for cell in rows[0]]
    head = "".join(
        f"<th{' class=n' * is_number}>{escape(name)}</th>"
        for name, is_number in zip(headings, numeric, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return (
        f"<div class='scroll'><table{' class=sortable' * sortable}><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(cell: Cell) -> str:
    match cell:
        case Number(value, text):
            order = _NONE if value is None else value
            return f"<td class=n data-value='{order}'>{escape(text)}</td>"
        case OutcomeCell(word):
            return f"<td class='{MOODS.get(word, '')}'>{escape(word)}</td>"
        case _:
            return f"<td>{escape(cell)}</td>"
