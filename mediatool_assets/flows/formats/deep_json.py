"""Parses JSON that is nested as deeply as PostgreSQL allows."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_DEEPEST = 60_000  # levels; PostgreSQL's default stack lets jsonb have less than 20,000


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Let parsers go that deep: msgspec and the standard library heed the interpreter's limit."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _DEEPEST))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
