"""Every server of PostgreSQL on this machine: tests of export, restore and strangers on each.

``make test-postgres-all`` runs it; the counts are written into docs/reference/postgresql.md.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from mediatool_assets_tests.documents import ROOT
from mediatool_assets_tests.postgres_servers import every_server

PAGE = ROOT / "docs" / "reference" / "postgresql.md"

AREAS = {
    "export": ("flows/export", "stores/test_postgres.py", "stores/test_postgres_round_trip.py"),
    "restore": ("flows/restore", "stores/test_postgres_target.py"),
    "strangers": ("journeys/test_strangers.py", "journeys/test_more_strangers.py"),
}
"""The tests of each column, by folder or file."""


class Outcome(NamedTuple):
    """What the tests came to on one server: passed by area, failed, values by extension type."""

    release: str
    passed: Counter[str]
    failed: list[str]
    types: dict[str, int]


def run(programs: Path) -> Outcome:
    """Run the tests of every area on a server."""
    command = [str(programs / "postgres"), "--version"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    tests = [str(ROOT / "mediatool_assets_tests" / t) for area in AREAS.values() for t in area]
    options = ("-q", "--no-header", "-n", "2", "--dist", "loadfile", "--timeout", "1800")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        subprocess.run(
            [sys.executable, "-m", "pytest", *options, f"--junitxml={report}", *tests],
            cwd=ROOT,
            env=os.environ
            | {"TEST_POSTGRES": str(programs), "PATH": f"{programs}:{os.environ['PATH']}"},
            check=False,
        )
        tree = ElementTree.parse(report)  # noqa: S314  # pytest's own
        return _read(said.split()[2], tree)


def _read(release: str, report: "ElementTree.ElementTree[ElementTree.Element]") -> Outcome:
    found = Outcome(release, Counter(), [], {})
    for case in report.iter("testcase"):
        path = case.get("classname", "").removeprefix("mediatool_assets_tests.").replace(".", "/")
        name = f"{path}.py::{case.get('name')}"
        if any(case.find(kind) is not None for kind in ("failure", "error", "skipped")):
            found.failed.append(name)
            continue
        [area] = [a for a, tests in AREAS.items() if any(name.startswith(t) for t in tests)]
        found.passed[area] += 1
        for property_ in case.iter("property"):
            found.types[property_.get("name", "")] = int(property_.get("value", "0"))
    return found


def page(text: str, found: dict[str, Outcome]) -> str:
    """The page with the tables of these outcomes."""
    rows = [
        [o.release, name, *(str(o.passed[area]) for area in AREAS), str(len(o.failed))]
        for name, o in found.items()
    ]
    text = _with(text, "servers", ["PostgreSQL", "from", *AREAS, "failed"], rows)
    tried = {name: o for name, o in found.items() if o.types}
    every = dict.fromkeys(kind for o in tried.values() for kind in o.types)
    rows = [[f"`{k}`", *(str(o.types.get(k, "")) for o in tried.values())] for k in every]
    return _with(text, "types", ["type", *(o.release for o in tried.values())], rows)


def _with(text: str, table: str, head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, *rows)]
    lines.insert(1, "|---" * len(head) + "|")
    begin, end = f"<!-- {table}: made by make test-postgres-all -->\n", f"<!-- end of {table} -->"
    before, mark, rest = text.partition(begin)
    return before + mark + "\n" + "\n".join(lines) + "\n\n" + end + rest.partition(end)[2]


def main() -> int:
    """Run, write the page where nothing failed, and say what failed."""
    found = {name: run(programs) for name, programs in every_server().items()}
    failed = [f"{name}: {test}" for name, o in found.items() for test in o.failed]
    if not failed:
        PAGE.write_text(page(PAGE.read_text("utf-8"), found), "utf-8")
    lines = [*failed, *(f"{name} {o.release}: {dict(o.passed)}" for name, o in found.items())]
    sys.stdout.write("\n".join([*lines, ""]))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
