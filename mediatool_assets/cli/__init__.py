"""Progress of a long command on stderr: a line that is redrawn, or plain lines at intervals.

The only place that formats progress: percentage, amount, rate and time left of the current step.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from shutil import get_terminal_size
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from mediatool_assets.cli.output import echo
from mediatool_assets.cli.session import SESSION
from mediatool_assets.domain.printable import visible

if TYPE_CHECKING:
    from mediatool_assets.flows.ports import Progress

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
        from mediatool_assets.flows.ports import silent

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
