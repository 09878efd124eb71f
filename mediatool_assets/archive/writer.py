"""Writes an archive front to back into a sink, checking on the way what the workers counted."""

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
from mediatool_assets.domain.manifest import Block, Manifest, Member
from mediatool_assets.domain.version import Version


class Sink(Protocol):
    """Takes bytes in order; what was written counts only once its owner has closed it well."""

    def write(self, data: bytes, /) -> object:
        """Take all of ``data``."""


class ArchiveWriter:
    """One archive, member by member, ``finish`` last.

    Members are written as they are added; the order of the calls is the order in the archive. The
    writer keeps no content, only the index.
    """

    def __init__(self, sink: Sink, kind: manifests.ArchiveKind, version: Version) -> None:
        self._sink, self._kind, self._version = sink, kind, version
        self._offset = 0
        self._padding = b""
        self._members: list[Member] = []

    def add_file(self, name: str, data: bytes) -> Member:
        """Add a small file that is held in memory."""
        self._header(name, len(data))
        block = self._block(compress(data), 0, len(data))
        member = Member(name, 0, len(data), hashlib.sha256(data).hexdigest(), (block,))
        return self._close(member)

    def add_rows(
        self,
        name: str,
        spools: Sequence[Spooled],
        *,
        table: str | None = None,
        collection: str | None = None,
    ) -> Member:
        """Add a file of rows from its workers' spools, in order, and delete the spools.

        Each block is read back and decompressed before it is shipped: its length and the file's
        SHA-256 are of what the archive holds, not of what a worker said. Raises CountMismatch.
        """
        size = sum(spool.bytes for spool in spools)
        self._header(name, size)
        blocks, digest = self._ship(name, spools)
        fingerprint = sum((spool.fingerprint for spool in spools), Fingerprint())
        return self._close(
            Member(
                name,
                fingerprint.count,
                size,
                digest,
                blocks,
                fingerprint=str(fingerprint),
                table=table,
                collection=collection,
            )
        )

    def _ship(self, name: str, spools: Sequence[Spooled]) -> tuple[tuple[Block, ...], str]:
        """Write what was spooled; its blocks, and the SHA-256 of their content."""
        digest = hashlib.sha256()
        blocks: list[Block] = []
        for spool in spools:
            for run in spool.runs():
                for block, packed, content in run.unpack(run.read(), name):
                    digest.update(content)
                    blocks.append(self._block(packed, block.rows, block.bytes))
            discard(spool.source)
        return tuple(blocks), digest.hexdigest()

    def finish(self, manifest: Manifest | None = None) -> Manifest:
        """Write the manifest, the end of the tar file and the footer; return the manifest.

        ``manifest`` brings source, exclusions, warnings and facts; format, kind, version and
        members are the writer's own.
        """
        own = Manifest(manifests.FORMAT, self._kind, str(self._version), self._sealed())
        if manifest is not None:
            own = msgspec.structs.replace(
                manifests.shortened(manifest),
                format=own.format,
                kind=own.kind,
                version=own.version,
                members=own.members,
            )
        data = manifests.encode(own)
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

    def _block(self, packed: bytes, rows: int, size: int) -> Block:
        block = Block(self._offset, len(packed), rows, size)
        self._write(packed)
        return block

    def _sealed(self) -> tuple[Member, ...]:
        """All members, with their digests."""
        return tuple(self._members)

    def _close(self, member: Member) -> Member:
        self._members.append(member)
        return member

    def _write(self, data: bytes) -> None:
        self._sink.write(data)
        self._offset += len(data)
