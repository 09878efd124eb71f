"""Gzip members: each is read alone, damage is named, and the footer leads to the manifest."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.archive.gzip_members import (
    FOOTER_BYTES,
    compress,
    decompress,
    footer,
    parse_footer,
)
from mediatool_assets.domain.errors import BadArchive

OFFSETS = st.integers(0, 2**64 - 1)


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_members_are_one_file(parts: list[bytes]) -> None:
    """Members one after the other are a gzip file of their contents, and each is one alone."""
    members = [compress(part) for part in parts]
    assert gzip.decompress(b"".join(members)) == b"".join(parts)
    assert [decompress(member, "x", 300) for member in members] == parts


@given(st.binary(max_size=300))
def test_the_same_bytes(data: bytes) -> None:
    """Equal contents give equal members, without name or time."""
    member = compress(data)
    assert member == compress(data)
    assert member[3:8] == bytes(5)  # flags and mtime


@given(OFFSETS, OFFSETS)
def test_the_footer(offset: int, length: int) -> None:
    """The footer is an empty gzip member from whose bytes the manifest's place is read."""
    data = footer(offset, length)
    assert len(data) == FOOTER_BYTES
    assert gzip.decompress(data) == b""
    assert parse_footer(b"before" + data, "x") == (offset, length)


@given(st.binary(max_size=100))
def test_other_bytes_are_no_footer(data: bytes) -> None:
    """A file that does not end in a footer is not an archive, and the message names it."""
    with pytest.raises(BadArchive, match="the-name: no footer"):
        parse_footer(data, "the-name")


@given(st.binary(max_size=100))
def test_other_bytes_are_no_member(data: bytes) -> None:
    """Bytes that are not a gzip member are damage, never content."""
    with pytest.raises(BadArchive, match="the-name"):
        decompress(data, "the-name", 1000)


@given(st.binary(min_size=1, max_size=100), st.data())
def test_a_cut_member(content: bytes, data: st.DataObject) -> None:
    """A member that lacks its end is damage, wherever it was cut."""
    member = compress(content)
    with pytest.raises(BadArchive):
        decompress(member[: data.draw(st.integers(0, len(member) - 1))], "x", 1000)
