"""What is in the wheel: every file of the package, and nothing else."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain
from pathlib import Path

from mediatool_assets_tests.documents import ROOT

_SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE")


def test_what_is_in_the_wheel(tmp_path: Path) -> None:
    """Modules and data files of the package and its metadata; no tests, no documents."""
    source = tmp_path / "source"
    shutil.copytree(
        ROOT / "mediatool_assets",
        source / "mediatool_assets",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in _SOURCES:
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", tmp_path, source], check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    about = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    assert {Path(name).name for name in about} == {
        "LICENSE", "METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt",
    }  # fmt: skip
    package = source / "mediatool_assets"
    files = (path for path in package.rglob("*") if path.is_file())
    assert names - about == {path.relative_to(source).as_posix() for path in files}


def test_every_dependency_has_both_bounds() -> None:
    """Of what users install: the lowest version that was tried, and the next that may break."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [lines for name, lines in project["optional-dependencies"].items() if name != "dev"]
    wanted = [line.split(";")[0] for line in chain(project["dependencies"], *extras)]
    assert [line for line in wanted if not re.search(r">=[\w.]+,<[\w.]+$", line.strip())] == []
