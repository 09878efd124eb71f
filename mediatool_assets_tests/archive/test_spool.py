"""Spools: blocks are cut by the rows alone, and what was counted is what is there."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.archive import spool as spools
from mediatool_assets.archive.reader import Bytes
from mediatool_assets.archive.spool import BLOCK_BYTES, Spooled, spool_rows
from mediatool_assets.domain.fingerprint import Fingerprint


def contents(spool: Spooled) -> list[bytes]:
    """The content of every block of a spool."""
    assert spool.length == spool.source.size
    return [content for run in spool.runs() for content in run.contents()]


def whole(source: Bytes) -> bytes:
    """All that is there."""
    return source.read(0, source.size)


@given(st.lists(st.lists(st.binary(max_size=20), max_size=5), max_size=8))
@pytest.mark.parametrize("end", [b"\n", b""])
def test_everything_is_there(end: bytes, batches: list[list[bytes]]) -> None:
    """Every row of every batch comes back in its order, and rows and bytes are counted."""
    rows = [row for batch in batches for row in batch]
    with TemporaryDirectory() as folder:
        spool = spool_rows(Path(folder, "rows"), batches, end)
        content = b"".join(contents(spool))
    assert content == b"".join(row + end for row in rows)
    assert (spool.rows, spool.fingerprint) == (len(rows), Fingerprint.of(rows))
    assert spool.bytes == sum(len(row) + len(end) for row in rows)


@given(sizes=st.lists(st.integers(0, 60), max_size=40), batch=st.integers(1, 10))
def test_blocks_are_cut_by_rows(sizes: list[int], batch: int) -> None:
    """However rows arrive, the blocks are the same bytes; none but the last is below the bound."""
    rows = [bytes([65 + i % 26]) * size for i, size in enumerate(sizes)]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(spools, "BLOCK_BYTES", 100)
        patch.setattr(spools, "_RUN_BYTES", 150)
        one = spool_rows(Path(folder, "one"), [rows], b"\n")
        batches = [rows[i : i + batch] for i in range(0, len(rows), batch)]
        other = spool_rows(Path(folder, "other"), batches, b"\n")
        assert whole(one.source) == whole(other.source)
        assert all(content.endswith(b"\n") for content in contents(one))
    assert one.blocks == other.blocks
    assert all(100 <= block.bytes < 100 + 61 for block in one.blocks[:-1])


def test_a_large_row(tmp_path: Path) -> None:
    """A row larger than a block is whole in one block of its own size."""
    row = b"x" * (3 * BLOCK_BYTES)
    spool = spool_rows(tmp_path / "spool", [[b"a", row, b"b"]], b"")
    assert [block.rows for block in spool.blocks] == [2, 1]
    assert contents(spool) == [b"a" + row, b"b"]
