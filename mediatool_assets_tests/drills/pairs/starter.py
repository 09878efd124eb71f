"""Starts command lines at the same moment: ``python -m ...drills.pairs.starter``.

It imports the command line once. For each request, a line of JSON on stdin, it forks one process
for each command; they begin together when all of them exist. The answer is a line of JSON.
"""

import atexit
import importlib
import json
import os
import pkgutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO, Any

_LATE = ("mediatool_assets.query", "mediatool_assets.restore", "mediatool_assets.cli")
"""What commands import when they run; a forked process has it already, and so they overlap more."""

KILLED = -1
"""The exit code of a command that did not end in its time."""


@dataclass(frozen=True)
class Ended:
    """What one command line came to."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float


@dataclass
class Starter:
    """The process that starts commands, and waits for them."""

    process: "Popen[str]"

    def together(
        self,
        commands: Sequence[Sequence[str]],
        folder: Path,
        environment: Mapping[str, str],
        patience: float,
        delays: Sequence[float] = (0.0, 0.0),
    ) -> list[Ended]:
        """Run the commands at the same moment, each in a folder of its own below ``folder``."""
        places = [folder / str(number) for number in range(len(commands))]
        for place in places:
            place.mkdir(parents=True)
        request = {
            "commands": [list(words) for words in commands],
            "folders": [str(place) for place in places],
            "environment": dict(environment),
            "patience": patience,
            "delays": list(delays[: len(commands)]),
        }
        pipe: IO[str] | None = self.process.stdin
        assert pipe is not None
        assert self.process.stdout is not None
        pipe.write(json.dumps(request) + "\n")
        pipe.flush()
        answers = json.loads(self.process.stdout.readline())
        return [
            Ended(
                tuple(words),
                answer["code"],
                (place / "stdout").read_text(),
                (place / "stderr").read_text(),
                answer["seconds"],
            )
            for words, place, answer in zip(commands, places, answers, strict=True)
        ]


@contextmanager
def starter() -> Iterator[Starter]:
    """A starter, which ends with the context."""
    process = Popen([sys.executable, "-m", __spec__.name], stdin=PIPE, stdout=PIPE, text=True)
    try:
        yield Starter(process)
    finally:
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()
        process.wait()


def _import_commands() -> None:
    for name in _LATE:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.endswith(".assets"):  # they import Dagster, which no command does
                importlib.import_module(module.name)


def _answer(request: dict[str, Any]) -> list[dict[str, Any]]:
    begin, go = os.pipe()
    began: dict[int, int] = {}
    for number, words in enumerate(request["commands"]):
        child = os.fork()
        if child == 0:
            os.close(go)
            _run(
                words,
                Path(request["folders"][number]),
                request["environment"],
                begin,
                request["delays"][number],
            )
        began[child] = number
    os.close(begin)
    since = time.monotonic()
    os.close(go)  # the end of file is the signal
    answers: dict[int, dict[str, Any]] = {}
    while began:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child in began:
            code = os.waitstatus_to_exitcode(status)
            answers[began.pop(child)] = {"code": code, "seconds": time.monotonic() - since}
        elif time.monotonic() - since > request["patience"]:
            for left in began:
                os.kill(left, 9)
            request["patience"] = float("inf")
        else:
            time.sleep(0.01)
    return [answers[number] for number in sorted(answers)]


def _run(
    words: list[str], folder: Path, environment: dict[str, str], begin: int, delay: float
) -> None:
    """In the child: wait for the others, and run the command line to its end."""
    os.chdir(folder)
    for stream, name in ((sys.stdout, "stdout"), (sys.stderr, "stderr")):
        with Path(name).open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.environ.clear()
    os.environ.update(environment)
    code = 1
    try:
        os.read(begin, 1)
        time.sleep(delay)
        main = sys.modules["mediatool_assets.main"].main
        code = main(words)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        atexit._run_exitfuncs()  # what an interpreter does at its end
        os._exit(code)


def _serve() -> None:
    _import_commands()
    for line in sys.stdin:
        answer = json.dumps(_answer(json.loads(line)))
        os.write(1, answer.encode() + b"\n")


if __name__ == "__main__":
    _serve()
