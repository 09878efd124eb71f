"""The world of a simulation: its clock, its processes, and what happens to them, all from a seed.

Every process is a thread, and only one runs at a time. Each call through a port is a point: there
another process may go on, and the call may meet a fault. What happens at a point depends on the
seed, the process and the number of the call only, so that a history stays the same where a part of
it is taken away.
"""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

from mediatool_assets.core.errors import MediatoolError

Result = TypeVar("Result")

LONG_AGO = datetime.min.replace(tzinfo=UTC)

Point = tuple[int, int]
"""A process and one of its calls, both by number."""


class Killed(BaseException):
    """The process was killed: nothing that it would still do has any effect."""


class Violation(AssertionError):
    """What must hold does not."""


@dataclass(frozen=True)
class History:
    """A seed, and what is taken away of its history: processes, faults and switches."""

    seed: int
    absent: frozenset[int] = frozenset()
    quiet: frozenset[Point] = frozenset()
    straight: frozenset[Point] = frozenset()


_FOCUSED = 0.1
_FOCI = (
    "copy", "take", "count", "hand", "Dagster", "put", "complete", "open", "read postgres",
    "read mediatool_", "read mediatool_", "insert", "mediatool_", "post", "get", "list", "none",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad a seed's days are: chances of a fault and a switch at a point, seconds of a call.

    Calls whose name has ``focus`` meet a fault more often: what needs a rare one is found sooner.
    """

    faults: float
    switches: float
    seconds: float
    focus: str

    def chance(self, what: str) -> float:
        """That this call meets a fault."""
        return max(self.faults, _FOCUSED) if self.focus in what else self.faults

    @classmethod
    def of(cls, random: Random) -> "Weather":
        """Calm, usual or foul."""
        return cls(
            random.choice((0.0, 0.005, 0.02, 0.06)),
            random.choice((0.02, 0.1, 0.3)),
            random.choice((0.005, 0.05, 0.3, 5.0, 60.0)),
            random.choice(_FOCI),
        )


@dataclass(eq=False)
class Process:
    """One process of ours: a command or a run."""

    number: int
    name: str
    work: Callable[["Process"], object]
    calls: int = 0
    wake: datetime = LONG_AGO
    is_dead: bool = False
    is_stalled: bool = False
    has_ended: bool = False
    met_fault: bool = False
    error: BaseException | None = None
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    thread: threading.Thread | None = None

    def __str__(self) -> str:
        return f"{self.name}#{self.number}"


_LONGEST = 40_000  # points of a history: more is a loop without end


class World:
    """One history under way."""

    def __init__(self, history: History, start: datetime) -> None:
        self.history = history
        self.random = Random(history.seed)
        self.weather = Weather.of(self.random)
        self.time, self.skew = start, timedelta()
        self.story: list[str] = []
        self.faults: list[Point] = []
        self.switches: list[Point] = []
        self.started: list[int] = []
        self.invariants: list[Callable[[], None]] = []
        self.stops_faults = False
        self._timeline: list[tuple[datetime, int, str, Callable[[Process], object]]] = []
        self._processes: list[Process] = []
        self._current: Process | None = None
        self._back = threading.Semaphore(0)
        self._points = 0
        self.violation: BaseException | None = None

    # --- time ------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """What the clock of our host shows; it is not always right."""
        return self.time + self.skew

    def sleep(self, seconds: float) -> None:
        """Let the process that runs wait."""
        process = self._current
        if process is None or process.is_dead:
            return
        process.wake = self.time + timedelta(seconds=max(seconds, 0.001))
        self._hand_back(process)

    # --- processes -------------------------------------------------------------------------------

    def at(self, when: datetime, name: str, work: Callable[[Process], object]) -> None:
        """Start a process then."""
        self._timeline.append((when, len(self._timeline), name, work))

    def run(self) -> None:
        """Let everything happen; raises Violation, with ``story`` up to it."""
        self._timeline.sort(key=lambda each: each[:2])
        waiting = [each for each in self._timeline if each[1] not in self.history.absent]
        try:
            while waiting or self._processes:
                self._start_due(waiting)
                ready = [p for p in self._processes if p.wake <= self.time]
                if not ready:
                    times = [p.wake for p in self._processes] + [w[0] for w in waiting[:1]]
                    self.time = max(self.time, min(times))
                    continue
                self._resume(self._choose(ready))
        finally:
            self._end_all()
        self.check()
        if self.violation is not None:
            raise self.violation

    def _start_due(
        self, waiting: list[tuple[datetime, int, str, Callable[[Process], object]]]
    ) -> None:
        while waiting and waiting[0][0] <= self.time:
            _, number, name, work = waiting.pop(0)
            process = Process(number, name, work)
            process.thread = threading.Thread(target=self._body, args=(process,), daemon=True)
            self._processes.append(process)
            self.started.append(number)
            self.tell(f"{process} starts")
            process.thread.start()

    def _choose(self, ready: Sequence[Process]) -> Process:
        if len(ready) == 1:
            return ready[0]
        if self._current in ready and self._current is not None and not self._current.is_stalled:
            others = [p for p in ready if p is not self._current]
        else:
            others = list(ready)
        key = sum(p.number * 31 + p.calls for p in ready)
        return others[Random(self.history.seed * 7919 + key).randrange(len(others))]

    def _resume(self, process: Process) -> None:
        self._current = process
        process.go.release()
        self._back.acquire()
        if process.has_ended:
            self._processes.remove(process)
        if self.violation is not None:
            raise self.violation

    def _hand_back(self, process: Process) -> None:
        self._back.release()
        process.go.acquire()
        if process.is_dead:
            raise Killed

    def _body(self, process: Process) -> None:
        process.go.acquire()
        try:
            if not process.is_dead:
                process.work(process)
                self.tell(f"{process} ends well")
        except Killed:
            pass
        except MediatoolError as error:
            process.error = error
            self.tell(f"{process} ends: {type(error).__name__}: {error}")
        except BaseException as error:  # noqa: BLE001  # it is what the simulation looks for
            self.violation = self.violation or error
        finally:
            process.has_ended, process.is_dead = True, True
            self._back.release()

    def _end_all(self) -> None:
        for process in self._processes:
            process.is_dead = True
            while not process.has_ended:
                process.go.release()
                self._back.acquire()
            if process.thread is not None:
                process.thread.join()

    @property
    def process(self) -> Process | None:
        """The one that runs."""
        return self._current

    @property
    def alone(self) -> bool:
        """Whether no other process is under way."""
        return len(self._processes) == 1

    # --- points ----------------------------------------------------------------------------------

    def call(self, what: str, act: Callable[[], Result], faults: Sequence["Fault"] = ()) -> Result:
        """One call through a port: ``act`` is its effect, whole and at one instant."""
        process = self._current
        if process is None or threading.current_thread() is not process.thread:
            return act()  # from outside: the invariants look
        fault = self._point(process, what, faults)
        if fault is not None and fault.before:
            fault.before(self, process)
        result = act()
        if fault is not None and fault.alter:
            result = fault.alter(result)
        self.check()
        if fault is not None and fault.after:
            fault.after(self, process)
        return result

    def _point(self, process: Process, what: str, faults: Sequence["Fault"]) -> "Fault | None":
        if process.is_dead:
            raise Killed
        process.calls += 1
        self._points += 1
        if self._points > _LONGEST:
            raise Violation(f"{process} does not end")
        here = process.number, process.calls
        dice = Random(self.history.seed << 40 ^ process.number << 24 ^ process.calls)
        chance, turn, kind = dice.random(), dice.random(), dice.random()
        length = -math.log(1 - dice.random()) * self.weather.seconds
        self.time += timedelta(seconds=length)
        is_straight = here in self.history.straight
        if turn < self.weather.switches and not is_straight and len(self._processes) > 1:
            self.switches.append(here)
            self._hand_back(process)
        if self.stops_faults or chance >= self.weather.chance(what) or not faults:
            return None
        if here in self.history.quiet:
            return None
        fault = faults[int(kind * len(faults))]
        self.faults.append(here)
        process.met_fault = True
        self.tell(f"{process}, {what}: {fault.name}")
        return fault

    def check(self) -> None:
        """Look whether everything holds that must."""
        for invariant in self.invariants:
            invariant()

    def tell(self, line: str) -> None:
        """Add a line to the story."""
        self.story.append(f"{self.time:%Y-%m-%d %H:%M:%S} {line}")

    @contextmanager
    def calm(self) -> Iterator[None]:
        """No faults while the context lasts."""
        before, self.stops_faults = self.stops_faults, True
        try:
            yield
        finally:
            self.stops_faults = before


Act = Callable[[World, Process], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """What a call can meet, before its effect and after it."""

    name: str
    before: Act | None = None
    after: Act | None = None
    alter: Callable[[Any], Any] | None = None


def raising(error: Callable[[], Exception]) -> Act:
    """The error reaches the process."""

    def act(world: World, process: Process) -> None:
        raise error()

    return act


def die(world: World, process: Process) -> None:
    """The process is gone."""
    process.is_dead = True
    raise Killed


def stall(world: World, process: Process) -> None:
    """The process stands still for minutes, and then goes on."""
    process.is_stalled = True
    world.sleep(Random(world.history.seed ^ process.calls).choice((40, 400, 4000)))
    process.is_stalled = False


KILLED = Fault("killed before it", before=die)
KILLED_AFTER = Fault("killed after it", after=die)
STALLED = Fault("stopped for a while", before=stall)
STALLED_AFTER = Fault("stopped for a while after it", after=stall)
PROCESS_FAULTS = (KILLED, KILLED_AFTER, STALLED, STALLED_AFTER)
