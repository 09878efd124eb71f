"""Pairs of small raw archives, and what comparing them finds."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from mediatool_assets.archive import FOOTER_BYTES, compress, footer, parse_footer
from mediatool_assets.archive.reader import ArchiveReader, Bytes, LocalFile
from mediatool_assets.compare.flow import compare
from mediatool_assets.compare.row_digests import Masking
from mediatool_assets.core.comparison import Comparison
from mediatool_assets.core.manifest import Exclusion, Manifest
from mediatool_assets.core.model import Model
from mediatool_assets.core.schema import Table
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.raw_archives import raw_archive
from mediatool_assets_tests.twins import DirectoryObjects

ONE, TWO = Version.parse("20250621-020000"), Version.parse("20250622-020000")
NOW = datetime(2025, 6, 22, 3, tzinfo=UTC)

Tables = Mapping[Table, Sequence[Mapping[str, Any] | bytes]]


def archive(
    folder: Path, version: Version, tables: Tables, excluded: Sequence[Exclusion] = ()
) -> LocalFile:
    """A raw archive of these tables as a local file."""
    raw_archive(DirectoryObjects(folder), tables, version=version, excluded=excluded)
    return LocalFile(folder / "objects" / archive_key("raw", version))


def compared(
    folder: Path,
    sources: tuple[Bytes, Bytes],
    model: Model | None = None,
    masking: Masking | None = None,
) -> Comparison:
    """Compare in this process; nothing may be left in scratch."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    with ThreadPoolExecutor(1) as executor:
        found = compare(
            sources, Workspace(executor, scratch, clock=lambda: NOW), model=model, masking=masking
        )
    assert not list(scratch.iterdir())
    return found


def of_archives(folder: Path, one: Tables, two: Tables) -> tuple[LocalFile, LocalFile]:
    """Archives of two versions of these tables."""
    return archive(folder, ONE, one), archive(folder, TWO, two)


def of_tables(folder: Path, one: Tables, two: Tables) -> Comparison:
    """Compare two versions of these tables."""
    return compared(folder, of_archives(folder, one, two))


def with_manifest(file: LocalFile, change: Callable[[Manifest], Manifest]) -> LocalFile:
    """Edit the manifest of an archive in its place, everything else left as it is."""
    data = file.path.read_bytes()
    offset, length = parse_footer(data, file.name)
    packed = compress(change(ArchiveReader(file).manifest).to_json())
    rest = data[offset + length : -FOOTER_BYTES]
    file.path.chmod(0o600)
    file.path.write_bytes(data[:offset] + packed + rest + footer(offset, len(packed)))
    return file


def plain(raw: msgspec.Raw) -> object:
    """A value of an example."""
    return msgspec.json.decode(raw)


@dataclass
class Watched:
    """An archive that remembers which bytes were read of it."""

    source: Bytes
    ranges: list[tuple[int, int]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The path."""
        return self.source.name

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self.source.size

    def read(self, start: int, length: int) -> bytes:
        """Read a range, and remember it."""
        self.ranges.append((start, start + length))
        return self.source.read(start, length)
