"""Gathers the keys and values that joins need from a table into Parquet files, in a worker.

Only tables and columns that a join needs are gathered. Wide payloads are not, unless a model embeds
them.
"""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mediatool_assets.archive.reader import ArchiveReader, row_count, split_lines
from mediatool_assets.domain.errors import BadArchive
from mediatool_assets.domain.manifest import Block
from mediatool_assets.flows.transform.compiled_columns import CompiledColumns
from mediatool_assets.flows.transform.gathering import GatherRequest, column_arrays
from mediatool_assets.flows.workers.spooling import Spooling
from mediatool_assets.native.library import library


@dataclass(frozen=True, slots=True)
class GatherShare:
    """Consecutive blocks of a table, for one worker."""

    need: GatherRequest
    archive: ArchiveReader
    blocks: tuple[Block, ...]
    first: int
    spools: Spooling
    name: str

    @property
    def ordinals(self) -> range:
        """Of the rows that are gathered."""
        return range(self.first, self.first + sum(block.rows for block in self.blocks))


def gather(share: GatherShare) -> str:
    """Write the share's Parquet file, a row group for each block."""
    return share.spools.file(share.name, lambda path: _gather(share, path))


def _gather(share: GatherShare, path: Path) -> None:
    schema, first = share.need.schema(), share.first
    columns = BlockColumns(share.need, share.archive.source.name)
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        for content in share.archive.blocks(share.blocks):
            arrays = columns.arrays(content, first)
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            first += row_count(content)


class BlockColumns:
    """Makes the columns of one request from blocks, by the codec or without it.

    ``where`` names the archive, for messages.
    """

    def __init__(self, need: GatherRequest, where: str) -> None:
        self._need, self._where = need, where
        codec = library()
        self._compiled = CompiledColumns(codec, need) if codec is not None else None

    def arrays(self, content: bytes, first: int) -> list[pa.Array]:
        """The columns of the request's schema, in its order; raises BadArchive.

        ``first`` is the ordinal of the block's first row.
        """
        try:
            if self._compiled is not None and self._compiled.takes(content):
                return self._compiled.arrays(content, first)
            return column_arrays(self._need, split_lines(content), first)
        except (ValueError, KeyError, ArithmeticError) as error:
            problem = f"{self._need.table.name}: of rows {first + 1} on, one cannot be read"
            raise BadArchive(self._where, f"{problem} ({error!r})") from error
