"""Each import contract of pyproject.toml is broken by an import that it forbids."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mediatool_assets_tests.documents import ROOT

BREAKS: list[tuple[str, str, str]] = [
    ("Imports point down", "core/version.py", "mediatool_assets.archive"),
    ("Inside a capability", "sanitize/rules.py", "mediatool_assets.sanitize.flow"),
    ("Nothing imports in circles", "core/version.py", "mediatool_assets.core.authenticity"),
    ("Commands, flows and rules do not import Dagster", "verify/command.py", "dagster"),
    ("Rules, the core and the archive format", "core/version.py", "psycopg"),
    ("Flows know no server's driver", "load/flow.py", "mediatool_assets.stores.mongodb"),
]
"""The first words of a contract, a module, and what it may not import. `make house` counts them."""


def lint(folder: Path) -> dict[str, str]:
    """Whether each contract is KEPT or BROKEN, by its name, in a folder with the package."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    text = " ".join(run.stdout.split())
    names = [contract["name"] for contract in _contracts()]
    found = {name: re.search(re.escape(name) + r" (KEPT|BROKEN)", text) for name in names}
    return {name: outcome[1] if outcome else run.stdout for name, outcome in found.items()}


def _contracts() -> list[dict[str, str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts: list[dict[str, str]] = project["tool"]["importlinter"]["contracts"]
    return contracts


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package, in a folder with pyproject.toml."""
    only_python = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "mediatool_assets", tmp_path / "mediatool_assets", ignore=only_python)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(("contract", "module", "imported"), BREAKS)
def test_a_forbidden_import_breaks_its_contract(
    package: Path, contract: str, module: str, imported: str
) -> None:
    """One line of one module is enough."""
    path = package / "mediatool_assets" / module
    path.write_text(f"{path.read_text('utf-8')}\nimport {imported}\n", "utf-8")
    [outcome] = [found for name, found in lint(package).items() if name.startswith(contract)]
    assert outcome == "BROKEN"


def test_without_a_planted_import_all_are_kept(package: Path) -> None:
    """The copy is as good as the package."""
    assert set(lint(package).values()) == {"KEPT"}


def test_each_contract_has_a_planted_import() -> None:
    """A new contract needs an element of ``BREAKS``."""
    names = [contract["name"] for contract in _contracts()]
    assert [name for name in names if not name.startswith(tuple(each[0] for each in BREAKS))] == []
