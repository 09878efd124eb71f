"""Mutation testing of what decides completeness, verdicts, retention and masking.

``make mutation SECONDS=1800`` plants one mistake at a time in a module and runs those of its tests
that need no server, each time in a process that is forked from this one, which has imported third
parties already. Prints every mutant that no test notices and the share of them; ends with 1 above
5 %. ``mutation-survivors`` explains those that nobody could notice; they are not counted.
"""

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import hypothesis  # noqa: F401  # before the fork
import msgspec  # noqa: F401
import numpy  # noqa: F401  # ICN001
import phonenumbers  # noqa: F401
import pytest

HERE = Path(__file__).parent
TESTS = "mediatool_assets_tests/"
MODULES: dict[str, tuple[str, ...]] = {
    "domain/version.py": ("domain/test_version.py",),
    "domain/fingerprint.py": ("domain/test_fingerprint.py",),
    "domain/outcome.py": ("domain/test_outcome.py", "domain/test_verdict.py"),
    "domain/verdict.py": ("domain/test_verdict.py", "domain/test_outcome.py"),
    "domain/marks.py": ("domain/test_marks.py", "domain/test_retention.py"),
    "domain/registry.py": ("domain/test_marks.py",),
    "domain/retention.py": ("domain/test_retention.py",),
    "domain/comparison.py": ("domain/test_comparison.py",),
    "domain/manifest.py": ("domain/test_manifest.py",),
    "domain/metadata.py": ("domain/test_metadata.py",),
    "domain/integrity.py": ("domain/test_integrity.py",),
    "flows/complete/accounting.py": ("flows/test_accounting.py",),
    "flows/versions/source_counts.py": ("flows/test_accounting.py",),
    "archive/layout.py": ("archive/test_archive.py",),
    "archive/reader.py": ("archive/test_archive.py",),
    "archive/writer.py": ("archive/test_archive.py",),
    "archive/spool.py": ("archive/test_spool.py", "archive/test_archive.py"),
    "archive/grouping.py": ("archive/test_grouping.py",),
    "archive/gzip_members.py": ("archive/test_gzip_members.py",),
    "domain/masking/key.py": ("domain/masking",),
    "domain/masking/permutation.py": ("domain/masking",),
    "domain/masking/pseudonyms.py": ("domain/masking",),
    "domain/masking/checks.py": ("domain/masking",),
    "domain/masking/masker.py": ("domain/masking",),
    "domain/masking/columns.py": ("domain/masking",),
    "domain/masking/redaction.py": ("domain/masking",),
}
"""The modules, and the tests that have to notice."""

_LIMIT = 90  # processor seconds of one mutant: more is a loop without end
_PATIENCE = 1800  # seconds until one that waits for ever is ended
_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake."""

    path: str
    line: int
    operator: str
    source: str

    @property
    def text(self) -> str:
        """The line that has it."""
        return self.source.splitlines()[self.line - 1].strip()

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.operator}: {self.text}"

    @property
    def tests(self) -> tuple[str, ...]:
        """The tests that have to notice it."""
        return MODULES[self.path.removeprefix("mediatool_assets/")]


class Planting(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from another text."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        name = mutant.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        self._name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Of this module alone."""
        del path, target
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._mutant.path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutated text."""
        code = compile(self._mutant.source, self._mutant.path, "exec")
        exec(code, module.__dict__)  # noqa: S102  # it is our own, with one mistake


def run_tests(tests: Sequence[str], mutant: Mutant | None) -> int:
    """In a process of its own, which it ends: pytest's exit code."""
    resource.setrlimit(resource.RLIMIT_CPU, (_LIMIT, _LIMIT))  # a busy machine ends no mutant
    signal.alarm(_PATIENCE)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    if mutant is not None:
        sys.meta_path.insert(0, Planting(mutant))
    options = ["-q", "-x", "--noconftest", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis was there before
    os._exit(int(pytest.main([*options, *(TESTS + test for test in tests)])))


def fork(tests: Sequence[str], mutant: Mutant | None) -> int:
    """The process that runs the tests."""
    return os.fork() or run_tests(tests, mutant)


def all_mutants(python: Path, modules: Sequence[str]) -> list[Mutant]:
    """Those of the modules, in an order of their own."""
    paths = [f"mediatool_assets/{module}" for module in modules]
    command = [str(python), str(HERE / "mutants.py"), *paths]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    found = [Mutant(**json.loads(line)) for line in lines]
    Random(0).shuffle(found)  # noqa: S311  # the same each time
    return found


def explained() -> set[str]:
    """``path: operator: text`` of survivors that nobody can notice."""
    lines = (HERE / "mutation-survivors").read_text("utf-8").splitlines()
    return {line for line in lines if line and not line.startswith(("#", " "))}


def survivors(mutants: Sequence[Mutant], seconds: float, workers: int) -> tuple[int, list[Mutant]]:
    """How many were tried within the time, and those that no test noticed."""
    end, waiting, tried = time.monotonic() + seconds, list(mutants), 0
    running: dict[int, Mutant] = {}
    found: list[Mutant] = []
    while running or (waiting and time.monotonic() < end):
        while waiting and len(running) < workers and time.monotonic() < end:
            mutant = waiting.pop()
            running[fork(mutant.tests, mutant)] = mutant
        pid, status = os.wait()
        mutant, tried = running.pop(pid), tried + 1
        if status == 0:
            found.append(mutant)
            print(mutant, flush=True)
    return tried, found


def main() -> int:
    """Try the mutants of all modules, or of those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--cosmic-ray", type=Path, default=Path(".venv/mutation/bin/python"))
    parser.add_argument("modules", nargs="*", default=list(MODULES))
    given: Any = parser.parse_args()
    for tests in sorted({MODULES[module] for module in given.modules}):
        if status := os.waitpid(fork(tests, None), 0)[1]:
            print(f"{' '.join(tests)} fail without a mistake ({status})")
            return 2
    mutants = all_mutants(given.cosmic_ray, given.modules)
    known = explained()
    counted = [m for m in mutants if f"{m.path}: {m.operator}: {m.text}" not in known]
    tried, left = survivors(counted, given.seconds, given.workers)
    print(
        f"{tried} of {len(counted)} mutants tried, {len(left)} survive "
        f"({len(left) / max(tried, 1):.1%}); {len(mutants) - len(counted)} are explained"
    )
    for path, number in sorted(Counter(m.path for m in left).items()):
        print(f"  {path}: {number}")
    return int(len(left) > _SHARE * tried)


if __name__ == "__main__":
    raise SystemExit(main())
