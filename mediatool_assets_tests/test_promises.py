"""docs/reference/tested-promises.md names tests that exist."""

import re

import pytest

from mediatool_assets_tests.documents import ROOT

_NAMED = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")
PAGE = (ROOT / "docs/reference/tested-promises.md").read_text("utf-8")


@pytest.mark.parametrize(("path", "name"), sorted(set(_NAMED.findall(PAGE))), ids="::".join)
def test_a_promise_has_its_test(path: str, name: str) -> None:
    """The file is there, and has a test of that name."""
    text = (ROOT / "mediatool_assets_tests" / path).read_text("utf-8")
    assert f"def {name}(" in text if name else "def test_" in text
