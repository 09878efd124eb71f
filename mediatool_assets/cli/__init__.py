"""The output of a command: JSON or a table on stdout, notes on stderr.

Tables for a terminal of any width, and for a pipe, where no text is truncated.

Progress of a long command on stderr: a line that is redrawn, or plain lines at intervals.

The only place that formats progress: percentage, amount, rate and time left of the current step.

The global options of a command line: how much to print, and in which form.
"""

import inspect
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from shutil import get_terminal_size
from textwrap import wrap
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.cells import cell_len, set_cell_size

from mediatool_assets.core.texts import visible, visible_lines

if TYPE_CHECKING:
    from mediatool_assets.pages import Cell, Page
    from mediatool_assets.stores.ports import Progress

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
    from mediatool_assets.pages import Number

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


@dataclass(slots=True)
class Session:
    """The options that all commands have; a process runs one command line at a time."""

    debug: bool = False
    quiet: bool = False
    verbose: bool = False
    json: bool = False
    source: str | None = None

    def reset(self, *, json: bool) -> None:
        """Reset the options for a new command line."""
        self.debug = self.quiet = self.verbose = False
        self.json, self.source = json, None

    def ask(self, *, quiet: bool, verbose: bool, debug: bool, source: str | None = None) -> None:
        """Set the options that were given, before or after the command."""
        if source is not None:
            os.environ["MEDIATOOL_SOURCE"] = source  # also for child processes
            self.source = source
        self.quiet |= quiet
        self.verbose |= verbose
        self.debug |= debug

    def advice(self, text: str) -> str:
        """The text, with --source in the commands to run, if this one was given it."""
        if self.source is None:
            return text
        named = f"mediatool --source {self.source} "  # no pattern: it may have a backslash
        return re.sub(r"(?:(?<=`)|^)mediatool (?=[a-z])", lambda _: named, text)


SESSION = Session()

_OPTIONS = {
    "quiet": Annotated[bool, typer.Option("--quiet", "-q", hidden=True)],
    "verbose": Annotated[bool, typer.Option("--verbose", "-v", hidden=True)],
    "debug": Annotated[bool, typer.Option("--debug", hidden=True)],
    "source": Annotated[str | None, typer.Option("--source", metavar="NAME", hidden=True)],
}


def everywhere(app: typer.Typer) -> None:
    """Let every command of ``app`` accept the global options; ``--help`` does not list them.

    A command with an option of the same name keeps its own.
    """
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = _with_options(command.callback)


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    own = inspect.signature(command, eval_str=True)
    options = {name: option for name, option in _OPTIONS.items() if name not in own.parameters}

    @wraps(command)
    def run(**arguments: Any) -> None:
        SESSION.ask(**{name: arguments.pop(name) for name in options})
        command(**arguments)

    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None if name == "source" else False,
            annotation=option,
        )
        for name, option in options.items()
    ]
    run.__signature__ = own.replace(parameters=[*own.parameters.values(), *added])  # type: ignore[attr-defined]  # PEP 362
    run.__annotations__ = {**command.__annotations__, **options}
    return run


AllowUnsigned = Annotated[
    bool,
    typer.Option(
        "--allow-unsigned", help="With MEDIATOOL_TRUSTED_KEYS: also read unsigned archives."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Format = Annotated[
    Literal["json", "html", "markdown"] | None,
    typer.Option("--format", help="Otherwise as the file's name ends: .html, .md, else JSON."),
]
Folder = Annotated[
    Path,
    typer.Option(metavar="DIR", file_okay=False, help="The folder; created if it does not exist."),
]


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """A path beside ``output``; what is written there replaces it at the end, or nothing does."""
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".mediatool-") as beside:
        written = Path(beside, output.name)
        yield written
        written.replace(output)


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print lines; control characters, such as ESC in a user's notes, are escaped.

    Commands print only with this function and those below.
    """
    typer.echo(visible_lines(str(text)), err=err, nl=nl)  # noqa: TID251  # the one place


def print_json(value: object) -> None:
    """Print a value that msgspec can encode, indented."""
    import msgspec

    encoded = msgspec.json.Encoder(decimal_format="number").encode(value)
    echo(msgspec.json.format(encoded, indent=2).decode())


def print_page(page: "Page", leaving_out: Collection[str] = ()) -> None:
    """Print the parts of a report for terminals, without the sections with these titles."""
    from mediatool_assets.pages import Grid, Items

    echo(f"{page.title}: {page.verdict}")
    for line in (page.headline, *page.small):
        echo(line)
    for section in page.shown("summary"):
        if section.title in leaving_out:
            continue
        echo(f"\n{section.title.upper()}")
        for part in section.shown:
            match part:
                case Grid(headings, rows):
                    print_table([name.upper() for name in headings], rows, wrapped=True)
                case Items(texts):
                    for text in texts:
                        echo(f"  {text}")
                case str():
                    echo(part)


def print_facts(facts: dict[str, str | int]) -> None:
    """Print names and values, one per line."""
    width = max(map(len, facts))
    for name, value in facts.items():
        shown = f"{value:,}" if isinstance(value, int) else visible(value)
        echo(f"{visible(name):{width}}  {shown}")


def megabytes(size: int) -> str:
    """A number of bytes for display, in units of 10**6: ``1.3 MB``."""
    return f"{size / 1e6:,.1f} MB"


def note(text: str) -> None:
    """Print a note on stderr, only on a terminal and without --quiet."""
    if sys.stderr.isatty() and not SESSION.quiet:
        echo(text, err=True)


REDRAW_SECONDS = 0.2
LINE_SECONDS = 30.0  # between two lines without a terminal: 120 lines for a run of an hour
_SETTLED_SECONDS = 1.0  # rates over a shorter time are not shown
_MANY_COLUMNS = 1000
_ERASE = "\r\x1b[K"


@dataclass(slots=True)
class Meter:
    """A Progress that formats how far a task is.

    A report with another total, or with less done, begins a new phase with its own rate and time
    left.
    """

    task: str
    clock: Callable[[], float] = time.monotonic
    ended: Callable[[str], None] = lambda _line: None
    _step: str = ""
    _done: int = 0
    _total: int = 0
    _unit: str = "rows"
    _began: float = field(init=False)
    _since: float = field(init=False)
    _last: float = field(init=False)

    def __post_init__(self) -> None:
        """Start the task's clock."""
        self._began = self._since = self._last = self.clock()

    def __call__(self, step: str, done: int, total: int, unit: str = "rows") -> None:
        """Report that ``done`` of ``total`` units of ``step`` are done."""
        now = self.clock()
        if (total, unit) != (self._total, self._unit) or done < self._done or not total:
            if self._step and step != self._step:
                self.ended(self._finished())
            self._since = self._last if total else now
        self._step, self._done, self._total, self._unit = step, done, total, unit
        self._last = now

    def line(self, width: int = _MANY_COLUMNS) -> str:
        """``[0:12] restoring: campaigns  42 %  1,234 of 2,938 rows  103 rows/s  0:16 left``.

        If that is too wide, the task is left out first, then the amount, then the rate.
        """
        now = self.clock()
        began = f"[{_clock(now - self._began)}]"
        percent, amount, rate, left = self._figures(now)
        name = ": ".join(filter(None, (self.task, self._step)))
        short = self._step or self.task
        forms = (
            (name, percent, amount, rate, left),
            (short, percent, amount, rate, left),
            (short, percent, rate, left),
            (short, percent, left),
        )
        lines = (f"{began} {'  '.join(filter(None, form))}" for form in forms)
        shortest = f"{began} {percent}"[: width - 1]
        return next((line for line in lines if len(line) < width), shortest)

    def _figures(self, now: float) -> tuple[str, str, str, str]:
        """Percentage, amount, rate and time left; empty if unknown."""
        if not self._total:
            return "", "", "", ""
        done, total, passed = self._done, self._total, now - self._since
        percent = f"{min(done / total, 1):.0%}".replace("%", " %")
        is_settled = passed >= _SETTLED_SECONDS and done > 0
        to_go = passed * (total - done) / max(done, 1)
        left = f"{_clock(to_go)} left" if is_settled and done < total else ""
        if self._unit == "percent":
            return percent, "", "", left
        each = done / passed if is_settled else 0
        if self._unit == "bytes":
            amount = f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB"
            rate = f"{each / 1e6:,.1f} MB/s"
        else:
            amount, rate = f"{done:,} of {total:,} {self._unit}", f"{each:,.0f} {self._unit}/s"
        return percent, amount, rate if is_settled else "", left

    def _finished(self) -> str:
        """The line for a step that has ended, shown with ``--verbose``."""
        amount = f"{self._done:,} {self._unit} " if self._total and self._unit != "percent" else ""
        return f"{self.task}: {self._step}: {amount}in {_clock(self._last - self._since)}"


def _clock(seconds: float) -> str:
    """``0:07``, ``12:30``, ``1:02:03``."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


class _Display:
    """Draws a meter until it is closed."""

    def __init__(self, task: str) -> None:
        self.is_drawn = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self.meter = Meter(task, ended=self._ended)
        self._lock, self._stopped = Lock(), Event()
        self._thread = Thread(target=self._run, name="progress", daemon=True)

    def start(self) -> None:
        if self.is_drawn:
            self._draw()
        self._thread.start()

    def close(self) -> None:
        self._stopped.set()
        self._thread.join()
        self.erase()

    def erase(self) -> None:
        """Erase the line to make room for other output; the next drawing restores it."""
        if self.is_drawn:
            with self._lock:
                sys.stderr.write(_ERASE)
                sys.stderr.flush()

    def _run(self) -> None:
        seconds = REDRAW_SECONDS if self.is_drawn else LINE_SECONDS
        while not self._stopped.wait(seconds):
            if self.is_drawn:
                self._draw()
            else:
                echo(self.meter.line(), err=True)

    def _draw(self) -> None:
        line = visible(self.meter.line(get_terminal_size().columns))
        with self._lock:
            sys.stderr.write(_ERASE + line)
            sys.stderr.flush()

    def _ended(self, line: str) -> None:
        if SESSION.verbose:
            self.erase()
            echo(line, err=True)


_open: list[_Display] = []


@contextmanager
def working(task: str) -> "Iterator[Progress]":
    """Show on stderr what is running and its progress; nothing with ``--quiet``.

    On a terminal it is one line, erased at the end; elsewhere a line every half minute.
    """
    if SESSION.quiet:
        from mediatool_assets.stores.ports import silent

        yield silent
        return
    display = _Display(task)
    _open.append(display)
    display.start()
    try:
        yield display.meter
    finally:
        _open.remove(display)
        display.close()


def clear_progress_line() -> None:
    """Erase the progress line before something else is printed on stderr."""
    for display in _open:
        display.erase()
