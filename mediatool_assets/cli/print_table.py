"""Tables for a terminal of any width, and for a pipe, where no text is truncated."""

import os
import sys
from collections.abc import Iterable, Sequence
from shutil import get_terminal_size
from textwrap import wrap
from typing import TYPE_CHECKING

import typer
from rich.cells import cell_len, set_cell_size

from mediatool_assets.domain.printable import visible

if TYPE_CHECKING:
    from mediatool_assets.domain.page import Cell

_ANY_WIDTH = 1_000_000  # columns if there is no terminal
_ELASTIC = 12
"""Minimum characters of a truncated text; with fewer its column is dropped."""


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence["int | Cell"]],
    *,
    wrapped: bool = False,
    droppable: Sequence[str] = (),
) -> None:
    """Print rows in columns; numbers are right-aligned, whole ones with thousands separators.

    What is too wide for the terminal is truncated, or ``wrapped`` over several lines. ``droppable``
    columns are dropped first, in this order, and only the last remaining one is truncated. The
    first column is never truncated.
    """
    from mediatool_assets.domain.page import Number

    rows = list(rows)
    texts = [[f"{v:,}" if isinstance(v, int) else visible(str(v)) for v in row] for row in rows]
    heads = [visible(heading) for heading in headings]
    limit = get_terminal_size().columns if sys.stdout.isatty() else _ANY_WIDTH
    widths = [max(map(cell_len, column)) for column in zip(heads, *texts, strict=True)]
    kept = _fitting(headings, widths, droppable, limit)
    right = {n for n in kept if any(isinstance(row[n], int | Number) for row in rows)}
    texts_only = [n for n in kept[1:] if n not in right]
    _narrow(widths, texts_only[-1:] if droppable else texts_only, kept, limit)
    _print_row(heads, widths, kept, right, wrapped=wrapped, bold=True)
    for text in texts:
        _print_row(text, widths, kept, right, wrapped=wrapped)


def _fitting(
    headings: Sequence[str], widths: Sequence[int], droppable: Sequence[str], limit: int
) -> list[int]:
    """The columns to show: droppable ones are dropped one by one until the others fit."""
    needed = list(widths)
    if droppable:
        needed[-1] = min(needed[-1], _ELASTIC)  # the last one is truncated if it is too long
    kept = list(range(len(headings)))
    for name in droppable:
        if _total(needed, kept) <= limit:
            break
        kept.remove(headings.index(name))
    return kept


def _narrow(widths: list[int], elastic: Sequence[int], kept: Sequence[int], limit: int) -> None:
    """Narrow the widest of the elastic columns until all fit, or none can be narrowed."""
    while _total(widths, kept) > limit:
        widest = max(elastic, key=lambda n: widths[n], default=None)
        if widest is None or widths[widest] <= _ELASTIC:
            return
        widths[widest] -= 1


def _total(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[n] + _GAP for n in kept) - _GAP


_GAP = 2  # blanks between two columns


def _print_row(
    texts: Sequence[str],
    widths: Sequence[int],
    kept: Sequence[int],
    right: set[int],
    *,
    wrapped: bool,
    bold: bool = False,
) -> None:
    """Print a row; on several lines if a text is wrapped."""
    cells = {
        n: (wrap(texts[n], widths[n]) or [""]) if wrapped else [_cut(texts[n], widths[n])]
        for n in kept
    }
    for line in range(max(map(len, cells.values()))):
        parts = []
        for n in kept:
            text = cells[n][line] if line < len(cells[n]) else ""
            blanks = " " * (widths[n] - cell_len(text))
            parts.append(blanks + text if n in right else text + blanks)
        shown = (" " * _GAP).join(parts).rstrip()
        is_bold = bold and os.environ.get("TERM") != "dumb"
        typer.secho(shown, bold=is_bold)  # bold only on a terminal


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"
