"""Text that is shown steers no terminal, and loses nothing."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.core.texts import visible, visible_lines

TURNING = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
"""Unicode's classes of characters that turn the direction of what follows."""

CONTROLS = st.characters(categories=["Cc", "Cf", "Zl", "Zp"])


@given(st.text(CONTROLS | st.characters(exclude_categories=["Cs"])))
def test_nothing_steers(text: str) -> None:
    """No control character is left, and no mark of direction."""
    shown = visible(text)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Zl", "Zp")]
    assert not [c for c in shown if unicodedata.bidirectional(c) in TURNING]
    assert [c for c in visible_lines(text) if unicodedata.category(c) == "Cc"] == [
        c for c in text if c in "\n\t"
    ]


@given(st.text(CONTROLS | st.characters(exclude_categories=["Cs"])))
def test_json_is_the_same_document(text: str) -> None:
    """An escape in JSON is the character."""
    assert json.loads(visible_lines(json.dumps({text: text}, indent=1, ensure_ascii=False))) == {
        text: text
    }


@pytest.mark.parametrize("text", ["", "José Núñez\u00a0☃ 日本 🎬", "العربية", "C:\\u001b"])
def test_other_text_is_as_it_was(text: str) -> None:
    """Whatever its language."""
    assert visible(text) == visible_lines(text) == text
