"""The manifest: what it says of its members, and that it comes back as it was written."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.domain.manifest import (
    FORMAT,
    Block,
    Exclusion,
    Manifest,
    Member,
    decode,
    encode,
)

HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)
BLOCKS = st.builds(Block, *[st.integers(0, 2**60)] * 4, digest=HASHES)
MEMBERS = st.builds(
    Member,
    name=st.text(max_size=20),
    rows=st.integers(0, 2**60),
    bytes=st.integers(0, 2**60),
    blocks=st.lists(BLOCKS, max_size=3).map(tuple),
    digest=HASHES,
    fingerprint=st.none() | st.text(max_size=5),
    table=st.none() | st.text(max_size=5),
    collection=st.none() | st.text(max_size=5),
)
MANIFESTS = st.builds(
    Manifest,
    format=st.just(FORMAT),
    kind=st.sampled_from(["raw", "transformed", "dump", "sanitized"]),
    version=st.just("20250621-143000"),
    members=st.lists(MEMBERS, max_size=4).map(tuple),
    source=st.dictionaries(st.text(max_size=5), st.none() | st.text(max_size=5), max_size=3),
    exclusions=st.lists(
        st.builds(Exclusion, st.text(max_size=5), st.text(max_size=5), st.integers(0, 9)),
        max_size=2,
    ).map(tuple),
    warnings=st.lists(st.text(max_size=5), max_size=2).map(tuple),
    facts=st.dictionaries(
        st.text(max_size=5), st.dictionaries(st.text(max_size=5), st.integers(0, 9)), max_size=2
    ),
)


@given(MANIFESTS)
def test_decode_and_encode_are_inverse(manifest: Manifest) -> None:
    """A manifest is read as it was written, and equal manifests have equal bytes."""
    assert decode(encode(manifest)) == manifest
    assert encode(decode(encode(manifest))) == encode(manifest)


def test_sums_and_lookups() -> None:
    """Rows and bytes are of all members; tables and collections are found by name."""
    rows = Member("a.ndjson", 2, 10, (), table="a")
    documents = Member("d/b.bson", 3, 20, (), collection="b")
    other = Member("schema.sql", 0, 5, ())
    manifest = Manifest(FORMAT, "raw", "20250621-143000", (rows, documents, other))
    assert (manifest.rows, manifest.bytes) == (5, 35)
    assert manifest.tables() == {"a": rows}
    assert manifest.collections() == {"b": documents}
    assert manifest.member("schema.sql") is other
    assert manifest.member("gone") is None


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format":1}', b"\xff"])
def test_anything_else_is_refused(data: bytes) -> None:
    """What is not a manifest is not read as one."""
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        decode(data)
