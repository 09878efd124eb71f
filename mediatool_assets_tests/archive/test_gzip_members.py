"""Gzip members: each is read alone, damage is named, and the footer leads to the manifest."""

import gzip
import zlib
from random import Random
from threading import Barrier, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.archive import (
    FOOTER_BYTES,
    compress,
    decompress,
    decompress_all,
    footer,
    parse_footer,
)
from mediatool_assets.core.errors import BadArchive

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


def test_the_same_bytes_in_every_thread() -> None:
    """Of 300 new threads, on whose stacks isal's one-shot function depends: one in 70 differed."""
    data = b'{"id":1,"name":"Ada Ashgrove"}\n{"id":2,"name"'
    found: list[bytes] = []
    begin = Barrier(300)

    def act() -> None:
        begin.wait()
        found.append(compress(data))

    threads = [Thread(target=act) for _ in range(300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found))) == (300, 1)


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


def test_the_footer_is_as_documented() -> None:
    """42 bytes, as docs/reference/archive-format.md has them, and nothing less."""
    data = bytes.fromhex(
        "1f8b08040000000000ff 1400 4d54 1000 0201000000000000 0403000000000000 0300"
    )
    data += bytes(8)
    assert (footer(0x0102, 0x0304), len(data), FOOTER_BYTES) == (data, 42, 42)
    for damaged in (data[1:], data[:9] + b"x" + data[10:], data[:-9] + b"x" + data[-8:]):
        with pytest.raises(BadArchive, match="no footer"):
            parse_footer(b"y" * 42 + damaged, "x")


def test_nothing_is_unpacked_beyond_its_limit() -> None:
    """Exactly so many bytes are content; with one more it is given up, and the message says so."""
    said = "x: a gzip block holds more than the 300 bytes that it may"
    assert decompress(compress(bytes(300)), "x", 300) == bytes(300)
    with pytest.raises(BadArchive, match=said):
        decompress(compress(bytes(301)), "x", 300)
    with pytest.raises(BadArchive, match="the 0 bytes that it may"):
        decompress(compress(b"x"), "x", 0)
    assert decompress(compress(b""), "x", 0) == b""


def test_the_limit_is_of_all_members_together() -> None:
    """Each unpacks to less, and all of them to more."""
    members = compress(bytes(100)) + compress(b"") + compress(bytes(200))
    assert decompress_all(members, "x", 300) == bytes(300)
    assert decompress_all(b"", "x", 0) == b""
    with pytest.raises(BadArchive, match="the 199 bytes that it may"):
        decompress_all(members, "x", 299)


def test_a_block_is_one_whole_member() -> None:
    """What follows it, and what is missing, is damage; so is zlib's format."""
    with pytest.raises(BadArchive, match="x: 2 bytes follow a gzip block"):
        decompress(compress(b"data") + b"ab", "x", 300)
    with pytest.raises(BadArchive, match=r"not a whole gzip block \(cut short\)"):
        decompress(compress(b"data")[:-1], "x", 300)
    with pytest.raises(BadArchive, match="not a whole gzip block"):
        decompress(zlib.compress(b"data"), "x", 300)


def test_repetition_far_apart_is_read() -> None:
    """As far as deflate's window of 32 KiB reaches."""
    part = Random(1).randbytes(32_000)
    assert decompress(gzip.compress(part * 2), "x", 64_000) == part * 2
