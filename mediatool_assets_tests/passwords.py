"""Passwords of any printable characters, and the search for parts of one in what was shown."""

import re
from urllib.parse import quote

from hypothesis import strategies as st

PART = 4
"""Characters of a part of a password that must not be shown."""

PASSWORDS = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E) | st.sampled_from("/:@%?#[]+& ="),
    min_size=PART,
    max_size=24,
).map(str.strip).filter(lambda text: len(text) >= PART) | st.text(
    st.characters(exclude_categories=("C", "Z")), min_size=PART, max_size=12
)
"""Whatever a generator of passwords may make: mostly ASCII, and rich in what URLs cut at."""


def shape(password: str) -> str:
    """Another password that is read alike: what is shown for it is no part of the first."""
    return re.sub(r"[^\W_]", "x", password)


def shown_parts(password: str, shown: str, harmless: str) -> list[str]:
    """Parts of the password, as it is or percent-encoded, that are shown and not ``harmless``."""
    return [
        text[start : start + PART]
        for text in (password, quote(password, safe=""))
        for start in range(len(text) - PART + 1)
        if text[start : start + PART] in shown and text[start : start + PART] not in harmless
    ]
