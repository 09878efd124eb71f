"""One checkout of this project, stage by stage; ``against.py`` starts one process for each of two.

    PYTHONPATH=CHECKOUT/benchmarks CHECKOUT/.venv/bin/python -P benchmarks/one_checkout.py

The checkout's own ``Bench`` runs the checkout's own code, on servers of its own. Before each stage
its watch waits for a line on stdin; after it, it prints what the stage took, as one line of JSON.
"""

import argparse
import ctypes
import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time
from typing import TextIO

import psutil
from run import Bench

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version
from mediatool_assets.demo.seeding import seed
from mediatool_assets.stores import local_servers
from mediatool_assets.stores.local_stack import down, up

peak_memory = runpy.run_path(str(Path(__file__).with_name("memory.py")))["peak_memory"]
"""Of this checkout, not of the one that is measured: sampling takes time too."""

_PR_SET_CHILD_SUBREAPER = 36
"""Of Linux: descendants whose parent has ended become this process's, and so do their seconds."""


class TurnWatch:
    """In the place of the benchmark's ``Stopwatch``: measures a stage when its turn comes."""

    def __init__(self, servers: Iterable[int], answers: TextIO) -> None:
        self._servers, self._answers = list(servers), answers
        self._left_out = list(self._servers)

    def ignore(self, process: int) -> None:
        """Leave the memory of one more process out."""
        self._left_out.append(process)

    def total(self, *_: object) -> None:
        """Sums are made of what was printed."""

    def run(self, stage: str, tool: str, number: int, work: Callable[[], int]) -> None:  # noqa: ARG002  # as Stopwatch
        """Wait for the turn, measure ``work``, print; end where nobody is left to say so."""
        if not sys.stdin.readline():
            sys.exit("the process that compares the checkouts has ended")
        ours, servers = _processor_seconds([os.getpid()], self._servers), self._server_seconds()
        coordinator, start = process_time(), perf_counter()
        there = psutil.Process().children()
        with peak_memory(self._left_out) as peak:
            work()
            seconds = perf_counter() - start
        orphans = [child for child in psutil.Process().children() if child not in there]
        psutil.wait_procs(orphans if stage == "mediatool export" else [], timeout=60)
        self.answer(
            {
                "stage": stage,
                "round": number,
                "seconds": seconds,
                "our_processor_seconds": _processor_seconds([os.getpid()], self._servers) - ours,
                "coordinator_processor_seconds": process_time() - coordinator,
                "server_processor_seconds": self._server_seconds() - servers,
                "peak_bytes": peak.bytes,
                "steps": _dagster_steps() if stage == "mediatool export" else {},
            }
        )

    def answer(self, said: dict[str, object]) -> None:
        """Print one line."""
        print(json.dumps(said), file=self._answers, flush=True)

    def _server_seconds(self) -> float:
        return _processor_seconds(self._servers, [])


def _processor_seconds(roots: Iterable[int], but: Iterable[int]) -> float:
    """Of processes and all their descendants, those that ended and were waited for among them."""
    others = frozenset(but)
    return sum(sum(process.cpu_times()[:4]) for process in _family(roots, others))


def _family(roots: Iterable[int], others: frozenset[int]) -> Iterator[psutil.Process]:
    waiting = [psutil.Process(pid) for pid in roots]
    while waiting:
        process = waiting.pop()
        try:
            waiting.extend(child for child in process.children() if child.pid not in others)
            process.cpu_times()
        except psutil.NoSuchProcess:
            continue  # its parent has its seconds now
        yield process


def _dagster_steps() -> dict[str, float]:
    """Seconds of each step of the newest run, in their order."""
    import dagster as dg  # noqa: PLC0415  # memory that no stage before needs

    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs(limit=1)
        found = instance.get_run_step_stats(run.run_id)
    spans = [(s.start_time, s.end_time, s.step_key) for s in found if s.start_time and s.end_time]
    return {name: round(end - start, 2) for start, end, name in sorted(spans)}


def main() -> None:
    """Start and seed the servers, take each stage's turn, and remove everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--postgres", type=Path)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and the servers are stopped
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else prints
    home = Path(tempfile.mkdtemp(prefix="mediatool-bench-"))
    if arguments.postgres is not None:
        local_servers.postgres_binaries = lambda: arguments.postgres
    try:
        stack = up(home)
        own = {"MEDIATOOL_HOME": str(home), "MEDIATOOL_WORKERS": str(arguments.workers)}
        os.environ |= stack.environment | own
        settings = Settings.parse(os.environ)
        assert settings.postgres_url is not None, "the servers are up"
        seed(settings.postgres_url, scale=arguments.scale, full=False, day=0)
        watch = TurnWatch([server.pid for server in stack.servers if server.pid], answers)
        began = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=arguments.rounds)
        with tempfile.TemporaryDirectory(prefix="mediatool-bench-") as scratch:
            bench = Bench(settings, watch, Path(scratch), None)  # type: ignore[arg-type]  # as Stopwatch
            watch.answer({"ready": True})
            for number in range(arguments.rounds):
                bench.round(number, Version(began + timedelta(seconds=number)))
            for _ in range(arguments.rounds):
                bench.through_dagster()
        sys.stdin.readline()
        watch.answer({"rows": bench.rows})
    except subprocess.CalledProcessError as error:
        sys.stderr.buffer.write(error.stderr)
        raise
    finally:
        down(home)
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
