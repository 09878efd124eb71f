"""Measures the package: its size, what it uses of Dagster's private API, and its import contracts.

make house

Exit code 1 if a limit is exceeded, or if an import contract is broken.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
BREAKS = "mediatool_assets_tests/test_import_contracts.py"
"""The tests that plant a forbidden import: one for each element of its list ``BREAKS``."""

LIMITS = {"modules": 180, "lines of the longest module": 700, "private Dagster names": 10}


@dataclass(frozen=True, slots=True)
class House:
    """What was counted in the modules of the package."""

    lines: int
    modules: int
    longest: tuple[str, int]
    private: tuple[str, ...]
    patched: tuple[str, ...]

    def exceeded(self) -> list[str]:
        """A line for each limit that is exceeded."""
        found = {
            "modules": self.modules,
            "lines of the longest module": self.longest[1],
            "private Dagster names": len(self.private),
        }
        return [
            f"{found[name]} {name}; at most {most} are allowed"
            for name, most in LIMITS.items()
            if found[name] > most
        ]


def modules(root: Path) -> list[Path]:
    """The modules of the package that git knows."""
    command = ["git", "ls-files", "mediatool_assets/*.py"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return [root / name for name in listed.splitlines()]


def measure(root: Path, paths: Sequence[Path]) -> House:
    """Read every module."""
    sources = {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in paths}
    lines = {name: source.count("\n") for name, source in sources.items()}
    of_dagster = [Uses(source) for source in sources.values() if "dagster" in source]
    return House(
        lines=sum(lines.values()),
        modules=len(sources),
        longest=max(lines.items(), key=lambda item: item[1], default=("", 0)),
        private=tuple(sorted({name for uses in of_dagster for name in uses.private()})),
        patched=tuple(sorted({name for uses in of_dagster for name in uses.patched()})),
    )


class Uses:
    """What a module uses of Dagster, by its syntax tree.

    Seen are imports, attributes of imported names, and assignments to such attributes, also by
    ``setattr``. Attributes of values, such as of a parameter, are not seen.
    """

    def __init__(self, source: str) -> None:
        self._nodes = list(ast.walk(ast.parse(source)))
        self._imported = dict(self._imports())
        self._constants = {
            target.id: node.value.value
            for node in self._nodes
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }

    def private(self) -> Iterator[str]:
        """The full names with a part that begins with an underscore."""
        yield from filter(_is_private, self._imported.values())
        for node in self._nodes:
            if isinstance(node, ast.Attribute):
                name = self._named(node)
                if _is_private(name) and not _is_private(name.rpartition(".")[0]):
                    yield name

    def patched(self) -> Iterator[str]:
        """The full names of attributes that the module replaces."""
        for node in self._nodes:
            match node:
                case ast.Assign(targets=targets):
                    found = [self._named(each) for each in targets]
                case ast.Call(func=ast.Name(id="setattr"), args=[owner, attribute, _]):
                    of = self._named(owner)
                    found = [f"{of}.{self._text(attribute)}" if of else ""]
                case _:
                    continue
            yield from (name for name in found if "." in name)

    def _imports(self) -> Iterator[tuple[str, str]]:
        """The name in the module, and the full name in Dagster."""
        for node in self._nodes:
            match node:
                case ast.Import(names=names):
                    for each in names:
                        if _is_dagster(each.name):
                            whole = each.name if each.asname else each.name.partition(".")[0]
                            yield each.asname or whole, each.name if each.asname else whole
                            if whole != each.name:
                                yield each.name, each.name
                case ast.ImportFrom(module=str(module), names=names, level=0):
                    if _is_dagster(module):
                        for each in names:
                            yield each.asname or each.name, f"{module}.{each.name}"

    def _named(self, node: ast.AST) -> str:
        """The full name in Dagster; empty for anything else."""
        match node:
            case ast.Name(id=name):
                return self._imported.get(name, "")
            case ast.Attribute(value=value, attr=attribute):
                of = self._named(value)
                return f"{of}.{attribute}" if of else ""
        return ""

    def _text(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Name(id=name) if name in self._constants:
                return str(self._constants[name])
        return ast.unparse(node)


def _is_dagster(module: str) -> bool:
    return re.match(r"dagster(_\w+)?(\.|$)", module) is not None


def _is_private(name: str) -> bool:
    return any(re.match("_(?!_)", part) for part in name.split("."))


def planted_breaks(path: Path) -> int:
    """The elements of the list ``BREAKS`` of a test module; 0 if there is no such module."""
    if not path.is_file():
        return 0
    for node in ast.parse(path.read_text("utf-8")).body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="BREAKS")], value=ast.List(elts=elements))
                | ast.AnnAssign(target=ast.Name(id="BREAKS"), value=ast.List(elts=elements))
            ):
                return len(elements)
    return 0


def contracts(root: Path) -> tuple[int, int]:
    """How many import contracts are kept and broken; raises SystemExit if this is unknown."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    found = re.search(r"Contracts: (\d+) kept, (\d+) broken", run.stdout)
    if found is None:
        sys.exit(f"lint-imports said nothing of its contracts:\n{run.stdout}{run.stderr}")
    return int(found[1]), int(found[2])


def table(house: House, kept: int, broken: int, planted: int) -> str:
    """The figures, a line each, with the private names and the patched methods."""
    name, lines = house.longest
    figures: Mapping[str, str] = {
        "lines": f"{house.lines:,}",
        "modules": f"{house.modules}",
        "longest module": f"{name}, {lines} lines",
        "private Dagster names": f"{len(house.private)}",
        "patched methods": f"{len(house.patched)}",
        "import contracts": f"{kept} kept, {broken} broken",
        "planted breaks": f"{planted}",
    }
    below = {"private Dagster names": house.private, "patched methods": house.patched}
    return "\n".join(
        line
        for title, figure in figures.items()
        for line in (f"{title:<23}{figure}", *(f"    {each}" for each in below.get(title, ())))
    )


def main() -> None:
    """Print the figures, and end with exit code 1 if they are too large."""
    house = measure(ROOT, modules(ROOT))
    kept, broken = contracts(ROOT)
    print(table(house, kept, broken, planted_breaks(ROOT / BREAKS)))
    problems = house.exceeded()
    if broken:
        problems.append(f"{broken} import contracts are broken: lint-imports names the imports")
    if problems:
        sys.exit("\n".join(f"error: {problem}" for problem in problems))


if __name__ == "__main__":
    main()
