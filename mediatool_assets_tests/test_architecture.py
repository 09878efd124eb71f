"""The walk of docs/explanation/architecture.md: its functions exist, and no call goes up."""

import re
import tomllib
from importlib import import_module

import pytest

from mediatool_assets_tests.documents import ROOT

PAGE = (ROOT / "docs/explanation/architecture.md").read_text("utf-8")
WALK = re.findall(r"^( *)- `([\w.]+)`", PAGE.split("## A walk")[1].split("\n## ")[0], re.MULTILINE)
LAYERS: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"][
    "importlinter"
]["contracts"][0]["layers"]
FLOORS = {name: floor for floor, layer in enumerate(LAYERS) for name in re.split(r"\W+", layer)}
"""The folders, by the layers of the import contract; the first is the highest."""


def _found(name: str) -> object:
    """What the dotted name means: a module's function, or a method of its class."""
    path = ["mediatool_assets", *name.split(".")]
    for length in range(len(path), 0, -1):
        try:
            value: object = import_module(".".join(path[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in path[length:]:
            value = getattr(value, attribute)
        return value
    raise AssertionError(name)


@pytest.mark.parametrize("name", sorted({name for _, name in WALK}))
def test_a_function_of_the_walk_exists(name: str) -> None:
    """Each name of the list is something that can be called."""
    assert callable(_found(name))


def test_the_walk_goes_down_and_never_up() -> None:
    """What is indented below a function is on its floor, or on one further down."""
    assert len(WALK) > 30
    above: list[int] = []
    for indent, name in WALK:
        floor = FLOORS[name.split(".", maxsplit=1)[0]]
        above = above[: len(indent) // 2]
        assert not above or floor >= above[-1], name
        above.append(floor)
