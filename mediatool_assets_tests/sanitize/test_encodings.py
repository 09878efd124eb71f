"""What is encoded within a text is read, to a depth, and nothing is made up."""

import base64

import pytest

from mediatool_assets.sanitize.redaction import DEPTH, decoded


def nested(text: str, depth: int) -> str:
    """The text in base64, so many times."""
    for _ in range(depth):
        text = base64.b64encode(text.encode()).decode()
    return text


@pytest.mark.parametrize(("depth", "is_found"), [(1, True), (DEPTH, True), (DEPTH + 1, False)])
def test_forms_within_forms_are_undone_to_a_depth(depth: int, is_found: bool) -> None:
    """As many as the docs say, and no more."""
    found = {inner for _, inner in decoded(f"see {nested('Ada Ashgrove', depth)}")}
    assert ("Ada Ashgrove" in found) == is_found


def test_text_in_bytes_is_read() -> None:
    """Of bytes that are no UTF-8, what can be printed."""
    data = b"\xff\xfe\x00Ada Ashgrove\x00\x01\x02more text"
    assert ("hex", "Ada Ashgrove\nmore text") in list(decoded(f"\\x{data.hex()}"))


@pytest.mark.parametrize(
    "text",
    ["", "plain words of no form", "100 % of it", "R&D", "12345678", "\\ud800 %zz &;"],
)
def test_a_plain_text_hides_nothing(text: str) -> None:
    """Signs that begin a form, and are none; halves of characters are no error."""
    assert [inner for _, inner in decoded(text) if inner.isascii()] == []


def test_halves_of_a_character_become_one() -> None:
    """As JSON writes what is beyond 16 bits."""
    assert list(decoded("\\ud83d\\ude00 \\u{1F600}")) == [("json", "\U0001f600 \U0001f600")]
