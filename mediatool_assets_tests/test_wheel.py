"""What is in the wheel: every file of the package, its compiled codec, and nothing else."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain
from pathlib import Path

from mediatool_assets.native.build import PROGRAM
from mediatool_assets_tests.documents import ROOT

_SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE")


def _wheel(folder: Path, variables: dict[str, str]) -> Path:
    """The wheel of a copy of the package, ``source`` in the folder, with these variables."""
    source = folder / "source"
    shutil.copytree(
        ROOT / "mediatool_assets",
        source / "mediatool_assets",
        ignore=shutil.ignore_patterns("__pycache__", PROGRAM),
    )
    for name in _SOURCES:
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    command += ["--wheel-dir", str(folder), str(source)]
    environment = {name: x for name, x in os.environ.items() if name != "MEDIATOOL_NATIVE"}
    subprocess.run(command, check=True, capture_output=True, env=environment | variables)
    [wheel] = folder.glob("*.whl")
    return wheel


def test_what_is_in_the_wheel(tmp_path: Path) -> None:
    """Modules, data files and codec of the package, and its metadata; no tests, no documents."""
    wheel, source = _wheel(tmp_path, {}), tmp_path / "source"
    names = set(zipfile.ZipFile(wheel).namelist())
    about = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    assert {Path(name).name for name in about} == {
        "LICENSE", "METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt",
    }  # fmt: skip
    package = source / "mediatool_assets"
    files = (path for path in package.rglob("*") if path.is_file())
    packed = {path.relative_to(source).as_posix() for path in files}
    assert names - about == packed | {f"mediatool_assets/native/{PROGRAM}"}
    assert "-py3-none-linux_" in wheel.name


def test_without_a_compiler_the_wheel_has_no_codec(tmp_path: Path) -> None:
    """The install goes on, for any platform: Python converts rows there."""
    wheel = _wheel(tmp_path, {"MEDIATOOL_NATIVE": "no"})
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if name.endswith(".so")] == []
    assert wheel.name.endswith("-py3-none-any.whl")


def test_every_dependency_has_both_bounds() -> None:
    """Of what users install: the lowest version that was tried, and the next that may break."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [lines for name, lines in project["optional-dependencies"].items() if name != "dev"]
    wanted = [line.split(";")[0] for line in chain(project["dependencies"], *extras)]
    assert [line for line in wanted if not re.search(r">=[\w.]+,<[\w.]+$", line.strip())] == []
