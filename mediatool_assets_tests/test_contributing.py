"""CONTRIBUTING.md's recipes name files that exist, and the glossary has each term once."""

import re

import pytest

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
