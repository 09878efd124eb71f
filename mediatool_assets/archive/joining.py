"""Writes an archive whose rows the coordinator never sees: workers read, check and send them."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import islice
from typing import Protocol

import msgspec

from mediatool_assets.archive.reader import Bytes
from mediatool_assets.archive.spool import BlockRun, Spooled
from mediatool_assets.archive.writer import ArchiveWriter, Sink
from mediatool_assets.domain.manifest import ArchiveKind, Block, Member
from mediatool_assets.domain.version import Version

_AHEAD = 4  # ranges on their way at once: a request to S3 takes 50 ms or so to answer


class JoiningSink(Sink, Protocol):
    """A sink that can be told where bytes are, in place of being given them."""

    def copy(self, source: Bytes, length: int, /) -> object:
        """Take the first ``length`` bytes of ``source``, which stays as it is until the end."""


class JoiningWriter(ArchiveWriter):
    """An ArchiveWriter of spools that lie where workers and the sink can reach them.

    The bytes are those of an ArchiveWriter. A file's SHA-256 is known when the archive is finished,
    and not before: a worker makes it, while the next files are written.
    """

    def __init__(
        self, sink: JoiningSink, kind: ArchiveKind, version: Version, executor: Executor
    ) -> None:
        super().__init__(sink, kind, version)
        self._joining, self._executor = sink, executor
        self._seals: dict[str, Future[str]] = {}

    def _ship(self, name: str, spools: Sequence[Spooled]) -> tuple[tuple[Block, ...], str]:
        self._seals[name] = self._executor.submit(seal, name, spools)
        blocks: list[Block] = []
        for spool in spools:
            for block in spool.blocks:
                blocks.append(Block(self._offset, block.length, block.rows, block.bytes))
                self._offset += block.length
            self._joining.copy(spool.source, spool.length)
        return tuple(blocks), ""

    def _sealed(self) -> tuple[Member, ...]:
        return tuple(
            msgspec.structs.replace(member, sha256=self._seals[member.name].result())
            if member.name in self._seals
            else member
            for member in super()._sealed()
        )


def seal(name: str, spools: Sequence[Spooled]) -> str:
    """In a worker: the SHA-256 of a file's content, every block of it read and checked.

    Raises BadArchive and CountMismatch. Memory: some ranges of 8 MiB and a block.
    """
    digest = hashlib.sha256()
    for run, data in _read_ahead(run for spool in spools for run in spool.runs()):
        for _, _, content in run.unpack(data, name):
            digest.update(content)
    return digest.hexdigest()


def _read_ahead(runs: Iterable[BlockRun]) -> Iterator[tuple[BlockRun, bytes]]:
    """The runs in order with their bytes, some of them on their way."""
    coming = iter(runs)
    waiting: deque[tuple[BlockRun, Future[bytes]]] = deque()
    with ThreadPoolExecutor(_AHEAD, thread_name_prefix="seal") as pool:
        try:
            waiting.extend((run, pool.submit(run.read)) for run in islice(coming, _AHEAD))
            while waiting:
                run, data = waiting.popleft()
                yield run, data.result()
                waiting.extend((run, pool.submit(run.read)) for run in islice(coming, 1))
        finally:
            for _, data in waiting:
                data.cancel()
