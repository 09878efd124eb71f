"""The manifest: what it says of its members, and that it comes back as it was written."""

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.core.manifest import (
    FORMAT,
    MOST_SAID,
    ArchiveKind,
    Block,
    Exclusion,
    Manifest,
    Member,
    digest_of,
    shortened,
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
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert Manifest.from_json(manifest.to_json()).to_json() == manifest.to_json()


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
        Manifest.from_json(data)


MIB = 1 << 20


def said(number: int, length: int = 1024) -> tuple[str, ...]:
    """So many different warnings, of so many bytes of JSON each."""
    return tuple(f"{n:0{length - 2}}" for n in range(number))


def sized(what: str, size: int) -> Manifest:
    """A manifest with so many bytes of JSON for its facts, or for all else that it says."""
    manifest = Manifest(FORMAT, "raw", "20250621-143000", ())
    if what == "facts":
        return msgspec.structs.replace(manifest, facts={"f": "x" * (size - len('{"f":""}'))})
    beside: dict[str, Any] = {"source": {"s": "x"}, "exclusions": (Exclusion("t", "why", None),)}
    left = size - sum(len(msgspec.json.encode(each)) for each in beside.values())
    return msgspec.structs.replace(manifest, **beside, warnings=("x" * (left - len('[""]')),))


@pytest.mark.parametrize(("what", "most"), [("facts", 8 * MIB), ("warnings", 2 * MIB)])
def test_a_manifest_says_so_much_and_no_more(what: str, most: int) -> None:
    """8 MiB of facts and 2 MiB of all else are read; what a hostile one adds is not unpacked."""
    manifest = sized(what, most)
    assert Manifest.from_json(manifest.to_json()) == manifest
    with pytest.raises(msgspec.ValidationError, match=f"{most + 1} bytes of .*at most {most} are"):
        Manifest.from_json(sized(what, most + 1).to_json())


def test_warnings_are_kept_up_to_half_of_what_is_read() -> None:
    """The first 1 MiB of them, and how many more there were."""
    assert MOST_SAID == 2 * MIB
    manifest = Manifest(FORMAT, "raw", "20250621-143000", (), warnings=said(1024))
    assert shortened(manifest) == manifest
    odd = msgspec.structs.replace(manifest, warnings=(*said(1023), "x" * 1023))
    assert shortened(odd).warnings == (*said(1023), "and 1 more warnings, which are not kept")
    longer = msgspec.structs.replace(manifest, warnings=said(1030))
    assert shortened(longer).warnings == (
        *said(1024),
        "and 6 more warnings, which are not kept",
    )


def test_what_was_not_said_is_not_written() -> None:
    """A manifest of nothing but its index holds nothing else; the same for a member."""
    member = Member("schema.sql", 0, 0, ())
    assert Manifest(FORMAT, "raw", "20250621-143000", (member,)).to_json() == (
        b'{"format":"mediatool-archive/2","kind":"raw","version":"20250621-143000",'
        b'"members":[{"name":"schema.sql","rows":0,"bytes":0,"blocks":[]}]}'
    )


def test_the_content_of_a_member() -> None:
    """Its digest stands for it, or in format 1 its SHA-256; a digest depends on every block."""
    old = Member("a", 0, 1, (), sha256="0" * 64)
    assert old.content == "0" * 64
    assert msgspec.structs.replace(old, digest="1" * 64).content == "1" * 64
    one, other = Block(0, 9, 1, 5, "a" * 64), Block(9, 9, 2, 6, "b" * 64)
    lines = f"{'a' * 64} 1 5\n{'b' * 64} 2 6\n"
    assert digest_of([one, other]) == hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.parametrize(
    ("kind", "source", "is_one"),
    [("raw", None, False), ("raw", "sanitized", True), ("sanitized", "raw", True)],
)
def test_a_sanitized_copy(kind: ArchiveKind, source: str | None, is_one: bool) -> None:
    """It is one, or was made of one."""
    manifest = Manifest(FORMAT, kind, "20250621-143000", (), {"kind": source})
    assert manifest.is_sanitized is is_one
