"""Mutation testing of the code that decides completeness, verdicts, retention and masking.

``make mutation SECONDS=1800`` plants one mistake at a time and runs the tests that call the
function with the mistake and need no server, the quickest first, until one fails. Prints every
mutant that no test notices and the share of them; ends with 1 above 5 %.

1. A process imports everything and collects the tests once. A fork of it runs all of them and
   records which functions of the modules each test calls, and its processor time.
2. For each mutant, a fork replaces the code of the function, or the constants of the module, and
   runs its tests.
3. A mutant of code that runs at import, and that no test noticed, is imported in a fork of a
   process that has imported only third-party packages, with all tests of its module.

``mutants.py`` lists the mistakes; ``mutation-survivors`` explains those that cannot change a
result, which are not counted.

Results are kept in ``.venv/mutation/results.jsonl``, so a run of the whole list can be made in
parts, and after a change only what it touches is tried. A mutant stays noticed while its module
and the function of the test that noticed it are the same, and a survivor while its module and all
its test modules are. Remove the file after other changes that matter, such as of a fixture.
"""

import argparse
import ast
import gc
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import pickle
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Context, Decimal
from functools import cache, partial
from pathlib import Path
from random import Random
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import boto3  # noqa: F401  # before the fork
import duckdb  # noqa: F401
import msgspec  # noqa: F401
import numpy  # noqa: F401  # ICN001
import phonenumbers  # noqa: F401
import psycopg  # noqa: F401
import pymongo  # noqa: F401
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings

HERE = Path(__file__).parent
PACKAGE = "mediatool_assets/"
TESTS = "mediatool_assets_tests/"
ARCHIVE = (
    "archive/test_archive.py",
    "archive/test_format_1.py",
    "archive/test_layout.py",
    "native/test_hashes.py",
)
MASKING = (
    "sanitize/test_columns.py",
    "sanitize/test_encodings.py",
    "sanitize/test_literals.py",
    "sanitize/test_pseudonyms.py",
    "sanitize/test_redaction.py",
    "sanitize/test_rule_checks.py",
    "sanitize/test_rules.py",
    "sanitize/test_search_terms.py",
    "sanitize/test_telephones.py",
    "sanitize/test_texts.py",
)
MODULES: dict[str, tuple[str, ...]] = {
    "core/version.py": (
        "core/test_version.py",
        "core/test_keys.py",
    ),
    "core/manifest.py": (
        "core/test_fingerprint.py",
        "core/test_manifest.py",
    ),
    "core/outcomes.py": (
        "core/test_outcome.py",
        "core/test_verdict.py",
    ),
    "core/authenticity.py": (
        "core/test_verdict.py",
        "core/test_outcome.py",
        "versions/test_chain.py",
        "core/test_signing.py",
    ),
    "core/metadata.py": (
        "core/test_marks.py",
        "core/test_metadata.py",
    ),
    "prune/rules.py": ("prune/test_rules.py",),
    "core/comparison.py": ("core/test_comparison.py",),
    "integrity/plan.py": ("integrity/test_report_values.py",),
    "core/signing.py": (
        "core/test_signing.py",
        "core/test_key.py",
    ),
    "verify/publish.py": ("verify/test_reconciliation.py",),
    "versions/catalog.py": (
        "verify/test_reconciliation.py",
        "versions/test_catalog.py",
    ),
    "versions/flow.py": ("versions/test_chain.py",),
    "verify/flow.py": ("verify/test_verify_rules.py",),
    "archive/__init__.py": (
        "archive/test_gzip_members.py",
        *ARCHIVE,
    ),
    "archive/reader.py": (
        "archive/test_grouping.py",
        "versions/test_archives.py",
        *ARCHIVE,
    ),
    "archive/writer.py": (
        "archive/test_spool.py",
        *ARCHIVE,
    ),
    "sanitize/pseudonyms.py": (*MASKING,),
    "sanitize/rules.py": (
        *MASKING,
        "sanitize/test_rules_file.py",
    ),
    "sanitize/redaction.py": (*MASKING,),
    "sanitize/detection.py": (*MASKING,),
}
"""The modules, and the tests that have to notice."""

SERVERS = {"stack", "debian_server"}
"""Fixtures of tests that start servers: those do not run here."""

CONSTANTS = (
    int,
    float,
    str,
    bytes,
    tuple,
    frozenset,
    dict,
    timedelta,
    Decimal,
    re.Pattern,
    Context,
)
"""Types of what a module computes once, as it is imported."""

_BY = "noticed-by"
_PATIENCE = 1800  # seconds until a fork that waits for ever is ended
_SHARE = 0.05
_OPTIONS = ["-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "addopts="]
_OPTIONS += ["--assert=plain", "-c", "pyproject.toml"]


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
    def name(self) -> str:
        """What ``mutation-survivors`` calls it."""
        return f"{self.path}: {self.operator}: {self.text}"

    @property
    def tests(self) -> tuple[str, ...]:
        """The tests that have to notice it."""
        return MODULES[self.path.removeprefix(PACKAGE)]

    @property
    def digest(self) -> str:
        """Of the module that has it."""
        return hashlib.sha256(f"{self.path}\n{self.source}".encode()).hexdigest()

    @property
    def file(self) -> str:
        """Where the module is."""
        return str(Path(self.path).resolve())

    @property
    def code(self) -> CodeType:
        """The module's."""
        return compiled(self.path, self.source)


def compiled(path: str, source: str) -> CodeType:
    """The code of a module, as the interpreter would have it."""
    return compile(source, str(Path(path).resolve()), "exec")


@cache
def original(path: str) -> CodeType:
    """The code of a module without a mistake."""
    return compiled(path, Path(path).read_text("utf-8"))


@cache
def tests_digest(tests: Sequence[str]) -> str:
    """Of the texts of test modules, and of those in test folders."""
    paths = (Path(TESTS, test) for test in tests)
    files = (file for path in paths for file in (sorted(path.rglob("*.py")) or [path]))
    return hashlib.sha256(b"\n".join(file.read_bytes() for file in files)).hexdigest()


@cache
def test_digest(nodeid: str) -> str:
    """Of the function of a test, with its decorators; empty if it is not there."""
    path, _, name = nodeid.partition("[")[0].rpartition("::")
    if not (file := Path(path)).is_file():
        return ""
    lines = file.read_text("utf-8").splitlines()
    for node in ast.parse("\n".join(lines)).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            start = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            text = "\n".join(lines[start - 1 : node.end_lineno])
            return hashlib.sha256(text.encode()).hexdigest()
    return ""


class Results:
    """What was found, in a file of JSON lines. The last line about a mutant counts.

    ``state`` is ``noticed`` (``by`` names the test, unless the fork was ended by a limit),
    ``survives``, or ``doubted``: only step 3 can tell.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        self._found = {each["mutant"]: each for each in map(json.loads, lines)}

    def state(self, mutant: Mutant) -> str | None:
        """With the tests of today; None if it is still to be tried."""
        found = self._found.get(mutant.digest)
        if found is None or found["tests"] != self._tests(mutant, found["by"]):
            return None
        return str(found["state"])

    @staticmethod
    def _tests(mutant: Mutant, by: str) -> str:
        return test_digest(by) if by else tests_digest(mutant.tests)

    def by(self, mutant: Mutant) -> str:
        """The test that noticed it the last time, or an empty text."""
        return str(self._found.get(mutant.digest, {}).get("by", ""))

    def add(self, mutant: Mutant, state: str, by: str = "") -> None:
        """Keep what was found now."""
        tests = self._tests(mutant, by)
        found = {"mutant": mutant.digest, "tests": tests, "state": state, "by": by}
        self._found[mutant.digest] = found
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")


Function = tuple[str, int]
"""A file and the first line of a function in it that is in no other function."""


def functions(code: CodeType) -> Iterator[tuple[Function, CodeType]]:
    """The functions of a module or class, each with the code of all that it holds."""
    for const in code.co_consts:
        if isinstance(const, CodeType):
            if const.co_flags & 0x2:  # CO_NEWLOCALS, which a class lacks
                yield (const.co_filename, const.co_firstlineno), const
            else:
                yield from functions(const)


def without_functions(code: CodeType) -> tuple[object, ...]:
    """What of a module or class runs when it is imported."""
    consts = (
        None
        if isinstance(c, CodeType) and c.co_flags & 0x2
        else without_functions(c)
        if isinstance(c, CodeType)
        else (type(c), c)
        for c in code.co_consts
    )
    return (code.co_code, code.co_names, *consts)


def mutated_function(mutant: Mutant) -> tuple[Function, CodeType] | None:
    """Which function has the mistake, and its code; None if the mistake is in none."""
    before, after = original(mutant.path), mutant.code
    if without_functions(before) != without_functions(after):
        return None
    pairs = zip(functions(before), functions(after), strict=True)
    return next(((place, new) for (place, old), (_, new) in pairs if old != new), None)


class Planting(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from another text."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._name = mutant.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Of this module alone."""
        del path, target
        if fullname != self._name:
            return None
        package = [str(Path(self._mutant.path).parent)]
        return importlib.util.spec_from_file_location(
            fullname,
            self._mutant.path,
            loader=self,
            submodule_search_locations=package if "__init__" in self._mutant.path else None,
        )

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutated text."""
        exec(self._mutant.code, module.__dict__)  # noqa: S102  # it is our own, with one mistake


@dataclass(frozen=True, slots=True)
class Known:
    """What the tests do without a mistake: their seconds, the functions that each one calls."""

    seconds: dict[str, float] = field(default_factory=dict)
    callers: dict[Function, set[str]] = field(default_factory=lambda: defaultdict(set))

    def order(self, file: str, line: int | None = None) -> list[str]:
        """The tests that call a function, or any one of a file; the quickest first."""
        places = [place for place in self.callers if place[0] == file and line in (None, place[1])]
        names: set[str] = set().union(*(self.callers[place] for place in places))
        return sorted(names, key=lambda name: self.seconds[name])

    def limit(self, tests: Sequence[str]) -> int:
        """Processor seconds of a process that runs them: more is a loop without end."""
        return int(10 + 5 * sum(self.seconds[test] for test in tests))


def fork(run: Callable[[], int], seconds: int, folder: str) -> int:
    """A process of its own that runs and exits, with this folder for its temporary files."""
    if pid := os.fork():
        return pid
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))  # a busy machine ends no mutant
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    signal.alarm(_PATIENCE)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.environ["TMPDIR"] = os.environ["PYTEST_DEBUG_TEMPROOT"] = folder
    tempfile.tempdir = None
    try:
        os._exit(run())
    finally:
        os._exit(99)


def reaped(pid: int) -> None:
    """End what a fork left running."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


class Collected:
    """A plugin of pytest: collects the tests without servers, then does ``work`` in their place."""

    def __init__(self, work: Callable[[Sequence[pytest.Item]], None]) -> None:
        self._work = work

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out the tests that need a server."""
        items[:] = [i for i in items if SERVERS.isdisjoint(getattr(i, "fixturenames", ()))]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write down which test failed."""
        if report.failed:
            Path(os.environ["PYTEST_DEBUG_TEMPROOT"], _BY).write_text(report.nodeid, "utf-8")

    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Work."""
        self._work(session.items)
        return True


class Ordered(Collected):
    """A plugin of pytest: runs the tests without servers, the quickest first."""

    def __init__(self, known: Known) -> None:
        self._seconds = known.seconds

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out the tests that need a server."""
        super().pytest_collection_modifyitems(items)
        items.sort(key=lambda item: self._seconds[item.nodeid])

    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """As pytest does."""


def with_tests(tests: Sequence[str], plugin: Collected, *options: str) -> int:
    """Run pytest with a plugin."""
    hypothesis_settings.register_profile(
        "mutation",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=True,
        database=None,
        max_examples=40,  # what only more of them find, not every night finds
        phases=[Phase.explicit, Phase.generate],  # no failure is made smaller: nobody reads it
    )
    options = (*_OPTIONS, "--hypothesis-profile=mutation", *options)
    return int(pytest.main([*options, *(TESTS + test for test in tests)], plugins=[plugin]))


def passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    """Run one test."""
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    return not item.session.testsfailed


class Calls:
    """Records the functions of some files that are called."""

    def __init__(self, files: set[str]) -> None:
        self._files = files
        self.found: set[Function] = set()

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Of one call, for ``sys.settrace``."""
        if event == "call" and frame.f_code.co_filename in self._files:
            self.found.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

    def start(self) -> None:
        """Record those that follow."""
        self.found = set()
        threading.settrace(self)
        sys.settrace(self)

    @staticmethod
    def stop() -> None:
        """Record no more."""
        sys.settrace(None)
        threading.settrace(None)


def learn(items: Sequence[pytest.Item], calls: Calls, into: Path) -> int:
    """Run all tests without a mistake, and write down what is Known."""
    known = Known()
    for item, following in zip(items, [*items[1:], None], strict=True):
        begun = time.process_time()
        calls.start()
        good = passes(item, following)
        calls.stop()
        if not good:
            into.write_bytes(pickle.dumps(item.nodeid))
            return 1
        known.seconds[item.nodeid] = time.process_time() - begun
        for place in calls.found:
            known.callers[place].add(item.nodeid)
    into.write_bytes(pickle.dumps(Known(known.seconds, dict(known.callers))))
    return 0


def run_with_constants(mutant: Mutant, items: Sequence[pytest.Item], known: Known) -> int:
    """Run the tests with the constants of a mutated module, wherever they were imported."""
    name = mutant.path.removesuffix(".py").replace("/", ".")
    made = {"__name__": name, "__file__": mutant.path}
    try:
        exec(mutant.code, made)  # noqa: S102  # as above
    except Exception:  # noqa: BLE001  # it cannot be imported: everybody notices
        return 1
    modules = [vars(module) for key, module in sys.modules.items() if key.startswith("mediatool")]
    for constant, old in list(vars(sys.modules[name]).items()):
        new = made.get(constant)
        if isinstance(new, CONSTANTS) and type(new) is type(old) and new != old:
            for names in modules:
                if names.get(constant) is old:
                    names[constant] = new
    return run_all(items, known)


def run_with(place: Function, code: CodeType, items: Sequence[pytest.Item], known: Known) -> int:
    """Run the tests with another code for each living function that has it: 1 if one fails."""
    found = [
        each
        for each in gc.get_objects()
        if isinstance(each, FunctionType)
        and (each.__code__.co_filename, each.__code__.co_firstlineno) == place
        and each.__code__.co_name == code.co_name
    ]
    for function in found:
        function.__code__ = code
    return run_all(items, known)


def run_all(items: Sequence[pytest.Item], known: Known) -> int:
    """Run tests until one fails: 1 if one does. If no test calls the function, none fails.

    One that takes far longer than it does without a mistake ends the fork.
    """
    for item, following in zip(items, [*items[1:], None], strict=False):
        signal.setitimer(signal.ITIMER_PROF, known.limit([item.nodeid]))
        if not passes(item, following):
            return 1
    return 0


@dataclass
class Trial:
    """All mutants, by number, and the tests that are known to call their functions."""

    mutants: list[Mutant]
    results: Results
    end: float
    workers: int
    known: Known = field(default_factory=Known)

    def numbers(self, state: str | None) -> list[int]:
        """The mutants of which this was found; None: nothing yet."""
        states = map(self.results.state, self.mutants)
        return [number for number, found in enumerate(states) if found == state]

    def _forked(
        self, runs: Mapping[int, tuple[Callable[[], int], int]]
    ) -> Iterator[tuple[int, int, str]]:
        """Fork for each mutant, some at once: its number, how it ended and which test failed."""
        running: dict[int, tuple[int, str]] = {}
        waiting = list(reversed(list(runs)))
        while running or (waiting and time.monotonic() < self.end):
            while waiting and len(running) < self.workers and time.monotonic() < self.end:
                number, folder = waiting.pop(), tempfile.mkdtemp(prefix="mutant-")
                running[fork(*runs[number], folder)] = (number, folder)
            pid, status = os.wait()
            reaped(pid)
            number, folder = running.pop(pid)
            by = Path(folder, _BY)
            yield number, status, by.read_text("utf-8") if by.exists() else ""
            shutil.rmtree(folder, ignore_errors=True)

    def quick(self, calls: Calls, items: Sequence[pytest.Item]) -> None:
        """Steps 1 and 2, in the process that has collected the tests."""
        calls.stop()
        with_imports = calls.found
        with tempfile.TemporaryDirectory() as folder:
            notes = Path(folder, "known")
            status = os.waitpid(fork(partial(learn, items, calls, notes), 3600, folder), 0)[1]
            found: Any = pickle.loads(notes.read_bytes()) if notes.exists() else status  # noqa: S301  # our own
        if status:
            print(f"fails without a mistake: {found}", flush=True)
            os._exit(2)
        self.known = found
        by_name = {item.nodeid: item for item in items}
        runs: dict[int, tuple[Callable[[], int], int]] = {}
        imported: set[int] = set()
        for number in self.numbers(None):
            mutant = self.mutants[number]
            mutated = mutated_function(mutant)
            if mutated is None or mutated[0] in with_imports:
                imported.add(number)
                order, run = self.known.order(mutant.file), partial(run_with_constants, mutant)
            else:
                order, run = self.known.order(*mutated[0]), partial(run_with, *mutated)
            order.sort(key=lambda name: name != self.results.by(mutant))
            tests = [by_name[name] for name in order]
            runs[number] = partial(run, tests, self.known), self.known.limit(order)
        self._try(runs, imported)

    def thorough(self) -> None:
        """Step 3, in the process that has imported none of our modules."""
        limit = self.known.limit(list(self.known.seconds)) + 60
        doubted = self.numbers("doubted")
        for path in sorted({self.mutants[number].path for number in doubted}):
            sound = Mutant(path, 1, "none", Path(path).read_text("utf-8"))
            with tempfile.TemporaryDirectory() as folder:
                pid = fork(partial(self._planted, sound), limit, folder)
                if status := os.waitpid(pid, 0)[1]:
                    raise SystemExit(f"{path}: fails without a mistake ({status})")
        self._try({n: (partial(self._planted, self.mutants[n]), limit) for n in doubted}, set())

    def _planted(self, mutant: Mutant) -> int:
        sys.meta_path.insert(0, Planting(mutant))
        return with_tests(mutant.tests, Ordered(self.known), "-x")

    def _try(
        self, runs: Mapping[int, tuple[Callable[[], int], int]], imported: Container[int]
    ) -> None:
        """Run, and keep the results; of what is imported, step 3 has the last word."""
        for number, status, by in self._forked(runs):
            mutant = self.mutants[number]
            if status == 99 << 8:
                raise SystemExit(f"cannot be tried: {mutant}")
            if status:
                self.results.add(mutant, "noticed", by)
            else:
                self.results.add(mutant, "doubted" if number in imported else "survives")


def all_mutants(python: Path, modules: Sequence[str]) -> list[Mutant]:
    """Those of the modules, in an order of their own; cosmic-ray's are kept beside it."""
    found: list[Mutant] = []
    for module in modules:
        source = (HERE / "mutants.py").read_bytes() + Path(PACKAGE, module).read_bytes()
        kept = python.parent.parent / f"mutants-{hashlib.sha256(source).hexdigest()[:32]}"
        if not kept.exists():
            command = [str(python), str(HERE / "mutants.py"), f"{PACKAGE}{module}"]
            made = subprocess.run(command, check=True, capture_output=True).stdout
            kept.write_bytes(made)
        found += [Mutant(**json.loads(line)) for line in kept.read_bytes().splitlines()]
    Random(0).shuffle(found)  # noqa: S311  # the same each time
    return found


def explained() -> set[str]:
    """``path: operator: text`` of survivors that nobody can notice."""
    lines = (HERE / "mutation-survivors").read_text("utf-8").splitlines()
    return {line for line in lines if line and not line.startswith(("#", " "))}


def in_a_fork(trial: Trial, tests: Sequence[str]) -> Trial:
    """The trial after steps 1 and 2, which import everything."""
    calls = Calls({str(Path(m.path).resolve()) for m in trial.mutants})
    with tempfile.NamedTemporaryFile() as file:
        if not (pid := os.fork()):
            calls.start()
            with_tests(tests, Collected(partial(trial.quick, calls)))
            Path(file.name).write_bytes(pickle.dumps(trial))
            os._exit(0)
        if os.waitpid(pid, 0)[1]:
            raise SystemExit(2)
        after: Trial = pickle.loads(Path(file.name).read_bytes())  # noqa: S301  # our own
    return after


def report(trial: Trial, explained: Sequence[Mutant]) -> int:
    """Print the survivors and the shares; the exit code."""
    left = [trial.mutants[number] for number in trial.numbers("survives")]
    noticed = [trial.mutants[number] for number in trial.numbers("noticed")]
    for mutant in sorted(left, key=lambda each: (each.path, each.line)):
        print(mutant)
    tried = len(left) + len(noticed)
    print(
        f"{tried} of {len(trial.mutants)} mutants tried, {len(left)} survive "
        f"({len(left) / max(tried, 1):.1%}); {len(explained)} more are explained"
    )
    survive, notice = (Counter(str(Path(m.path).parent) for m in each) for each in (left, noticed))
    for folder in sorted(survive | notice):
        print(f"  {folder}: {survive[folder]} of {survive[folder] + notice[folder]}")
    return int(len(left) > _SHARE * tried)


def main() -> int:
    """Try the mutants of all modules, or of those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--cosmic-ray", type=Path, default=Path(".venv/mutation/bin/python"))
    parser.add_argument("modules", nargs="*", default=list(MODULES))
    given: Any = parser.parse_args()
    mutants = all_mutants(given.cosmic_ray, given.modules)
    known = explained()
    counted = [m for m in mutants if m.name not in known]
    results = Results(given.cosmic_ray.parent.parent / "results.jsonl")
    trial = Trial(counted, results, time.monotonic() + given.seconds, given.workers)
    left = [trial.mutants[number] for state in (None, "doubted") for number in trial.numbers(state)]
    if left and given.seconds:
        trial = in_a_fork(trial, sorted({test for mutant in left for test in mutant.tests}))
        trial.thorough()
    return report(trial, [m for m in mutants if m.name in known])


if __name__ == "__main__":
    raise SystemExit(main())
