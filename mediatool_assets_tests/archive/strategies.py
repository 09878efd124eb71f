"""Hypothesis strategies for archives: rows, and the tables and files that hold them."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
from hypothesis import strategies as st

from mediatool_assets.archive.writer import ArchiveWriter, spool_rows
from mediatool_assets.core.errors import BadArchive
from mediatool_assets.core.manifest import Manifest
from mediatool_assets.core.version import Version

VERSION = Version.parse("20250621-143000")

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
ROWS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8), VALUES, max_size=5
).map(orjson.dumps)
"""NDJSON rows: JSON never holds a newline of its own."""

NAMES = st.one_of(
    st.from_regex(r"[a-z_]{1,20}", fullmatch=True),
    st.text("abcäöü😀 $%+'\"", min_size=1, max_size=40),
    st.just("a" * 160),
)
TABLES = st.dictionaries(NAMES, st.lists(ROWS, max_size=30), max_size=4)


class MemoryBytes:
    """A Bytes in memory that remembers which ranges were read."""

    name = "memory"

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.reads: list[tuple[int, int]] = []

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return len(self.data)

    def read(self, start: int, length: int) -> bytes:
        """A range of it, which is remembered."""
        self.reads.append((start, length))
        if start + length > len(self.data):
            raise BadArchive(self.name, "too short")
        return self.data[start : start + length]


def archive(
    tables: Mapping[str, Sequence[bytes]], files: Mapping[str, bytes] | None = None, batch: int = 7
) -> tuple[bytes, Manifest]:
    """An archive of tables, each from one spool fed ``batch`` rows at a time, and of files."""
    sink = io.BytesIO()
    writer = ArchiveWriter(sink, "raw", VERSION)
    with TemporaryDirectory() as scratch:
        for name, rows in tables.items():
            batches = (rows[i : i + batch] for i in range(0, len(rows), batch))
            spool = spool_rows(Path(scratch, "spool"), batches)
            writer.add_rows(f"{name}.ndjson", [spool], table=name)
        for name, data in (files or {}).items():
            writer.add_file(name, data)
        manifest = writer.finish()
    return sink.getvalue(), manifest
