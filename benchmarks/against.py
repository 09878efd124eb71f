"""Two checkouts of this project: the same stages in turn, on one machine, each with its servers.

    .venv/bin/python benchmarks/run.py --against PATH

``PATH`` is a checkout with an environment of its own (``make install`` there). It is *before*, this
one is *after*. Seconds are wall time; processor seconds are those of all our processes, of the
coordinator alone, and of the servers; the memory is that of all our processes together.

``--postgres DIR`` names the folder of the programs of another PostgreSQL, 17 or newer, for the
servers of both: that of the local servers' package has no LZ4.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psutil

HERE = Path(__file__).resolve().parents[1]
_STAGES = ("export", "transform", "load", "dump", "complete")
_PARTITION = "partition"
_MIB = 1 << 20

Measured = dict[str, Any]
"""A line of ``one_checkout.py``."""


@dataclass(frozen=True)
class Side:
    """One checkout, and the process that runs its stages."""

    commit: str
    process: subprocess.Popen[str]
    measures: list[Measured] = field(default_factory=list)

    def turn(self) -> bool:
        """Run the next stage; False where there is none."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer = self.answer()
        if "stage" not in answer:
            return False
        self.measures.append(answer)
        print(
            "{round}  {stage:<18} {seconds:8.2f} s  ".format(**answer), self.commit, file=sys.stderr
        )
        return True

    def answer(self) -> Measured:
        """The next line; ends the benchmark where the process has died."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the benchmark of {self.commit} ended with {self.process.wait()}")
        return dict(json.loads(line))


@contextmanager
def _side(checkout: Path, arguments: argparse.Namespace) -> Iterator[Side]:
    """Start a checkout's process, by its own interpreter; it ends with the context."""
    options = [f"--{name}={getattr(arguments, name)}" for name in ("scale", "rounds", "workers")]
    if arguments.postgres is not None:
        options.append(f"--postgres={arguments.postgres.resolve()}")
    command: list[str | Path] = [checkout / ".venv/bin/python", "-P"]
    command += [HERE / "benchmarks/one_checkout.py", *options]
    environment = os.environ | {"PYTHONPATH": str(checkout / "benchmarks")}
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=checkout,  # `python -m` looks there first
        text=True,
    ) as process:
        try:
            yield Side(_commit(checkout), process)
        except BaseException:
            process.terminate()
            raise


def _commit(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=7"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def against(other: Path, arguments: argparse.Namespace) -> tuple[str, dict[str, object]]:
    """Measure both; returns the Markdown and what is written as JSON. Who is first alternates."""
    with ExitStack() as stack:
        sides = [stack.enter_context(_side(path, arguments)) for path in (other.resolve(), HERE)]
        for side in sides:
            side.answer()  # seeded
        before, after = order = sides
        while all(tuple(side.turn() for side in order)):  # both, also after the last
            odd = (len(before.measures) + before.measures[-1]["round"]) % 2
            order = sides[::-1] if odd else sides
    result: dict[str, object] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "scale": arguments.scale,
        "rounds": arguments.rounds,
        "workers": arguments.workers,
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "postgres": str(arguments.postgres or ""),
        "load_average_at_the_end": round(psutil.getloadavg()[0], 1),
        "before": {"commit": before.commit, "measures": before.measures},
        "after": {"commit": after.commit, "measures": after.measures},
    }
    heading = (
        f"{result['date']}: {before.commit} (before) and {after.commit} (after) in turn; scale "
        f"{arguments.scale:g}, {arguments.workers} workers, medians of {arguments.rounds} rounds; "
        f"{os.cpu_count()} CPUs, load average {result['load_average_at_the_end']} at the end"
        + (f"; PostgreSQL of {arguments.postgres}." if arguments.postgres else ".")
    )
    tables = (_stages(before, after), _steps(before, after))
    return "\n\n".join([heading, *("\n".join(table) for table in tables)]) + "\n", result


_COLUMNS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("Seconds", "seconds", "{:.2f}".format),
    ("Our processor seconds", "our_processor_seconds", "{:.2f}".format),
    ("Coordinator's", "coordinator_processor_seconds", "{:.2f}".format),
    ("Servers'", "server_processor_seconds", "{:.2f}".format),
    ("Peak MiB", "peak_bytes", lambda value: f"{value / _MIB:.0f}"),
)


def _stages(before: Side, after: Side) -> Iterator[str]:
    """A row for each stage, and one for all that a version needs; each cell is before → after."""
    titles = [title for title, _, _ in _COLUMNS]
    yield f"| Stage | {' | '.join(titles)} | Seconds after / before |"
    yield "|---|" + "---:|" * (len(titles) + 1)
    sides = [_by_stage(before.measures), _by_stage(after.measures)]
    for stage in sides[1]:
        one, two = (side[stage] for side in sides)
        cells = [
            " → ".join(text(median(m[name] for m in found)) for found in (one, two))
            for _, name, text in _COLUMNS
        ]
        pairs = zip(one, two, strict=True)
        ratio = median(b["seconds"] / a["seconds"] for a, b in pairs)
        yield f"| {stage} | {' | '.join(cells)} | {ratio:.2f} |"


def _by_stage(measures: Iterable[Measured]) -> dict[str, list[Measured]]:
    found: dict[str, list[Measured]] = defaultdict(list)
    for measured in measures:
        found[measured["stage"]].append(measured)
    rounds = zip(*(found[stage] for stage in _STAGES), strict=True)
    return found | {_PARTITION: [_together(each) for each in rounds]}


def _together(measures: Sequence[Measured]) -> Measured:
    """The stages of a round as one: sums, and the highest peak."""
    names = [name for _, name, _ in _COLUMNS]
    sums = {name: sum(m[name] for m in measures) for name in names}
    return sums | {"peak_bytes": max(m["peak_bytes"] for m in measures)}


def _steps(before: Side, after: Side) -> Iterator[str]:
    """``mediatool export`` by Dagster's steps, and what goes by outside of them; medians."""
    runs = [[m for m in side.measures if m["steps"]] for side in (before, after)]
    names = dict.fromkeys(name for side in runs for run in side for name in run["steps"])
    yield "| Step of `mediatool export` | Seconds before | after |"
    yield "|---|---:|---:|"
    for name in names:
        found = [[run["steps"][name] for run in side if name in run["steps"]] for side in runs]
        cells = [f"{median(seconds):.1f}" if seconds else "" for seconds in found]
        yield f"| `{name}` | {' | '.join(cells)} |"
    rest = [median(run["seconds"] - sum(run["steps"].values()) for run in side) for side in runs]
    yield f"| start, end, and between steps | {rest[0]:.1f} | {rest[1]:.1f} |"
    whole = [median(run["seconds"] for run in side) for side in runs]
    yield f"| all | {whole[0]:.1f} | {whole[1]:.1f} |"
