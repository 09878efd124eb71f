"""Writes an archive from rows that workers read and send; the coordinator handles only counts."""

from collections.abc import Sequence
from typing import Protocol

from mediatool_assets.archive.spool import BlockRun, Spooled
from mediatool_assets.archive.writer import ArchiveWriter, Sink
from mediatool_assets.domain.manifest import ArchiveKind
from mediatool_assets.domain.version import Version


class JoiningSink(Sink, Protocol):
    """A sink that accepts references to bytes instead of the bytes."""

    def copy(self, run: BlockRun, /) -> object:
        """Append blocks by reference. Workers read and verify them; the source must not change."""


class JoiningWriter(ArchiveWriter):
    """An ArchiveWriter whose spools are in a place that workers and the sink can read.

    It writes the same bytes as an ArchiveWriter.
    """

    def __init__(self, sink: JoiningSink, kind: ArchiveKind, version: Version) -> None:
        super().__init__(sink, kind, version)
        self._joining = sink

    def _ship(self, spools: Sequence[Spooled]) -> None:
        for spool in spools:
            for run in spool.runs():
                self._joining.copy(run)
