"""An archive of a version read again: every byte of it, or today's share of its blocks."""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Literal

from mediatool_assets.archive.reader import ArchiveReader, split_documents, split_lines
from mediatool_assets.domain.errors import (
    BadArchive,
    CheckFailed,
    NotFound,
    Refused,
    Unreachable,
)
from mediatool_assets.domain.keys import archive_key
from mediatool_assets.domain.manifest import Block, Manifest, Member
from mediatool_assets.domain.metadata import DumpExport, RawExport, TransformedExport
from mediatool_assets.domain.verdict import Check, Share
from mediatool_assets.domain.version import Version
from mediatool_assets.flows import archives
from mediatool_assets.flows.complete import sha256_of
from mediatool_assets.flows.fetch import Fetchable
from mediatool_assets.flows.ports import ObjectStore, Progress
from mediatool_assets.flows.tasks import in_order

Published = RawExport | TransformedExport | DumpExport


@dataclass(frozen=True, slots=True)
class Round:
    """One verification of one version: which share of it is read, and by whom."""

    version: Version
    share: Share
    executor: Executor
    progress: Progress


@dataclass
class ArchiveCheck:
    """One archive of a version, held against its manifest and against the metadata file.

    Read whole, it has to have its SHA-256, and every file its length, SHA-256 and fingerprint. Of a
    damaged file the damaged bytes of the archive are named; all other files are read all the same.
    """

    round: Round
    objects: ObjectStore
    kind: Fetchable
    published: Published
    manifest: Manifest | None = None
    """What the archive says that it holds, once it could be read."""
    findings: list[str] = field(default_factory=list)
    checked: int = 0
    total: int = 0
    bytes: int = 0

    def run(self, *, blocks: bool = True) -> Check:
        """Read it; what cannot be reached is unknown, unless it is known to be damaged.

        Without ``blocks`` it is held against the metadata file only.
        """
        uri = self.objects.uri(archive_key(self.kind, self.round.version))
        try:
            self._read(blocks=blocks)
        except (BadArchive, NotFound, CheckFailed) as error:
            self.findings.append(str(error))
        except (Unreachable, Refused) as error:
            known = bool(self.findings)
            self.findings.append(str(error))
            return self._check(uri, "failed" if known else "unknown")
        return self._check(uri, "failed" if self.findings else "passed")

    def _check(self, uri: str, outcome: Literal["passed", "failed", "unknown"]) -> Check:
        findings = tuple(self.findings)
        return Check(self.kind, uri, outcome, self.checked, self.total, self.bytes, findings)

    def _read(self, *, blocks: bool) -> None:
        reader = ArchiveReader(self.objects.open(archive_key(self.kind, self.round.version)))
        if reader.source.size != self.published.size_bytes:
            self.findings.append(
                f"it has {reader.source.size} bytes, its metadata says {self.published.size_bytes}"
            )
        if self.round.share.whole:
            with in_order(self.round.executor, sha256_of, [reader.source]) as digests:
                if next(digests) != self.published.sha256:
                    self.findings.append("it does not have the SHA-256 that its metadata gives")
        if not blocks:
            return
        archives.expect(reader, self.kind, self.round.version)
        reader.check_tar()
        self.manifest = reader.manifest
        self._read_blocks(reader, self.manifest)

    def _read_blocks(self, reader: ArchiveReader, manifest: Manifest) -> None:
        source = ArchiveReader(reader.source)  # workers need no manifest
        if self.round.share.whole:
            shares = [_Share(source, m, m.blocks, whole=True) for m in manifest.members]
        else:
            shares = list(_sampled(source, manifest, self.round.share))
        self.total = sum(len(member.blocks) for member in manifest.members)
        size = sum(block.bytes for share in shares for block in share.blocks)
        with in_order(self.round.executor, inspect, shares) as inspected:
            for share, findings in zip(shares, inspected, strict=True):
                self.findings += findings
                self.checked += len(share.blocks)
                self.bytes += sum(block.bytes for block in share.blocks)
                self.round.progress(self.kind, self.bytes, size)


@dataclass(frozen=True, slots=True)
class _Share:
    """Blocks of one file, for one worker to read; all of them where it is ``whole``."""

    reader: ArchiveReader
    member: Member
    blocks: tuple[Block, ...]
    whole: bool


def _sampled(reader: ArchiveReader, manifest: Manifest, share: Share) -> Iterator[_Share]:
    """Today's share of the blocks of all files together."""
    blocks = share.of((m, block) for m in manifest.members for block in m.blocks)
    for member in manifest.members:
        own = [block for of, block in blocks if of is member]
        for some in archives.shares(own):
            yield _Share(reader, member, tuple(some), whole=False)


def inspect(share: _Share) -> list[str]:
    """In a worker: what is wrong with these blocks; nothing where all is right."""
    if share.whole:
        try:
            share.reader.verify(share.member)
        except BadArchive as error:
            return [*_damaged(share)] or [f"{_range(share.member, share.blocks)}: {error.problem}"]
        return []
    return [*_damaged(share)]


def _damaged(share: _Share) -> Iterator[str]:
    """Each block that does not hold what the manifest says, by its place in the archive."""
    for block in share.blocks:
        try:
            [content] = share.reader.blocks([block])
            rows = _rows(share.member, content)
        except (BadArchive, ValueError) as error:
            problem = error.problem if isinstance(error, BadArchive) else str(error)
            yield f"{_range(share.member, (block,))}: {problem}"
            continue
        if rows != block.rows:
            yield f"{_range(share.member, (block,))}: {rows} rows, its manifest says {block.rows}"


def _rows(member: Member, content: bytes) -> int:
    """How many rows a block holds; raises ValueError where they cannot be told apart."""
    if member.collection is not None:
        return sum(1 for _ in split_documents(content))
    return len(split_lines(content)) if member.table is not None else 0


def _range(member: Member, blocks: tuple[Block, ...]) -> str:
    """A file of the archive, and where in the archive the bytes lie: for ``aws s3api --range``."""
    if not blocks:
        return member.name
    return f"{member.name}: bytes {blocks[0].offset}-{blocks[-1].offset + blocks[-1].length - 1}"
