"""Spools: blocks are cut by the rows alone, and what was counted is what is there."""

from pathlib import Path
from tempfile import TemporaryDirectory

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.archive import writer
from mediatool_assets.archive.reader import Bytes
from mediatool_assets.archive.writer import (
    BLOCK_BYTES,
    Spooled,
    SpooledBlock,
    discard,
    spool_documents,
    spool_rows,
)
from mediatool_assets.core.errors import BadArchive
from mediatool_assets.core.manifest import Fingerprint
from mediatool_assets_tests.archive.strategies import MemoryBytes


def contents(spool: Spooled) -> list[bytes]:
    """The content of every block of a spool."""
    assert spool.length == spool.source.size
    return [content for run in spool.runs() for content in run.contents()]


def whole(source: Bytes) -> bytes:
    """All that is there."""
    return source.read(0, source.size)


@given(st.lists(st.lists(st.binary(max_size=20), max_size=5), max_size=8))
def test_everything_is_there(batches: list[list[bytes]]) -> None:
    """Every row of every batch comes back in its order, and rows and bytes are counted."""
    rows = [row for batch in batches for row in batch]
    with TemporaryDirectory() as folder:
        spool = spool_rows(Path(folder, "rows"), batches)
        content = b"".join(contents(spool))
    assert content == b"".join(row + b"\n" for row in rows)
    assert (spool.rows, spool.fingerprint) == (len(rows), Fingerprint.of(rows))
    assert spool.bytes == sum(len(row) + 1 for row in rows)


@given(sizes=st.lists(st.integers(0, 60), max_size=40), batch=st.integers(1, 10))
def test_blocks_are_cut_by_rows(sizes: list[int], batch: int) -> None:
    """However rows arrive, the blocks are the same bytes; none but the last is below the bound."""
    rows = [bytes([65 + i % 26]) * size for i, size in enumerate(sizes)]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "BLOCK_BYTES", 100)
        patch.setattr(writer, "_RUN_BYTES", 150)
        one = spool_rows(Path(folder, "one"), [rows])
        batches = [rows[i : i + batch] for i in range(0, len(rows), batch)]
        other = spool_rows(Path(folder, "other"), batches)
        assert whole(one.source) == whole(other.source)
        assert all(content.endswith(b"\n") for content in contents(one))
    assert one.blocks == other.blocks
    assert all(100 <= block.bytes < 100 + 61 for block in one.blocks[:-1])


def test_a_large_row(tmp_path: Path) -> None:
    """A row larger than a block is whole in one block of its own size."""
    row = b"x" * (3 * BLOCK_BYTES)
    spool = spool_rows(tmp_path / "spool", [[b"a", row, b"b"]])
    assert [block.rows for block in spool.blocks] == [2, 1]
    assert contents(spool) == [b"a\n" + row + b"\n", b"b\n"]


DOCUMENT = bson.encode({"_id": 1})


@pytest.mark.parametrize("damaged", [b"", DOCUMENT + b"\0"])
def test_a_block_that_does_not_unpack_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bytes
) -> None:
    """Where no step reads the blocks before they are published; a sound block passes."""
    path = tmp_path / "spool"
    assert contents(spool_documents(path, [DOCUMENT], unpacked=True)) == [DOCUMENT]
    monkeypatch.setattr(writer, "decompress", lambda *_: damaged)
    assert spool_documents(path, [DOCUMENT]).rows == spool_rows(path, [[DOCUMENT]]).rows == 1
    with pytest.raises(BadArchive, match="a block does not unpack to what was packed"):
        spool_documents(path, [DOCUMENT], unpacked=True)
    with pytest.raises(BadArchive, match="a block does not unpack to what was packed"):
        spool_rows(path, [[DOCUMENT]], unpacked=True)


@given(sizes=st.lists(st.integers(0, 60), max_size=40), batch=st.integers(1, 10))
@pytest.mark.parametrize("native", ["yes", "no"])
def test_documents_in_any_batches_give_the_same_blocks(
    native: str, sizes: list[int], batch: int
) -> None:
    """The same blocks and bytes, however they arrive and whoever finds where a block ends."""
    documents = [bson.encode({"": bytes(size)}) for size in sizes]
    joined = [b"".join(documents[i : i + batch]) for i in range(0, len(documents), batch)]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "BLOCK_BYTES", 100)
        patch.setenv("MEDIATOOL_NATIVE", native)
        one = spool_documents(Path(folder, "one"), documents)
        other = spool_documents(Path(folder, "other"), [*joined, b""])
        assert whole(one.source) == whole(other.source)
        assert b"".join(contents(one)) == b"".join(documents)
    assert (one.blocks, one.fingerprint) == (other.blocks, other.fingerprint)
    assert one.fingerprint == Fingerprint.of(documents)


def test_a_block_ends_where_it_is_large_enough(tmp_path: Path) -> None:
    """At 2 MiB of rows with their newlines, neither a byte before nor a row later."""
    half = b"x" * ((1 << 20) - 1)
    rows = [half, half[1:], b"", half, half, b"", half + half + b"y", b"z"]
    spool = spool_rows(tmp_path / "spool", [rows])
    assert [block.rows for block in spool.blocks] == [3, 2, 2, 1]
    assert [block.bytes for block in spool.blocks] == [1 << 21, 1 << 21, (1 << 21) + 1, 2]


def test_blocks_are_read_8_mib_at_once() -> None:
    """Neighbours together up to that, and a larger block by itself."""
    mib = 1 << 20
    lengths = [4 * mib, 4 * mib, 1, 8 * mib, 9 * mib, 3 * mib, 5 * mib + 1]
    blocks = tuple(SpooledBlock(length, 1, 1, "", 0) for length in lengths)
    spool = Spooled(MemoryBytes(b""), blocks, Fingerprint())
    assert [(run.start, run.length) for run in spool.runs()] == [
        (0, 8 * mib),
        (8 * mib, 1),
        (8 * mib + 1, 8 * mib),
        (16 * mib + 1, 9 * mib),
        (25 * mib + 1, 3 * mib),
        (28 * mib + 1, 5 * mib + 1),
    ]
    assert list(Spooled(MemoryBytes(b""), (), Fingerprint()).runs()) == []


def test_what_others_could_write_to_is_proven(tmp_path: Path) -> None:
    """Each block's content has the digest of its worker; whole bytes of other content have not."""
    spool = spool_rows(tmp_path / "spool", [[b"a" * BLOCK_BYTES, b"b" * BLOCK_BYTES, b"c"]])
    (run,) = spool.runs()
    assert run.proven() == whole(spool.source)
    for number in range(3):
        blocks = list(run.blocks)
        blocks[number] = blocks[number]._replace(digest="0" * 64)
        with pytest.raises(BadArchive, match="a block does not have the SHA-256 that its worker"):
            run._replace(blocks=tuple(blocks)).proven()


def test_a_spool_is_discarded_on_disk_alone(tmp_path: Path) -> None:
    """What is staged elsewhere goes all together, later."""
    spool = spool_rows(tmp_path / "spool", [[b"row"]])
    discard(MemoryBytes(b""))
    assert (tmp_path / "spool").exists()
    discard(spool.source)
    assert not (tmp_path / "spool").exists()
