"""A class name means one thing in the package."""

import ast
from collections import defaultdict
from pathlib import Path

import mediatool_assets


def test_no_class_name_is_used_twice() -> None:
    """Private classes count too: ``_Share`` and ``Share`` are one name."""
    places = defaultdict[str, list[str]](list)
    package = Path(mediatool_assets.__file__).parent
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                where = f"{path.relative_to(package)}:{node.lineno}"
                places[node.name.lstrip("_")].append(where)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
