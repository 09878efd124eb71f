"""Reads the blocks of an archive again: all of them, or today's sample."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mediatool_assets.archive.grouping import block_shares
from mediatool_assets.archive.reader import ArchiveReader, split_documents, split_lines
from mediatool_assets.domain.errors import BadArchive, MediatoolError
from mediatool_assets.domain.manifest import Block, Member
from mediatool_assets.domain.sampling import DailySample
from mediatool_assets.flows.verify.stores import ArchiveReading, Verification
from mediatool_assets.flows.workers.ordered_results import in_order


@dataclass(frozen=True, slots=True)
class MemberBlocks:
    """Blocks of one file of an archive, for one worker to read; all of them if ``whole``."""

    archive: ArchiveReader
    member: Member
    blocks: tuple[Block, ...]
    whole: bool


def read_blocks(run: Verification, reading: ArchiveReading) -> None:
    """Compare today's sample of an archive's blocks with its manifest.

    If everything is read, every file must have its length, SHA-256 and fingerprint. For a damaged
    file, the damaged byte range of the archive is reported; all other files are still read.
    """
    reader = reading.reader
    if reader is None:
        return
    try:
        members = reader.manifest.members
        source = ArchiveReader(reader.source)  # workers need no manifest
        work = list(_sampled(run.sample, source, members))
        reading.total = sum(len(member.blocks) for member in members)
        size = sum(block.bytes for item in work for block in item.blocks)
        with in_order(run.executor, damages, work) as inspected:
            for item, found in zip(work, inspected, strict=True):
                for damage in found:
                    reading.add(damage)
                reading.checked += len(item.blocks)
                reading.bytes += sum(block.bytes for block in item.blocks)
                run.progress(reading.part, reading.bytes, size, "bytes")
    except MediatoolError as error:
        reading.add(error)


def whole(archive: ArchiveReader, members: Iterable[Member]) -> Iterator[MemberBlocks]:
    """Every block of these files, one share per file."""
    return (MemberBlocks(archive, member, member.blocks, whole=True) for member in members)


def _sampled(
    sample: DailySample, archive: ArchiveReader, members: Iterable[Member]
) -> Iterator[MemberBlocks]:
    """Today's sample of the blocks of all files together."""
    if sample.is_whole:
        yield from whole(archive, members)
        return
    blocks = sample.choose((m, block) for m in members for block in m.blocks)
    for member in members:
        own = [block for owner, block in blocks if owner is member]
        for some in block_shares(own):
            yield MemberBlocks(archive, member, tuple(some), whole=False)


def damages(work: MemberBlocks) -> list[str]:
    """In a worker: return the problems of these blocks."""
    member = work.member
    if work.whole:
        try:
            work.archive.verify(member)
        except BadArchive as error:
            return [*_damaged(work)] or [f"{_range(member, work.blocks)}: {error.problem}"]
        count = int((member.fingerprint or str(member.rows)).partition(":")[0])
        if count != member.rows:
            return [f"{member.name}: {count} rows, its manifest says {member.rows}"]
        return []
    return [*_damaged(work)]


def _damaged(work: MemberBlocks) -> Iterator[str]:
    """Each block that does not match the manifest, with its place in the archive."""
    for block in work.blocks:
        try:
            [content] = work.archive.blocks([block])
            rows = _rows(work.member, content)
        except BadArchive as error:
            yield error.problem
        except ValueError as error:
            yield f"{work.archive.place(block)}: {error}"
        else:
            if rows != block.rows:
                place = work.archive.place(block)
                yield f"{place}: {rows} rows, its manifest says {block.rows}"


def _rows(member: Member, content: bytes) -> int:
    """The number of rows in a block; raises ValueError if it cannot be split."""
    if member.collection is not None:
        return sum(1 for _ in split_documents(content))
    return len(split_lines(content)) if member.table is not None else 0


def _range(member: Member, blocks: tuple[Block, ...]) -> str:
    """A file's byte range in the archive, as for ``aws s3api --range``."""
    if not blocks:
        return member.name
    return f"{member.name}: bytes {blocks[0].offset}-{blocks[-1].offset + blocks[-1].length - 1}"
