"""Writes an archive from rows that workers read and send; the coordinator only sees counts."""

from collections.abc import Sequence
from typing import Protocol

from mediatool_assets.archive.spool import BlockRun, Spooled
from mediatool_assets.archive.writer import ArchiveWriter, Sink
from mediatool_assets.domain.manifest import ArchiveKind
from mediatool_assets.domain.version import Version


class JoiningSink(Sink, Protocol):
    """A sink that can be told where bytes are, in place of being given them."""

    def copy(self, run: BlockRun, /) -> object:
        """Take blocks, whose source stays as it is until the end; workers read and prove them."""


class JoiningWriter(ArchiveWriter):
    """An ArchiveWriter of spools that lie where workers and the sink can reach them.

    The bytes are those of an ArchiveWriter.
    """

    def __init__(self, sink: JoiningSink, kind: ArchiveKind, version: Version) -> None:
        super().__init__(sink, kind, version)
        self._joining = sink

    def _ship(self, spools: Sequence[Spooled]) -> None:
        for spool in spools:
            for run in spool.runs():
                self._joining.copy(run)
