"""The pinned packages: exact, with hashes, and everything that the project needs is among them."""

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECTS = {"requirements.txt": ("local", "dev"), "deploy/docker/requirements.txt": ()}
"""The files that install the project, and the extras that each has the packages of."""
FILES = [*PROJECTS, "compiler-requirements.txt"]

ENVIRONMENTS = [
    {
        "python_version": python,
        "python_full_version": f"{python}.1",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": machine,
    }
    for python in ("3.11", "3.12", "3.13")
    for machine in ("x86_64", "aarch64")
]
_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;]+)(?: ; (?P<marker>[^\\]+?))?"
    r"(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})+)"
)


class Pin(NamedTuple):
    """A line of the file."""

    version: str
    marker: Marker | None

    def is_for(self, environment: dict[str, str]) -> bool:
        """Whether it is installed there."""
        return self.marker is None or self.marker.evaluate(environment)


def pins(file: str) -> dict[str, Pin]:
    """The lines by name; each has a version and hashes, and nothing else."""
    text = (ROOT / file).read_text("utf-8").replace("\\\n", " ")
    lines = [re.sub(" +", " ", line) for line in text.splitlines() if not line.startswith("#")]
    found = dict[str, Pin]()
    for line in lines:
        matched = _PIN.fullmatch(line)
        assert matched is not None, line[:80]
        name = canonicalize_name(matched["name"])
        assert name not in found
        marker = Marker(matched["marker"]) if matched["marker"] else None
        found[name] = Pin(matched["version"], marker)
    return found


def wanted(file: str) -> list[Requirement]:
    """What the project names for the file, with what builds it."""
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    if file not in PROJECTS:
        return [*map(Requirement, extras["compiler"])]
    named = [*project["dependencies"], *PROJECT["build-system"]["requires"]]
    return [*map(Requirement, named), *(Requirement(r) for e in PROJECTS[file] for r in extras[e])]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "environment", ENVIRONMENTS, ids=lambda e: f"{e['python_version']}-{e['platform_machine']}"
)
def test_everything_that_is_needed_is_pinned(file: str, environment: dict[str, str]) -> None:
    """The project's requirements and theirs, as far as the installed packages tell of them."""
    found = {name: pin for name, pin in pins(file).items() if pin.is_for(environment)}
    todo = wanted(file)
    seen = set[tuple[str, frozenset[str]]]()
    while todo:
        requirement = todo.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if requirement.marker and not _applies(requirement.marker, environment):
            continue
        assert name in found, f"{requirement} is not in {file}: scripts/requirements.sh"
        assert requirement.specifier.contains(found[name].version, prereleases=True)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        todo += _requires(name, extras)


def _applies(marker: Marker, environment: dict[str, str]) -> bool:
    return marker.evaluate(environment | {"extra": ""})


def _requires(name: str, extras: frozenset[str]) -> list[Requirement]:
    """What an installed package asks for; nothing is known of what is for another platform."""
    try:
        texts = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []
    found = []
    for text in texts:
        requirement = Requirement(text)
        marker = str(requirement.marker or "")
        if "extra" in marker:
            if not any(requirement.marker.evaluate({"extra": extra}) for extra in extras):  # type: ignore[union-attr]
                continue
            requirement.marker = None
        found.append(requirement)
    return found


def test_the_image_has_the_same_versions() -> None:
    """As the tests ran with."""
    every = pins("requirements.txt")
    image = {name: pin.version for name, pin in pins("deploy/docker/requirements.txt").items()}
    assert image == {name: every[name].version for name in image}


def test_the_tests_run_with_them() -> None:
    """What is installed here is what is pinned."""
    installed = {
        name: metadata.version(name)
        for name in pins("requirements.txt")
        if any(True for _ in metadata.distributions(name=name))
    }
    assert len(installed) > 200
    assert installed == {
        n: p.version for n, p in pins("requirements.txt").items() if n in installed
    }


@pytest.mark.parametrize("file", FILES)
def test_no_index_is_named(file: str) -> None:
    """They come from the index that pip is configured with."""
    text = (ROOT / file).read_text("utf-8")
    assert "://" not in text
    assert "index" not in text.splitlines()[0]
