"""Ranges read while the SHA-256 of the whole is computed."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.archive import reader
from mediatool_assets.archive.reader import HashedStream
from mediatool_assets.core.errors import BadArchive

CONTENT = bytes(range(200))
CHUNK = 16


@dataclass
class Content:
    """Bytes in memory; those from ``damaged`` on cannot be read."""

    damaged: int = len(CONTENT)
    name: str = "content"
    size: int = len(CONTENT)

    def read(self, start: int, length: int) -> bytes:
        """The range."""
        if start + length > self.damaged:
            raise BadArchive(self.name, "was replaced while it was read")
        return CONTENT[start : start + length]


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> Iterator[None]:
    """Chunks of a few bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "_STREAMED_RANGE_BYTES", CHUNK)
        yield


@given(
    ranges=st.lists(st.tuples(st.integers(0, len(CONTENT)), st.integers(0, 3 * CHUNK)), max_size=8),
    in_order=st.booleans(),
)
def test_every_range_and_the_whole(ranges: list[tuple[int, int]], in_order: bool) -> None:
    """In order, or not; over each other, or with gaps."""
    stream = HashedStream(Content())
    for start, length in sorted(ranges) if in_order else ranges:
        end = min(start + length, len(CONTENT))
        assert stream.read(start, end - start) == CONTENT[start:end]
    assert stream.sha256() == hashlib.sha256(CONTENT).hexdigest()


def test_ranges_in_order_are_read_from_the_source_once() -> None:
    """The bytes that are hashed are those that are returned."""
    asked: list[tuple[int, int]] = []

    class Counted(Content):
        def read(self, start: int, length: int) -> bytes:
            asked.append((start, length))
            return super().read(start, length)

    stream = HashedStream(Counted())
    for start in range(5, 180, 10):
        stream.read(start, 7)
    stream.sha256()
    assert sorted(asked) == [(at, min(CHUNK, 200 - at)) for at in range(0, 200, CHUNK)]


def test_an_error_of_the_source_is_raised_again() -> None:
    """What was not read to its end has no SHA-256."""
    stream = HashedStream(Content(damaged=100))
    assert stream.read(80, 10) == CONTENT[80:90]
    for _ in range(2):
        with pytest.raises(BadArchive, match="replaced"):
            stream.read(95, 10)
        with pytest.raises(BadArchive, match="replaced"):
            stream.sha256()
