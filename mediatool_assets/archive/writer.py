"""Writes an archive to a sink, and compares the content with what the workers counted."""

import hashlib
import tarfile
from collections.abc import Sequence
from typing import Protocol

import msgspec

from mediatool_assets.archive.gzip_members import compress, footer
from mediatool_assets.archive.layout import MANIFEST
from mediatool_assets.archive.spool import Spooled, discard
from mediatool_assets.domain import manifest as manifests
from mediatool_assets.domain.fingerprint import Fingerprint
from mediatool_assets.domain.manifest import Block, Manifest, Member, digest_of
from mediatool_assets.domain.version import Version


class Sink(Protocol):
    """Accepts bytes in order; they are only valid after its owner has closed it successfully."""

    def write(self, data: bytes, /) -> object:
        """Write all of ``data``."""


class ArchiveWriter:
    """One archive, member by member; call ``finish`` last.

    Members are written as they are added; the order of the calls is the order in the archive. The
    writer keeps only the index in memory.
    """

    def __init__(self, sink: Sink, kind: manifests.ArchiveKind, version: Version) -> None:
        self._sink, self._kind, self._version = sink, kind, version
        self._offset = 0
        self._padding = b""
        self._members: list[Member] = []

    def add_file(self, name: str, data: bytes) -> Member:
        """Add a small file that is held in memory."""
        self._header(name, len(data))
        packed = compress(data)
        block = self._next(len(packed), 0, len(data), hashlib.sha256(data).hexdigest())
        self._sink.write(packed)
        return self._close(Member(name, 0, len(data), (block,), digest_of([block])))

    def add_rows(
        self,
        name: str,
        spools: Sequence[Spooled],
        *,
        table: str | None = None,
        collection: str | None = None,
    ) -> Member:
        """Add a file of rows from its workers' spools, in order, and delete the spools.

        The compressed blocks are copied, and compared with the workers' checksums: raises
        BadArchive.
        """
        size = sum(spool.bytes for spool in spools)
        self._header(name, size)
        blocks = tuple(
            self._next(block.length, block.rows, block.bytes, block.digest)
            for spool in spools
            for block in spool.blocks
        )
        self._ship(spools)
        fingerprint = sum((spool.fingerprint for spool in spools), Fingerprint())
        return self._close(
            Member(
                name,
                fingerprint.count,
                size,
                blocks,
                digest_of(blocks),
                fingerprint=str(fingerprint),
                table=table,
                collection=collection,
            )
        )

    def _ship(self, spools: Sequence[Spooled]) -> None:
        """Write the blocks of the spools."""
        for spool in spools:
            for run in spool.runs():
                for _, packed in run.packed():
                    self._sink.write(packed)
            discard(spool.source)

    def finish(self, manifest: Manifest | None = None) -> Manifest:
        """Write the manifest, the end of the tar file and the footer; return the manifest.

        ``manifest`` provides source, exclusions, warnings and facts; the writer sets format, kind,
        version and members.
        """
        own = Manifest(manifests.FORMAT, self._kind, str(self._version), tuple(self._members))
        if manifest is not None:
            own = msgspec.structs.replace(
                manifests.shortened(manifest),
                format=own.format,
                kind=own.kind,
                version=own.version,
                members=own.members,
            )
        data = own.to_json()
        self._header(MANIFEST, len(data))
        packed = compress(data)
        start = self._offset
        self._write(packed)
        self._write(compress(bytes(-len(data) % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE)))
        self._write(footer(start, len(packed)))
        return own

    def _header(self, name: str, size: int) -> None:
        info = tarfile.TarInfo(f"{self._version}/{name}")
        info.size = size
        info.mtime = int(self._version.moment.timestamp())
        header = info.tobuf(tarfile.PAX_FORMAT)
        self._write(compress(self._padding + header))
        self._padding = bytes(-size % tarfile.BLOCKSIZE)

    def _next(self, length: int, rows: int, size: int, digest: str) -> Block:
        """The next block, with ``length`` compressed bytes."""
        block = Block(self._offset, length, rows, size, digest)
        self._offset += length
        return block

    def _close(self, member: Member) -> Member:
        self._members.append(member)
        return member

    def _write(self, data: bytes) -> None:
        self._sink.write(data)
        self._offset += len(data)
