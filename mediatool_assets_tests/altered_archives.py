"""Archives of which somebody changed one block, and left all else as it was."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from mediatool_assets.archive import writer as spools
from mediatool_assets.archive.reader import ArchiveReader, split_lines
from mediatool_assets.archive.writer import ArchiveWriter, Spooled, spool_documents, spool_rows
from mediatool_assets.core.manifest import Member
from mediatool_assets.core.version import Version


def altered(archive: ArchiveReader, name: str, old: bytes, new: bytes, path: Path) -> None:
    """The archive at ``path``, in blocks of some rows; of ``name`` those with ``old`` are changed.

    The blocks are sound gzip of the changed rows, of the same lengths; the manifest's digests and
    fingerprints are of the rows as they were.
    """
    version = Version.parse(archive.manifest.version)
    with path.open("wb") as file, tempfile.TemporaryDirectory() as scratch:
        writer = ArchiveWriter(file, archive.manifest.kind, version)
        for member in archive.manifest.members:
            content = b"".join(archive.blocks(member.blocks))
            if member.fingerprint is None:
                writer.add_file(member.name, content)
                continue
            changed = content.replace(old, new) if member.name == name else content
            assert (changed != content) == (member.name == name)
            real = _spool(Path(scratch, "real"), member, content)
            shown = _spool(Path(scratch, "shown"), member, changed)
            blocks = tuple(
                each._replace(digest=other.digest)
                for each, other in zip(shown.blocks, real.blocks, strict=True)
            )
            told = replace(shown, blocks=blocks, fingerprint=real.fingerprint)
            writer.add_rows(member.name, [told], table=member.table, collection=member.collection)
        writer.finish(archive.manifest)


def _spool(path: Path, member: Member, content: bytes) -> Spooled:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spools, "BLOCK_BYTES", 500)
        if member.table:
            return spool_rows(path, [split_lines(content)])
        return spool_documents(path, [content])
