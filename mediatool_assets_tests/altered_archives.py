"""Archives of which somebody changed one block, and left all else as it was."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mediatool_assets.archive import spool as spools
from mediatool_assets.archive.reader import ArchiveReader, split_documents, split_lines
from mediatool_assets.archive.spool import Spooled, spool_rows
from mediatool_assets.archive.writer import ArchiveWriter
from mediatool_assets.domain.manifest import Member
from mediatool_assets.domain.version import Version


def altered(archive: ArchiveReader, name: str, old: bytes, new: bytes, path: Path) -> None:
    """The archive at ``path``, in blocks of some rows; of ``name`` those with ``old`` are changed.

    The blocks are sound gzip of the changed rows, of the same lengths; the manifest's digests and
    fingerprints are of the rows as they were.
    """
    version = Version.parse(archive.manifest.version)
    with path.open("wb") as file, tempfile.TemporaryDirectory() as scratch:
        writer = ArchiveWriter(file, archive.manifest.kind, version)
        for member in archive.manifest.members:
            contents = list(archive.blocks(member.blocks))
            if member.fingerprint is None:
                writer.add_file(member.name, b"".join(contents))
                continue
            rows = [row for content in contents for row in _rows(member, content)]
            changed = [row.replace(old, new) for row in rows] if member.name == name else rows
            assert (changed != rows) == (member.name == name)
            end = b"\n" if member.table else b""
            real = _spool(Path(scratch, "real"), rows, end)
            shown = _spool(Path(scratch, "shown"), changed, end)
            blocks = tuple(
                each._replace(digest=other.digest)
                for each, other in zip(shown.blocks, real.blocks, strict=True)
            )
            told = replace(shown, blocks=blocks, fingerprint=real.fingerprint)
            writer.add_rows(member.name, [told], table=member.table, collection=member.collection)
        writer.finish(archive.manifest)


def _rows(member: Member, content: bytes) -> list[bytes]:
    return split_lines(content) if member.table else list(split_documents(content))


def _spool(path: Path, rows: Sequence[bytes], end: bytes) -> Spooled:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spools, "BLOCK_BYTES", 500)
        return spool_rows(path, [rows], end)
