"""What the documents show is true: code runs, links lead somewhere, packages are those we need."""

import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from mediatool_assets.archive.writer import ArchiveWriter, spool_rows
from mediatool_assets.core.version import Version
from mediatool_assets.main import app
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.documents import PAGES, ROOT, Fenced, blocks

_BLOCKS = re.compile(r"^ *```(?:bash|console)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
ROWS = [b'{"id":1,"name":"caf\xc3\xa9"}', b'{"id":2,"name":"a\\nb"}', b'{"id":3,"name":null}']


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_is_valid(block: Fenced) -> None:
    """Every Python block compiles."""
    compile(block.text, block.page, "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of the repository names one that is there."""
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def _anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_name_headings_that_are_there(page: Path) -> None:
    """Every link to a part of a page names one of its headings."""
    for target, anchor in re.findall(
        r"\]\(([^)#:]*\.md)?#([^)]+)\)", page.read_text(encoding="utf-8")
    ):
        assert anchor in _anchors(page.parent / target if target else page), (target, anchor)


def _commands(page: Path) -> Iterator[str]:
    """What the page shows of the command line: in a line, in a block, and within another one."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    yield from re.findall(r"`(mediatool [^`\n]+)`", text)
    yield from re.findall(r"\$\((mediatool [^)]+)\)", text)
    for block in _BLOCKS.findall(text):
        yield from re.findall(r"^ *(?:\$ )?(mediatool [^#\n]+)", block, re.MULTILINE)


def _options(command: Any) -> set[str]:
    return {option for each in command.params for option in each.opts}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page: Path) -> None:
    """Every ``mediatool`` of a page names a command, and only options that it has."""
    root: Any = get_command(app)
    for line in _commands(page):
        command, words = root, shlex.split(line)[1:]
        while words and command is root and words[0] in {"--source", "--config"}:
            words = words[2:]
        while words and words[0] in getattr(command, "commands", {}):
            command, words = command.commands[words[0]], words[1:]
        given = {word for word in words if re.match("--?[a-z]", word)}
        known = _options(root) | _options(command)
        assert given <= known | {"--help"}, (line, given - known)
        assert command is not root or given or words in (["COMMAND"], ["…"]), line


def test_every_page_is_on_the_first_page() -> None:
    """docs/index.md has a link to each."""
    docs = ROOT / "docs"
    linked = set(re.findall(r"\]\(([^)#:]+\.md)", (docs / "index.md").read_text("utf-8")))
    pages = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")}
    assert pages - {"index.md"} <= linked


def test_every_dependency_is_explained() -> None:
    """The page of dependencies has a line for each package of pyproject.toml, and no other."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    names = {re.split(r"[\[<>=;~! ]", line, maxsplit=1)[0] for line in wanted}
    text = (ROOT / "docs/reference/dependencies.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)
    explained = {n for row in rows if row not in {"Package", "---"} for n in row.split(", ")}
    assert explained == names


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A raw archive of three tables, of which one is empty."""
    version = Version.parse("20250621-143000")
    path = tmp_path / "20250621-143000-raw.tar.gz"
    with path.open("wb") as file:
        writer = ArchiveWriter(file, "raw", version)
        for table, rows in {"accounts": ROWS[:1], "empty": [], "users": ROWS}.items():
            spooled = spool_rows(tmp_path / f"{table}.spool", [rows])
            writer.add_rows(f"{table}.ndjson", [spooled], table=table)
        writer.finish()
    return path


@pytest.fixture
def example() -> dict[str, Any]:
    """What the Python of docs/reference/archive-format.md defines."""
    names: dict[str, Any] = {}
    for block in blocks("python", ROOT / "docs/reference/archive-format.md"):
        exec(block.text, names)  # noqa: S102  # the document's own code is what is tested
    return names


Example = dict[str, Callable[..., Any]]


def test_example_reads_a_table_of_a_file_by_range(archive: Path, example: Example) -> None:
    """The ten lines of the format's page read one table, and an empty one."""
    read, size = example["local"](archive), archive.stat().st_size
    found = list(example["read_table"](read, size, "users"))
    assert [row["name"] for row in found] == ["café", "a\nb", None]
    assert list(example["read_table"](read, size, "empty")) == []


def test_example_reads_a_table_in_the_bucket_by_range(
    archive: Path, example: Example, objects: S3Objects
) -> None:
    """The same lines read it from the bucket, and fetch no other table's bytes."""
    objects.put("a.tar.gz", archive.read_bytes())
    fetched: list[int] = []
    whole = example["in_bucket"](objects.client, objects.bucket, "a.tar.gz")

    def read(start: int, length: int) -> bytes:
        fetched.append(length)
        data: bytes = whole(start, length)
        return data

    rows: Iterator[dict[str, object]] = example["read_table"](read, archive.stat().st_size, "users")
    assert [row["id"] for row in rows] == [1, 2, 3]
    assert len(fetched) == 3
    assert sum(fetched) < archive.stat().st_size * 2 / 3


def test_the_shell_takes_the_local_servers_environment(stack: Stack, tmp_path: Path) -> None:
    """The lines of docs/how-to/read-by-hand.md that set the variables do, and print nothing."""
    (block,) = [b for b in blocks("bash", ROOT / "docs/how-to/read-by-hand.md") if "eval" in b.text]
    (tmp_path / ".mediatool").symlink_to(stack.home)
    done = subprocess.run(
        ["bash", "-c", block.text + "env"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert stack.environment.items() <= found.items()
    assert found["AWS_ENDPOINT_URL"] == stack.environment["MEDIATOOL_S3_ENDPOINT_URL"]


@pytest.mark.parametrize("block", blocks("bash"), ids=str)
def test_shell_is_valid(block: Fenced) -> None:
    """Every shell block parses."""
    subprocess.run(["bash", "-n", "-c", block.text], check=True, capture_output=True)


def test_the_licence_is_the_one_that_is_named() -> None:
    """In pyproject.toml by its name, in the package by its text."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [name] = project["license-files"]
    assert (ROOT / name).read_text().startswith(f"{project['license']} License\n")
    assert project["authors"][0]["name"] in (ROOT / name).read_text()
