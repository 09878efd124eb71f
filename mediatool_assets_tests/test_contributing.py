"""Recipes name files that exist; the glossary has each term once, the docs each asset check."""

import re

import pytest

from mediatool_assets.core.settings import Settings
from mediatool_assets.definitions import definitions
from mediatool_assets_tests.documents import ROOT

_NAMED = re.compile(r"`((?:mediatool_assets(?:_tests)?|docs)/[\w./-]+|[\w-]+\.(?:md|toml|txt))`")


@pytest.mark.parametrize(
    "path", sorted(set(_NAMED.findall((ROOT / "CONTRIBUTING.md").read_text("utf-8"))))
)
def test_a_recipe_names_a_file_that_exists(path: str) -> None:
    """A file or a folder of the repository."""
    assert (ROOT / path).exists()


def test_the_glossary_has_each_term_once_and_whole() -> None:
    """Three cells a line: term, meaning, and the term that it equals, if any."""
    rows = re.findall(
        r"^\| (.*) \|$", (ROOT / "docs/reference/glossary.md").read_text("utf-8"), re.MULTILINE
    )
    cells = [row.split(" | ") for row in rows if not row.startswith("Term")]
    terms = [row[0] for row in cells]
    assert len(terms) > 40
    assert len(terms) == len(set(terms))
    assert all(row[1].strip() for row in cells)


@pytest.mark.parametrize("page", ["docs/reference/checks.md", "docs/how-to/red-check.md"])
def test_every_asset_check_has_a_row(page: str) -> None:
    """The tables name every check of the definitions, and no other."""
    both = Settings.parse({"MEDIATOOL_TARGETS": "mongodb,postgres"})
    graph = definitions(both).resolve_asset_graph()
    first_cells = re.findall(r"^ *\| (`.*?) \|", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    named = set(re.findall(r"`(\w+)`", " ".join(first_cells)))
    assert named == {key.name for key in graph.asset_check_keys}
