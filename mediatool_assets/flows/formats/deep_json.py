"""Parses JSON that is nested as deeply as PostgreSQL allows."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_DEEPEST = 60_000  # levels; PostgreSQL's default stack limits jsonb to less than 20,000


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Raise the recursion limit, which msgspec and the standard library's parsers obey."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _DEEPEST))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
