"""Suggestions for a mistyped name."""

from collections.abc import Iterable
from difflib import get_close_matches

_SHOWN = 3


def suggestion(name: str, names: Iterable[str]) -> str:
    """A hint for a name that is not in ``names``: ``did you mean campaigns?``."""
    known = sorted(names)
    if near := closest(name, known):
        return f"did you mean {' or '.join(near)}?"
    return f"it has {', '.join(known) or 'none'}"


def closest(name: str, names: Iterable[str]) -> list[str]:
    """The most similar names, best first; at most three."""
    return get_close_matches(name, list(names), n=_SHOWN)
