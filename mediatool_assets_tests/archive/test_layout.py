"""The layout: what a manifest, and the bytes between the rows, may say at their very bounds."""

import re
import tarfile
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from mediatool_assets.archive import (
    FOOTER_BYTES,
    LocatedManifest,
    check_gaps,
    check_index,
    compress,
    small_ranges,
)
from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.core.errors import BadArchive
from mediatool_assets.core.manifest import FORMAT, FORMAT_1, Block, Manifest, Member, digest_of
from mediatool_assets_tests import hostile
from mediatool_assets_tests.archive.strategies import VERSION, MemoryBytes, archive

FAR = 1 << 40
"""Where the manifest lies, far behind all blocks."""
DIGEST = "d" * 64
PRINT = "0:" + "0" * 32


def index(*members: Member, format_: str = FORMAT, version: str = str(VERSION)) -> LocatedManifest:
    """A manifest of these members, as a reader found it."""
    return LocatedManifest(Manifest(format_, "raw", version, members), "", FAR, 10, 100)


def problem(found: LocatedManifest) -> str | None:
    """What of the manifest cannot be."""
    try:
        check_index(found, "archive")
    except BadArchive as error:
        assert error.where == "archive"
        return error.problem
    return None


def file(name: str, *blocks: Block, **more: str) -> Member:
    """A file of these blocks."""
    rows, size = sum(b.rows for b in blocks), sum(b.bytes for b in blocks)
    return Member(name, rows, size, blocks, digest_of(blocks), **more)


def table(name: str, *blocks: Block) -> Member:
    """A table's rows in these blocks."""
    return file(name, *blocks, table=name, fingerprint=PRINT)


def block(offset: int, length: int, size: int = 0, rows: int = 0) -> Block:
    """A block with a digest."""
    return Block(offset, length, rows, size, DIGEST)


@pytest.mark.parametrize(
    "name", ["a", "a" * 1024, "schema.sql", "d/c.bson", "..a", "a..", ".a", "ab:c", "a/b:c", "ä b"]
)
def test_names_of_files(name: str) -> None:
    """Whatever tar puts below the version's folder on any system."""
    assert problem(index(file(name))) is None


@pytest.mark.parametrize(
    "name",
    [
        "", "a" * 1025, "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\\b", "c:a",
        "c:", "a\nb", "a\x7f", "\u202ea", "manifest.json",
    ],
)  # fmt: skip
def test_names_that_no_file_may_have(name: str) -> None:
    """They lead elsewhere, steer a terminal, or are the manifest's own."""
    said = f"{name[:80]!r} is not a valid name of a file in an archive"
    assert problem(index(file(name))) == said


@pytest.mark.parametrize("version", ["", "2025", "20250230-000000", "../20250621-143000", "x" * 99])
def test_what_is_no_version(version: str) -> None:
    """It names the folder that tar unpacks."""
    assert problem(index(version=version)) == f"{version[:40]!r} is not a version"
    assert problem(index()) is None


def test_a_name_once() -> None:
    """Tar would write the second over the first."""
    assert problem(index(file("a"), file("b"), file("a"))) == "a is listed twice"


@pytest.mark.parametrize("kind", ["table", "collection"])
def test_names_of_tables_and_collections(kind: str) -> None:
    """Up to 1,024 characters; each is in one file, which holds no other."""

    def member(name: str, of: str, **more: str) -> Member:
        return file(name, fingerprint=PRINT, **{kind: of}, **more)

    other = {"table": "collection", "collection": "table"}[kind]
    assert problem(index(member("a", "x" * 1024), member("b", "y"))) is None
    said = f"a has rows of {'x' * 40}..., which is no name"
    assert problem(index(member("a", "x" * 1025))) == said
    said = "b has the rows of a table that another file has too"
    assert problem(index(member("a", "x"), member("b", "x"))) == said
    assert problem(index(member("b", "x", **{other: "y"}))) == said
    both = file("b", fingerprint=PRINT, **{other: "x"})
    assert problem(index(member("a", "x"), both)) is None


@pytest.mark.parametrize(
    ("of", "is_right"),
    [
        ({}, True),
        ({"fingerprint": PRINT}, False),
        ({"table": "t", "fingerprint": PRINT}, True),
        ({"table": "t"}, False),
        ({"collection": "c", "fingerprint": PRINT}, True),
        ({"collection": "c"}, False),
    ],
)
def test_a_fingerprint_where_there_are_rows(of: dict[str, str], is_right: bool) -> None:
    """And nowhere else."""
    said = "a has no fingerprint of its rows, or has one without rows"
    assert problem(index(file("a", **of))) == (None if is_right else said)


@pytest.mark.parametrize(
    "member",
    [
        Member("a", -1, 0, ()),
        Member("a", 0, -1, ()),
        file("a", block(-1, 10)),
        file("a", block(0, -1)),
        file("a", block(0, 10, 9, -1), block(10, 10, 9, 2)),
        file("a", block(0, 10, -1), block(10, 10, 9)),
    ],
)
def test_no_count_is_negative(member: Member) -> None:
    """Of a file or of any of its blocks, whatever the sums are."""
    assert problem(index(member)) == "a has a negative count"


@pytest.mark.parametrize(("rows", "size"), [(4, 9), (2, 9), (3, 8), (3, 10)])
def test_counts_are_those_of_the_blocks(rows: int, size: int) -> None:
    """3 rows in 9 bytes are neither more nor fewer."""
    blocks = (block(0, 10, 4, 1), block(10, 10, 5, 2))
    assert problem(index(Member("a", 3, 9, blocks, digest_of(blocks)))) is None
    said = f"a has blocks that do not add up to its {rows} rows and {size} bytes"
    assert problem(index(Member("a", rows, size, blocks, digest_of(blocks)))) == said


@pytest.mark.parametrize(
    ("member", "most"),
    [(table, (1 << 30) + (1 << 22)), (file, 1 << 26)],
    ids=["a row of 1 GiB in a block", "a file of 64 MiB"],
)
def test_the_largest_block(member: Callable[..., Member], most: int) -> None:
    """As large as PostgreSQL's largest value in a block of rows; a whole file is smaller."""
    assert problem(index(member("a", block(0, 2 << 20, most)))) is None
    said = f"a claims {most + 1} bytes in {2 << 20} compressed bytes"
    assert problem(index(member("a", block(0, 2 << 20, most + 1)))) == said


def test_a_block_is_no_bomb() -> None:
    """Deflate makes 1,032 bytes of one at most: what says more is not unpacked."""
    assert problem(index(table("a", block(0, 10, 10_320)))) is None
    said = "a claims 10321 bytes in 10 compressed bytes"
    assert problem(index(table("a", block(0, 10, 10_321)))) == said


def test_a_row_has_a_byte() -> None:
    """Its newline, at least."""
    assert problem(index(table("a", block(0, 10, 5, 5)))) is None
    said = "a claims 6 rows in 5 bytes"
    assert problem(index(table("a", block(0, 10, 5, 6)))) == said


Places = list[list[tuple[int, int]]]


def placed(places: Places) -> LocatedManifest:
    """Files with blocks of these offsets and lengths."""
    return index(
        *(file(str(n), *(block(*place) for place in each)) for n, each in enumerate(places))
    )


@pytest.mark.parametrize(
    "places",
    [
        [[(0, 10)]],
        [[(5, 10), (15, 3)], [(18, 1)]],
        [[(0, 10)], [], [(10, 1)], []],
        [[(0, 10), (10, 5)], [(15, 1)], [(16, 7), (23, 2), (25, 1)]],
        [[(0, FAR)]],
        [[(0, 10)], [(FAR - 7, 7)]],
    ],
)
def test_blocks_follow_each_other(places: Places) -> None:
    """Those of one file without a gap, those of the next anywhere behind, before the manifest."""
    assert problem(placed(places)) is None


@pytest.mark.parametrize(
    ("places", "where"),
    [
        ([[(0, 10), (11, 1)]], 11),
        ([[(0, 10), (9, 1)]], 9),
        ([[(0, 10), (10, 5), (14, 5)]], 14),
        ([[(0, 10)], [(9, 1)]], 9),
        ([[(0, 10)], [], [(9, 1)]], 9),
        ([[(0, 10), (10, 5)], [(14, 1)]], 14),
        ([[(0, 5), (5, 10)], [(14, 1)]], 14),
        ([[(0, FAR + 1)]], 0),
        ([[(FAR - 7, 8)]], FAR - 7),
    ],
)
def test_blocks_lie_nowhere_else(places: Places, where: int) -> None:
    """Neither over another block nor over the manifest."""
    said = f"{len(places) - 1} has a block at the impossible offset {where}"
    assert problem(placed(places)) == said


@pytest.mark.parametrize("digest", ["", "d" * 63, "D" * 64, "d" * 65])
def test_every_block_has_its_digest(digest: str) -> None:
    """64 hexadecimal digits; that of the file is of them."""
    good, bad = block(0, 1), block(1, 1)._replace(digest=digest)
    assert problem(index(file("a", good, bad))) == "a has a block without a digest"
    said = "a has a digest that does not match its blocks"
    assert problem(index(Member("a", 0, 0, (good,), DIGEST))) == said


def test_format_1_has_a_sha_256() -> None:
    """One for each file, and none for a block."""
    good = Member("a", 0, 0, (Block(0, 1, 0, 0),), sha256=DIGEST)
    assert problem(index(good, format_=FORMAT_1)) is None
    bad = Member("a", 0, 0, (Block(0, 1, 0, 0),), sha256="d" * 63)
    assert problem(index(bad, format_=FORMAT_1)) == "a has no SHA-256"


@pytest.mark.parametrize("sizes", [*pairwise([0, 1, 511, 512, 513, 0, 0, 1024, 1, 0])])
def test_tar_finds_what_the_manifest_says(sizes: Sequence[int]) -> None:
    """Files of any length around tar's 512 bytes, and tables without rows."""
    files = {f"{n}": b"a" * size for n, size in enumerate(sizes)}
    data, _ = archive({"empty": [], "t": [b"{}"], "none": []}, files)
    ArchiveReader(MemoryBytes(data)).check_tar()
    data, _ = archive({"empty": [], "none": []})
    ArchiveReader(MemoryBytes(data)).check_tar()


HOSTILE = hostile.USER_TAR | {
    name: found
    for name, found in hostile.MANIFESTS.items()
    if name not in ("no schema.json", "a bomb", "facts without end")
}


@pytest.mark.parametrize("name", HOSTILE)
def test_archives_that_nobody_should_unpack(name: str) -> None:
    """Links, devices, other folders, files that the manifest does not name, lies about sizes."""
    draft, says = HOSTILE[name]
    reader = ArchiveReader(MemoryBytes(hostile.build(draft)))
    with pytest.raises(BadArchive, match=says if "|" in says else re.escape(says)):
        reader.check_tar()


def header(name: str, size: int) -> bytes:
    """What tar writes before a file of the version."""
    info = tarfile.TarInfo(f"{VERSION}/{name}")
    info.size = size
    return info.tobuf(tarfile.PAX_FORMAT)


def gaps_problem(
    found: LocatedManifest, size: int, gaps: dict[tuple[int, int], bytes]
) -> str | None:
    """What the bytes between the blocks are not; ``gaps`` has those that may be read."""
    try:
        check_gaps(found, size, lambda start, length: gaps[start, length], "archive")
    except BadArchive as error:
        return error.problem
    return None


def located(first: int, second: int, end: int, *names: str) -> tuple[LocatedManifest, int]:
    """An archive of a file of one byte, whose gaps are so long; empty ``names`` precede it.

    Its one block has a byte, as has its manifest.
    """
    members = (*map(file, names), file("a", Block(first, 1, 0, 1, DIGEST)))
    manifest = Manifest(FORMAT, "raw", str(VERSION), members)
    offset = first + 1 + second
    return LocatedManifest(manifest, "", offset, 1, 1), offset + 1 + end + FOOTER_BYTES


def test_what_is_fetched_together() -> None:
    """Gaps that are close to each other in one range; a gap longer than 1 MiB is not fetched."""
    near, mib = 1 << 14, 1 << 20
    assert small_ranges(*located(9, near - 1, 9)) == [(0, 9 + 1 + near - 1 + 1 + 9)]
    found, size = located(9, mib + 1, 9)
    assert small_ranges(found, size) == [(0, 9), (mib + 12, size - FOOTER_BYTES)]
    members = (
        file("a", Block(9, near, 0, 1, DIGEST)),
        file("b", Block(9 + near + 8, near + 1, 0, 1, DIGEST)),
    )
    wide = LocatedManifest(Manifest(FORMAT, "raw", str(VERSION), members), "", 4 * near, 1, 1)
    second = 9 + near + 8 + near + 1
    assert small_ranges(wide, 4 * near + 9 + FOOTER_BYTES) == [
        (0, 9 + near + 8),
        (second, 4 * near + 9),
    ]


def test_gaps_are_as_large_as_headers() -> None:
    """512 bytes and 16 KiB for each file in a gap; what is larger is not even read."""
    one, two = 512 + (1 << 14), 512 + (2 << 14)
    said = "has {} bytes at {} that belong to no file"
    assert gaps_problem(*located(one + 1, 9, 9), {}) == said.format(one + 1, 0)
    assert gaps_problem(*located(two + 1, 9, 9, "e"), {}) == said.format(two + 1, 0)
    for first, names in ((one, ()), (two, ("e",))):
        found, size = located(first, one + 1, 9, *names)
        content = b"".join(header(name, 0) for name in names) + header("a", 1)
        stored = gzip_of(content, first)
        assert gaps_problem(found, size, {(0, first): stored}) == said.format(one + 1, first + 1)


def gzip_of(content: bytes, length: int) -> bytes:
    """Gzip members of that content with just so many bytes in all."""
    data = compress(content)
    empty = len(named_member(1))
    while length - len(data) > 4 * empty:
        data += named_member(min(1000, length - len(data) - empty - empty))
    return data + named_member(length - len(data))


def named_member(length: int) -> bytes:
    """An empty member of so many bytes: a file name, ended by a zero, makes it longer."""
    shortest = b"\x1f\x8b\x08\x08" + bytes(5) + b"\xff"
    end = b"\0\x03\0" + bytes(8)
    return shortest + b"n" * (length - len(shortest) - len(end)) + end


def test_padding_is_of_zeros() -> None:
    """As many as the file before needs, and then the header of the next one."""
    first, after = compress(header("a", 1)), header("manifest.json", 1)
    start = len(first) + 1

    def said(second: bytes) -> str | None:
        packed = compress(second)
        found, size = located(len(first), len(packed), 9)
        end = compress(bytes(511 + 1024))
        size += len(end) - 9
        gaps = {(0, len(first)): first, (start, len(packed)): packed}
        return gaps_problem(found, size, gaps | {(found.offset + 1, len(end)): end})

    assert said(bytes(511) + after) is None
    other = f"has bytes at {start} that belong to no file"
    assert said(bytes(510) + b"x" + after) == other
    assert said(b"x" + bytes(510) + after) == other
    assert said(bytes(100)) == other
    assert said(b"x") == other
    assert said(bytes(511)) == "its tar headers cannot be read (empty file)"
    assert said(bytes(511 + 1024)) == "tar does not find its manifest.json"
    more = "has more bytes between its files than the header of manifest.json"
    assert said(bytes(511) + after + bytes(512)) == more


def test_the_end_of_tar() -> None:
    """The manifest's padding and two blocks of zeros; what cannot be that is not read."""
    first, second = compress(header("a", 1)), compress(bytes(511) + header("manifest.json", 1))
    gaps = {(0, len(first)): first, (len(first) + 1, len(second)): second}
    last = 511 + 1024

    def said(end: bytes | int) -> str | None:
        length = end if isinstance(end, int) else len(end)
        found, size = located(len(first), len(second), length)
        known = {} if isinstance(end, int) else {(found.offset + 1, length): end}
        return gaps_problem(found, size, gaps | known)

    other = "has bytes after its manifest that are not the end of a tar file"
    assert said(compress(bytes(last))) is None
    assert said(gzip_of(bytes(last), last)) is None
    assert said(last + 1) == other
    for content in (b"", bytes(last - 512), bytes(last - 1), b"x" + bytes(last - 1)):
        assert said(compress(content)) == other
    assert (
        said(compress(bytes(last + 1)))
        == f"a gzip block holds more than the {last} bytes that it may"
    )


def test_headers_are_read_as_tar_reads_them() -> None:
    """One whose checksum is wrong is damage."""
    broken = bytearray(header("a", 1))
    broken[148:156] = b"0000000\0"
    packed = compress(bytes(broken))
    found, size = located(len(packed), 9, 9)
    said = gaps_problem(found, size, {(0, len(packed)): packed})
    assert said is not None
    assert said.startswith("its tar headers cannot be read (")
