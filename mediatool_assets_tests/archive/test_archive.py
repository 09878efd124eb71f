"""Archives: what goes in comes out, by our reader, by Python and by tar; damage is found."""

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import bson
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediatool_assets.archive import FOOTER_BYTES, compress, footer
from mediatool_assets.archive.reader import (
    ArchiveReader,
    LocalFile,
    row_count,
    split_documents,
    split_lines,
)
from mediatool_assets.archive.writer import ArchiveWriter, spool_rows
from mediatool_assets.core import manifest as manifests
from mediatool_assets.core.errors import BadArchive, NotFound
from mediatool_assets.core.manifest import Block, Exclusion, Fingerprint, Manifest, digest_of
from mediatool_assets_tests import hostile
from mediatool_assets_tests.archive.strategies import TABLES, VERSION, MemoryBytes, archive

FILES = st.dictionaries(
    st.sampled_from(["schema.sql", "schema.json"]), st.binary(max_size=1500), max_size=2
)


def read_rows(reader: ArchiveReader, table: str) -> list[bytes]:
    """Every row of a table, by its blocks."""
    member = reader.manifest.tables()[table]
    return [row for content in reader.blocks(member.blocks) for row in split_lines(content)]


@given(TABLES, FILES)
def test_round_trip(tables: dict[str, list[bytes]], files: dict[str, bytes]) -> None:
    """Rows and files come out of an archive as they went in, and the manifest counts them."""
    data, manifest = archive(tables, files)
    reader = ArchiveReader(MemoryBytes(data))
    assert reader.manifest == manifest
    reader.check_tar()
    assert {table: read_rows(reader, table) for table in manifest.tables()} == tables
    assert {name: reader.read_file(name) for name in files} == files
    for member in manifest.members:
        reader.verify(member)
    assert manifest.rows == sum(map(len, tables.values()))
    for table, member in manifest.tables().items():
        content = b"".join(row + b"\n" for row in tables[table])
        assert (member.rows, member.bytes) == (len(tables[table]), len(content))
        assert member.digest == digest_of(member.blocks)
        assert member.fingerprint == str(Fingerprint.of(tables[table]))


@given(TABLES, FILES)
def test_python_reads_it(tables: dict[str, list[bytes]], files: dict[str, bytes]) -> None:
    """``tarfile`` finds every member in its order, in the version's folder, manifest last."""
    data, manifest = archive(tables, files)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        found = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]  # files only
    expected = {f"{t}.ndjson": b"".join(r + b"\n" for r in rows) for t, rows in tables.items()}
    expected |= files | {"manifest.json": manifest.to_json()}
    assert list(found) == [f"{VERSION}/{name}" for name in expected]
    assert list(found.values()) == list(expected.values())


@given(TABLES, st.integers(1, 12), st.integers(1, 12))
def test_the_same_rows_give_the_same_bytes(
    tables: dict[str, list[bytes]], one: int, other: int
) -> None:
    """An archive has no clock, host or chance in it, nor the batches in which rows came."""
    assert archive(tables, batch=one) == archive(tables, batch=other)


@settings(max_examples=20, deadline=None)
@given(TABLES)
def test_gnu_tar_reads_it(tables: dict[str, list[bytes]]) -> None:
    """``tar -xzf`` unpacks every member without a word, from a file and from a pipe."""
    data, _ = archive(tables, {"schema.sql": b"CREATE TABLE x;"})
    with TemporaryDirectory() as folder:
        Path(folder, "a.tar.gz").write_bytes(data)
        unpack = ["tar", "-xzf", "a.tar.gz"]
        said = subprocess.run(unpack, cwd=folder, check=True, capture_output=True)
        assert said.stderr == b""
        for table, rows in tables.items():
            unpacked = Path(folder, str(VERSION), f"{table}.ndjson").read_bytes()
            assert split_lines(unpacked) == rows
    listed = subprocess.run(["tar", "-tz"], input=data, check=True, capture_output=True)
    assert len(listed.stdout.splitlines()) == len(tables) + 2
    assert listed.stdout.splitlines()[-1] == f"{VERSION}/manifest.json".encode()


def test_only_the_table_s_bytes_are_read() -> None:
    """One table is read with the end of the archive and its own blocks, adjoining ones at once."""
    big = {
        name: [hashlib.sha256(b"%d" % i).hexdigest().encode() for i in range(100_000)]
        for name in ("a", "b", "c")
    }
    data, _ = archive(big, batch=1000)
    source = MemoryBytes(data)
    reader = ArchiveReader(source)
    member = reader.manifest.tables()["b"]
    assert len(member.blocks) > 2
    assert source.reads == [(len(data) - (1 << 18), 1 << 18)]
    source.reads.clear()
    assert read_rows(reader, "b") == big["b"]
    assert source.reads == [(member.blocks[0].offset, sum(block.length for block in member.blocks))]


def test_small_files_are_read_ahead() -> None:
    """64 KiB at once; what lies in them, or in the end of the archive, needs no request."""
    noise = hashlib.shake_256(b"noise").digest(1 << 20)
    data, _ = archive({}, {"first": b"1", "second": b"2", "large": noise, "last": b"3"})
    source = MemoryBytes(data)
    reader = ArchiveReader(source)
    assert reader.read_file("last") == b"3"
    assert source.reads == [(len(data) - (1 << 18), 1 << 18)]
    source.reads.clear()
    start = reader.member("first").blocks[0].offset
    assert [reader.read_file(name) for name in ("first", "second", "first")] == [b"1", b"2", b"1"]
    assert source.reads == [(start, 1 << 16)]
    source.reads.clear()
    assert reader.read_file("large") == noise
    (large,) = reader.member("large").blocks
    assert source.reads == [(large.offset, large.length)]


@pytest.mark.parametrize("native", ["yes", "no"])
@pytest.mark.parametrize(
    "content", [b"", b"\n", b"a\n", b"\n\n", b"\na\n", b"a\n\nb\n\n", b"\n" * 600, b"a\n" * 300]
)
def test_rows_are_counted_as_they_are_split(
    content: bytes, native: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Empty ones too, by the codec and without it."""
    monkeypatch.setenv("MEDIATOOL_NATIVE", native)
    assert row_count(content) == len(split_lines(content))


def test_a_manifest_larger_than_the_tail() -> None:
    """A manifest that does not fit into the first request is read with a second one."""
    rng = hashlib.shake_256(b"seed")
    names = rng.hexdigest(700_000)
    data, manifest = archive({names[i : i + 200]: [] for i in range(0, len(names), 200)})
    source = MemoryBytes(data)
    assert ArchiveReader(source).manifest == manifest
    assert len(source.reads) == 2


DATA, _ = archive({"t": [b'{"id":%d}' % i for i in range(300)]}, {"schema.sql": b"-- x"})


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_changed_byte(position: int, change: int) -> None:
    """A changed byte is found by whoever reads it, or changed nothing that can be read."""
    damaged = bytearray(DATA)
    damaged[position] ^= change
    reader = ArchiveReader(MemoryBytes(bytes(damaged)))
    try:
        for member in reader.manifest.members:
            reader.verify(member)
    except BadArchive as error:
        assert "memory" in str(error)  # either outcome is right
    else:
        assert read_rows(reader, "t") == [b'{"id":%d}' % i for i in range(300)]
        assert reader.read_file("schema.sql") == b"-- x"


@given(st.integers(0, len(DATA) - 1))
def test_a_cut_archive(length: int) -> None:
    """An archive that lacks its end is not read at all."""
    with pytest.raises(BadArchive):
        _ = ArchiveReader(MemoryBytes(DATA[:length])).manifest


@given(st.binary(min_size=1, max_size=80))
def test_an_archive_with_something_behind_it(tail: bytes) -> None:
    """Bytes after the footer are refused."""
    with pytest.raises(BadArchive):
        _ = ArchiveReader(MemoryBytes(DATA + tail)).manifest


BEFORE = len(DATA) - FOOTER_BYTES


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ((0, 0), "points outside"),
        ((0, 1), "gzip block"),
        ((0, BEFORE), "follow a gzip block"),
        ((0, BEFORE + 1), "points outside"),
        ((10, BEFORE - 10), "gzip block"),
        ((10, BEFORE - 9), "points outside"),
        ((BEFORE, 0), "points outside"),
        ((BEFORE, 1), "points outside"),
        ((len(DATA), 10), "points outside"),
        ((2**64 - 1, 2**64 - 1), "points outside"),
    ],
)
def test_a_footer_leads_into_its_archive(place: tuple[int, int], says: str) -> None:
    """Up to the last byte before it; there is no manifest of no bytes."""
    with pytest.raises(BadArchive, match=says):
        _ = ArchiveReader(MemoryBytes(DATA[:BEFORE] + footer(*place))).manifest


def test_a_small_archive_is_read_at_once() -> None:
    """The first request brings all of it; one for its end brings the manifest, if it is there."""
    source = MemoryBytes(DATA)
    assert ArchiveReader(source).member("t.ndjson").rows == 300
    assert source.reads == [(0, len(DATA))]
    start = 1000
    packed = compress(Manifest(manifests.FORMAT, "raw", str(VERSION), ()).to_json())
    for more, reads in ((0, 1), (1, 2)):
        room = (1 << 18) - len(packed) - FOOTER_BYTES + more
        end = packed + bytes(room) + footer(start, len(packed))
        source = MemoryBytes(bytes(start) + end)
        assert ArchiveReader(source).manifest.members == ()
        assert source.reads[1:] == [(start, len(packed))][: reads - 1]


class HugeBytes:
    """An archive of a terabyte whose footer says how long its manifest is."""

    name, size = "huge", 1 << 40

    def __init__(self, length: int) -> None:
        self._end = footer(0, length)

    def read(self, start: int, length: int) -> bytes:
        """Its end alone: who asks for more would get it, too."""
        if start + length != self.size:
            raise BadArchive(self.name, f"asks for {length} bytes at {start}")
        return bytes(length - len(self._end)) + self._end


@pytest.mark.parametrize(
    ("length", "says"),
    [(1 << 27, f"asks for {1 << 27} bytes at 0"), ((1 << 27) + 1, "its manifest cannot have")],
)
def test_the_largest_manifest(length: int, says: str) -> None:
    """128 MiB; what says more is not even fetched."""
    with pytest.raises(BadArchive, match=says):
        _ = ArchiveReader(HugeBytes(length)).manifest


def test_adjoining_blocks_are_fetched_together() -> None:
    """8 MiB at once, a larger block by itself, and nothing that lies between."""
    contents = [bytes([n]) * size for n, size in enumerate((9, 8, 7, 6))]
    packed = [compress(content) for content in contents]
    gap = b"not asked for"
    data, blocks = b"", []
    for content, member in zip(contents, packed, strict=True):
        data += gap if content == contents[2] else b""
        blocks.append(Block(len(data), len(member), 0, len(content)))
        data += member
    source = MemoryBytes(data)
    read = ArchiveReader(source).blocks
    assert list(read(blocks)) == contents
    assert source.reads == [
        (0, blocks[1].offset + blocks[1].length),
        (blocks[2].offset, blocks[2].length + blocks[3].length),
    ]
    assert list(read(blocks[::-1])) == contents[::-1]
    assert list(read([])) == []


class OfZeros:
    """A file without end."""

    name, size = "zeros", 1 << 60

    def __init__(self) -> None:
        self.reads: list[tuple[int, int]] = []

    def read(self, start: int, length: int) -> bytes:
        """Nothing that is a block."""
        self.reads.append((start, length))
        return b""


@pytest.mark.parametrize(
    ("lengths", "fetched"),
    [
        ([4, 4, 1], 8),
        ([4, 3, 1, 1], 8),
        ([4, 5], 4),
        ([9, 1], 9),
        ([8, 1], 8),
    ],
)
def test_8_mib_are_fetched_at_once(lengths: list[int], fetched: int) -> None:
    """With a block more it is another request; a larger one is by itself."""
    mib, start, blocks = 1 << 20, 10, []
    for length in lengths:
        blocks.append(Block(start, length * mib, 0, 1))
        start += length * mib
    source = OfZeros()
    with pytest.raises(BadArchive, match="not a whole gzip block"):
        list(ArchiveReader(source).blocks(blocks))
    assert source.reads[:1] == [(10, fetched * mib)]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{}", "manifest cannot be read"),
        (b"no json", "manifest cannot be read"),
        (b"\xff\xfe", "manifest cannot be read"),
        (
            Manifest("mediatool-archive/9", "raw", str(VERSION), ()).to_json(),
            "mediatool-archive/9",
        ),
    ],
)
def test_another_manifest(content: bytes, problem: str) -> None:
    """A manifest of another format, or none, is refused with the reason."""
    packed = compress(content)
    with pytest.raises(BadArchive, match=problem):
        _ = ArchiveReader(MemoryBytes(packed + footer(0, len(packed)))).manifest


def test_what_is_not_there() -> None:
    """A member that the archive has not is NotFound."""
    with pytest.raises(NotFound, match=r"memory has no gone\.ndjson"):
        ArchiveReader(MemoryBytes(DATA)).read_file("gone.ndjson")


def test_a_fingerprint_of_other_rows() -> None:
    """Whole blocks whose rows are not those of the fingerprint are refused."""
    reader = ArchiveReader(MemoryBytes(DATA))
    member = msgspec.structs.replace(reader.member("t.ndjson"), fingerprint="300:" + "0" * 32)
    with pytest.raises(BadArchive, match=r"t\.ndjson"):
        reader.verify(member)


def test_a_block_with_another_digest() -> None:
    """A sound gzip block that does not hold what the manifest says is refused, by its place."""
    reader = ArchiveReader(MemoryBytes(DATA))
    (block,) = reader.member("t.ndjson").blocks
    place = f"bytes {block.offset}-{block.offset + block.length - 1}"
    where = rf"memory: t\.ndjson, block 1 of 1 \({place}\)"
    with pytest.raises(BadArchive, match=f"{where}: it does not have its SHA-256"):
        list(reader.blocks([block._replace(digest="0" * 64)]))
    for said in (block.bytes + 1, block.bytes - 1):
        problem = f"{where}: (it|a gzip block) holds .* {said}( bytes that it may)?;"
        with pytest.raises(BadArchive, match=problem):
            list(reader.blocks([block._replace(bytes=said)]))


def test_digests_are_a_tree() -> None:
    """A block's digest is of its content, a member's of its blocks, the archive's of all members.

    So one changed byte, count or name gives the archive another digest.
    """
    reader = ArchiveReader(MemoryBytes(DATA))
    for member in reader.manifest.members:
        lines = ""
        for block, content in zip(member.blocks, reader.blocks(member.blocks), strict=True):
            assert block.digest == hashlib.sha256(content).hexdigest()
            lines += f"{block.digest} {block.rows} {block.bytes}\n"
        assert member.digest == hashlib.sha256(lines.encode()).hexdigest()
    with tarfile.open(fileobj=io.BytesIO(DATA), mode="r:gz") as tar:
        (found,) = [tar.extractfile(each) for each in tar if each.name.endswith("/manifest.json")]
        assert found is not None
        assert reader.digest == hashlib.sha256(found.read()).hexdigest()


def test_the_schema_knows_every_table() -> None:
    """Rows of a table that schema.json does not have are damage; so is another schema.json."""
    good = hostile.raw()
    assert ArchiveReader(MemoryBytes(hostile.build(good))).schema() == hostile.SCHEMA
    for name, says in (
        ("a schema that lacks a table", "has rows of users, which schema.json does not list"),
        ("a schema that is no JSON", r"schema\.json cannot be read"),
        ("a schema with half a foreign key", "a foreign key of users has 2 columns for 1"),
    ):
        draft, _ = hostile.CONTENT[name]
        with pytest.raises(BadArchive, match=says):
            ArchiveReader(MemoryBytes(hostile.build(draft))).schema()


def test_a_local_file(tmp_path: Path) -> None:
    """An archive on disk is read by range, and where it is too short that is damage."""
    path = tmp_path / "a.tar.gz"
    path.write_bytes(DATA)
    assert ArchiveReader(LocalFile(path)).member("t.ndjson").rows == 300
    with pytest.raises(BadArchive, match=r"a\.tar\.gz: ends before"):
        LocalFile(path).read(len(DATA) - 1, 2)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 10 * 512])
def test_tar_blocks(size: int) -> None:
    """A file of any length around tar's block of 512 bytes is followed by the next one."""
    data, _ = archive({}, {"a": b"a" * size, "b": b"b"})
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        assert [m.size for m in tar] == [size, 1, tar.getmember(f"{VERSION}/manifest.json").size]


def test_several_spools_are_one_member(tmp_path: Path) -> None:
    """Workers' spools of one table follow each other in the order given, and are deleted."""
    sink = io.BytesIO()
    writer = ArchiveWriter(sink, "raw", VERSION)
    spools = [spool_rows(tmp_path / f"{i}", [[b"%d" % i] * i]) for i in (3, 1, 2)]
    member = writer.add_rows("t.ndjson", spools, table="t")
    writer.finish()
    rows = [b"3"] * 3 + [b"1"] + [b"2"] * 2
    assert read_rows(ArchiveReader(MemoryBytes(sink.getvalue())), "t") == rows
    assert member.fingerprint == str(Fingerprint.of(rows))
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_spool(tmp_path: Path) -> None:
    """A spool that changed on the disk stops the archive."""
    spool = spool_rows(tmp_path / "spool", [[b"row"] * 9])
    data = bytearray((tmp_path / "spool").read_bytes())
    data[-5] ^= 1
    (tmp_path / "spool").write_bytes(data)
    with pytest.raises(BadArchive, match="spool: a block changed after a worker had written it"):
        ArchiveWriter(io.BytesIO(), "raw", VERSION).add_rows("t.ndjson", [spool], table="t")


def test_finish_keeps_what_the_flow_adds() -> None:
    """The manifest has the flow's source, exclusions, warnings and facts beside the index."""
    sink = io.BytesIO()
    writer = ArchiveWriter(sink, "dump", VERSION)
    member = writer.add_file("a", b"x")
    given_by_flow = Manifest(
        "?", "raw", "?", (), {"s": 1}, (Exclusion("t", "why", 2),), ("w",), {"f": {"x": 1}}
    )
    manifest = writer.finish(given_by_flow)
    assert (manifest.format, manifest.kind, manifest.version) == (
        manifests.FORMAT,
        "dump",
        str(VERSION),
    )
    assert manifest.members == (member,)
    assert manifest.source == {"s": 1}
    assert manifest.exclusions[0].reason == "why"
    assert (manifest.warnings, manifest.facts) == (("w",), {"f": {"x": 1}})
    assert ArchiveReader(MemoryBytes(sink.getvalue())).manifest == manifest


@given(st.lists(st.dictionaries(st.text("abc", max_size=3), st.integers(0, 99), max_size=3)))
def test_documents_are_split(documents: Sequence[dict[str, int]]) -> None:
    """A block of BSON is its documents, one after the other."""
    encoded = [bson.encode(document) for document in documents]
    assert list(split_documents(b"".join(encoded))) == encoded


def test_a_large_document() -> None:
    """Its length has four bytes."""
    large = (1 << 24 | 5).to_bytes(4, "little") + bytes(1 << 24 | 1)
    assert list(split_documents(large + b"\x05\0\0\0\0")) == [large, b"\x05\0\0\0\0"]


@pytest.mark.parametrize(
    "content",
    [
        b"\x05",
        b"\x04\x00\x00\x00",
        b"\x04\x00\x00\x00\x00",
        b"\x06\x00\x00\x00\x00",
        b"\x00\x00\x00\x00\x00",
        b"\xff\xff\xff\xff\x00",
        b"\x05\x00\x00\x00\x00\x00",
    ],
)
def test_impossible_documents(tmp_path: Path, content: bytes) -> None:
    """BSON whose lengths do not fit is an error, and damage where an archive holds it."""
    with pytest.raises(ValueError, match="impossible length"):
        list(split_documents(content))
    sink = io.BytesIO()
    writer = ArchiveWriter(sink, "dump", VERSION)
    spool = spool_rows(tmp_path / "spool", [[content + content]])  # a newline follows
    member = writer.add_rows("d/c.bson", [spool], collection="c")
    writer.finish()
    with pytest.raises(BadArchive, match="impossible length"):
        ArchiveReader(MemoryBytes(sink.getvalue())).verify(member)
