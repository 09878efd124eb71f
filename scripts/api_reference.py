"""Writes docs/reference/python-api.md from the docstrings of the package's public names.

make reference
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

import mediatool_assets
from mediatool_assets.query import handles

PAGE = Path(__file__).parents[1] / "docs/reference/python-api.md"

_HEAD = """\
# Python API

The names that `import mediatool_assets` offers. All other modules are private and change without
notice. Examples: [queries](../how-to/query.md#from-python) and
[the README](../../README.md#in-your-own-dagster-assets).

The page is generated from the docstrings: `make reference`.
"""


def page() -> str:
    """The whole page: a section for each public name, with its public methods."""
    return _HEAD + "".join(part for name in mediatool_assets.__all__ for part in _parts(name))


def _parts(name: str) -> Iterator[str]:
    value = getattr(mediatool_assets, name)
    called = _arguments(value)
    yield f"\n## `{name}{called}`\n\n{_text(value)}\n"
    for member, found in _members(value).items() if inspect.isclass(value) else ():
        if not member.startswith("_") and (text := _text(found)):
            yield f"\n### `{name}.{member}{_arguments(found)}`\n\n{text}\n"


def _members(value: type) -> dict[str, Any]:
    """Those of the class, and those that it has from this package's abstract classes of values."""
    members: dict[str, Any] = {}
    for base in value.__mro__:
        if base is value or base.__module__ == handles.__name__:
            members = {**vars(base), **members}
    return members


def _text(value: Any) -> str:
    """The docstring in Markdown; empty for an attribute that has none of its own."""
    value = getattr(value, "func", value)
    if isinstance(value, dg.DailyPartitionsDefinition):
        return "The daily partitions of all assets, a `dagster.DailyPartitionsDefinition`."
    documented = inspect.isroutine(value) or inspect.isclass(value) or isinstance(value, property)
    return inspect.cleandoc(value.__doc__ or "").replace("``", "`") if documented else ""


def _arguments(value: Any) -> str:
    """Names and defaults of a method's arguments; of a property nothing."""
    function = getattr(value, "__func__", value)
    if not inspect.isfunction(function):
        return ""
    given = list(inspect.signature(function).parameters.values())
    kept = [each.replace(annotation=inspect.Parameter.empty) for each in given]
    return str(inspect.Signature([each for each in kept if each.name not in ("self", "cls")]))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
