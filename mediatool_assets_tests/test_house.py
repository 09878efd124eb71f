"""``make house`` counts what is there, on a made-up tree, and fails above its limits."""

import subprocess
from pathlib import Path
from textwrap import dedent

import pytest

from scripts.house import House, Uses, measure, modules, planted_breaks, table

SMALL = House(lines=10, modules=2, longest=("a.py", 9), private=(), patched=())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two modules that git knows, one of them in a folder, and files that do not count."""
    package = tmp_path / "mediatool_assets"
    (package / "flows").mkdir(parents=True)
    (package / "first.py").write_text("import dagster as dg\n\ndg._private()\n")
    (package / "flows/second.py").write_text("from dagster._core.x import Y\n" + "\n" * 6)
    (package / "page.css").write_text("p {}\n")
    (tmp_path / "setup.py").write_text("\n")
    for command in (["git", "init", "--quiet"], ["git", "add", "."]):
        subprocess.run(command, cwd=tmp_path, check=True)
    (package / "unknown_to_git.py").write_text("\n" * 900)
    return tmp_path


def test_the_modules_that_git_knows_are_counted(tree: Path) -> None:
    """In all folders; neither other files, nor other modules."""
    assert measure(tree, modules(tree)) == House(
        lines=10,
        modules=2,
        longest=("mediatool_assets/flows/second.py", 7),
        private=("dagster._core.x.Y", "dagster._private"),
        patched=(),
    )


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from dagster._core.x import Y as Z", ["dagster._core.x.Y"]),
        ("from dagster import _check", ["dagster._check"]),
        ("from dagster_aws._private import y", ["dagster_aws._private.y"]),
        ("import dagster._utils", ["dagster._utils"]),
        ("import dagster._utils as u\nu.f()", ["dagster._utils"]),
        ("import dagster as dg\ndg.Run._x\ndg.Run.x", ["dagster.Run._x"]),
        ("def f():\n    from dagster._a import b", ["dagster._a.b"]),
        ("import dagster as dg\ndg.__version__", []),
        ("from dagster import asset\nfrom other._core import x", []),
        ("from mediatool_assets.x import _dagster\nself._dagster", []),
    ],
)
def test_private_names_of_dagster(source: str, names: list[str]) -> None:
    """Imports and attributes with an underscore, of Dagster only."""
    assert sorted(set(Uses(source).private())) == names


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import dagster as dg\ndg.Run.x = 1", ["dagster.Run.x"]),
        ("from dagster import Run as R\nR.x = R.y = 1", ["dagster.Run.x", "dagster.Run.y"]),
        ("from dagster import Run\nK = 'x'\nsetattr(Run, K, 1)", ["dagster.Run.x"]),
        ("from dagster import Run\nsetattr(Run, 'x', 1)", ["dagster.Run.x"]),
        ("from dagster import Run\nrun = Run.x\nrun.y = 1\nsetattr(run, 'y', 2)", []),
    ],
)
def test_patched_methods_of_dagster(source: str, names: list[str]) -> None:
    """Assignments to attributes of imported names, also by ``setattr``."""
    assert list(Uses(source).patched()) == names


def test_planted_breaks_are_the_elements_of_a_list(tmp_path: Path) -> None:
    """Whether or not the list has a type; no module, no breaks."""
    path = tmp_path / "test_import_contracts.py"
    assert planted_breaks(path) == 0
    path.write_text("BREAKS: list[tuple[str, str]] = [('a', 'b'), ('c', 'd')]\n")
    assert planted_breaks(path) == 2
    path.write_text("OTHER = [1]\nBREAKS = [1, 2, 3]\n")
    assert planted_breaks(path) == 3


def test_each_limit_that_is_exceeded_is_named() -> None:
    """With the figure and the limit; what is at its limit passes."""
    names = tuple(f"dagster._{number}" for number in range(11))
    most = House(10, 180, ("a.py", 700), names[:10], ())
    assert SMALL.exceeded() == most.exceeded() == []
    assert House(10, 181, ("a.py", 701), names, ()).exceeded() == [
        "181 modules; at most 180 are allowed",
        "701 lines of the longest module; at most 700 are allowed",
        "11 private Dagster names; at most 10 are allowed",
    ]


def test_the_table_lists_the_private_names() -> None:
    """Below their number."""
    found = House(1234, 2, ("a.py", 9), ("dagster._a", "dagster._b"), ("dagster.Run.x",))
    assert table(found, kept=5, broken=1, planted=6) == dedent("""\
        lines                  1,234
        modules                2
        longest module         a.py, 9 lines
        private Dagster names  2
            dagster._a
            dagster._b
        patched methods        1
            dagster.Run.x
        import contracts       5 kept, 1 broken
        planted breaks         6""")
