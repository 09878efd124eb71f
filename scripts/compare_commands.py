"""Compares the command line of two checkouts: help, JSON outputs and exit codes.

python scripts/compare_commands.py OTHER_PYTHON

OTHER_PYTHON is the interpreter of the other checkout's environment. Both run the same command lines
against the local servers of this directory (``mediatool up``). Prints each difference, and exits
with 1 if there is one.
"""

import difflib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROGRAM = (
    "import sys; from importlib.metadata import entry_points as e; sys.argv[0] = 'mediatool'; "
)
PROGRAM += "sys.exit(next(iter(e(group='console_scripts', name='mediatool'))).load()())"

READING = (
    *("versions --json", "versions", "latest", "show latest --json", "settings --json"),
    *("verify latest --json", "verify latest --sample 5 --json", "integrity latest --json"),
    *("report --json", "report --name integrity --json", "report --name comparison --json"),
    *("prune --dry-run --json", "costs --json", "bucket plan --json", "bucket check --json"),
    *("model check --json", "keys verify --json", "status --json", "alert --json"),
    'sql latest "SELECT count(*) FROM campaigns" --json',
    *("history reps 20 --json", "check --json"),
)
WRONG = (
    *("", "unknown", "show 20200101-000000", "show nothing", "export --date 2020-13-01"),
    *("restore latest --to nowhere", "sanitize latest", "fetch latest --kind none", "sql latest x"),
    *("verify", "compare --version1 a --version2 b", "seed --scale 0", "history nothing 1"),
)
CHANGING = re.compile(
    r"\d\d\d\d-\d\d-\d\dT?[ \d:.+Z]*|\"(seconds|age|at|elapsed|duration)[\w]*\": [\d.]+|"
    r"\d+[.,\d]* ?(ms|s|seconds|GiB|GB|MiB|MB) |process \d+"
)
"""Times and free space, which two runs of one checkout do not share."""


def commands(python: str, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command of this checkout and every subcommand, from their help."""
    yield words
    text = run(python, [*words, "--help"])[1]
    panels = re.split(r"^╭─ ", text, flags=re.MULTILINE)[1:]
    for panel in panels:
        if not panel.startswith(("Options", "Arguments")):
            for name in re.findall(r"^│ ([a-z-]+)  ", panel, re.MULTILINE):
                yield from commands(python, (*words, name))


def run(python: str, words: list[str]) -> tuple[int, str, str]:
    """The exit code, standard output and standard error of one command line."""
    done = subprocess.run(
        [python, "-c", PROGRAM, *words], capture_output=True, text=True, check=False, timeout=600
    )
    return done.returncode, done.stdout, done.stderr


def shown(result: tuple[int, str, str]) -> list[str]:
    """The lines to compare: JSON with one value a line, and nothing that changes by itself."""
    code, out, err = result
    with suppress(ValueError):
        out = json.dumps(json.loads(out), indent=1)
    return [f"exit code {code}", *CHANGING.sub("…", f"{out}\n{err}").splitlines()]


def main() -> None:
    """Compare all, and print the differences."""
    other, ours = sys.argv[1], sys.executable
    helps = [[*words, "--help"] for words in commands(ours)]

    lines = [*helps, *map(shlex.split, READING), *map(shlex.split, WRONG)]
    different = 0
    for words in lines:
        before, after = shown(run(other, words)), shown(run(ours, words))
        if before != after:
            different += 1
            print(f"mediatool {shlex.join(words)}")
            print(*difflib.unified_diff(before, after, "before", "after", "", "", 0, ""), sep="\n")
    print(f"{len(lines)} command lines, {different} differ; in {Path.cwd()}")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
