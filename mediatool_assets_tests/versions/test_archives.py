"""Archives of a version: published whole, found again, streamed in order."""

from hashlib import sha256
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.archive import reader
from mediatool_assets.archive.reader import sha256_of, stream
from mediatool_assets.archive.writer import ArchiveWriter
from mediatool_assets.core.errors import AlreadyExists, NotFound
from mediatool_assets.core.manifest import Manifest
from mediatool_assets.versions import catalog
from mediatool_assets_tests.archive.strategies import VERSION, MemoryBytes
from mediatool_assets_tests.twins import DirectoryObjects


def _fail(writer: ArchiveWriter) -> Manifest:
    writer.add_file("schema.sql", b"-- x")
    raise OSError("disk full")


@pytest.fixture
def objects(tmp_path: Path) -> DirectoryObjects:
    """An empty bucket."""
    return DirectoryObjects(tmp_path)


def _write(writer: ArchiveWriter) -> Manifest:
    writer.add_file("schema.sql", b"-- x")
    return writer.finish()


def test_published_and_found(objects: DirectoryObjects) -> None:
    """A published archive is found with its URI, size and manifest, and can be read."""
    assert catalog.find(objects, "raw", VERSION) is None
    published = catalog.publish(objects, "raw", VERSION, _write)
    assert catalog.find(objects, "raw", VERSION) == published
    assert published.uri == objects.uri(
        "postgres-exports/raw/2025-06-21/20250621-143000-raw.tar.gz"
    )
    (info,) = objects.list("")
    assert published.size == info.size
    assert catalog.reader(objects, "raw", VERSION).read_file("schema.sql") == b"-- x"


def test_an_archive_is_written_once(objects: DirectoryObjects) -> None:
    """A version's archive is not replaced, and one that failed is not there."""
    with pytest.raises(OSError, match="disk full"):
        catalog.publish(objects, "raw", VERSION, _fail)
    assert catalog.find(objects, "raw", VERSION) is None
    catalog.publish(objects, "raw", VERSION, _write)
    with pytest.raises(AlreadyExists):
        catalog.publish(objects, "raw", VERSION, _write)


def test_what_was_not_made(objects: DirectoryObjects) -> None:
    """Reading an archive that is not there is NotFound, with its key."""
    with pytest.raises(NotFound, match=r"mediatool_20250621-143000\.tar\.gz"):
        catalog.reader(objects, "dump", VERSION)


@given(st.binary(max_size=200), st.integers(1, 40))
def test_streaming(data: bytes, length: int) -> None:
    """All ranges come, each once, in their order."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "_STREAMED_RANGE_BYTES", length)
        source = MemoryBytes(data)
        assert b"".join(stream(source)) == data
    assert sorted(source.reads) == [
        (start, min(length, len(data) - start)) for start in range(0, len(data), length)
    ]


class Large:
    """A source of 40 MiB and a byte; ranges are answered four at once."""

    name, size = "large", (40 << 20) + 1

    def __init__(self) -> None:
        self.reads: list[tuple[int, int]] = []
        self.four = Barrier(4, timeout=60)

    def read(self, start: int, length: int) -> bytes:
        """A byte that tells which of the ranges it is."""
        self.reads.append((start, length))
        if start < 32 << 20:
            self.four.wait()
        return bytes([start >> 23])


def test_four_ranges_of_8_mib_are_read_at_once() -> None:
    """No more are kept in memory; they come in order, as does their digest."""
    source = Large()
    ranges = stream(source)
    assert next(ranges) == b"\0"
    assert sorted(source.reads) == [(n << 23, 8 << 20) for n in range(4)]
    assert b"".join(ranges) == bytes(range(1, 6))
    assert sorted(source.reads)[4:] == [(32 << 20, 8 << 20), (40 << 20, 1)]
    assert sha256_of(Large()) == sha256(bytes(range(6))).hexdigest()
