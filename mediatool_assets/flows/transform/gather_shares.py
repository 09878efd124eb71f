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
    schema, first, codec = share.need.schema(), share.first, library()
    compiled = CompiledColumns(codec, share.need) if codec is not None else None
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        for content in share.archive.blocks(share.blocks):
            try:
                arrays = (
                    compiled.arrays(content, first)
                    if compiled is not None and compiled.takes(content)
                    else column_arrays(share.need, split_lines(content), first)
                )
            except (ValueError, KeyError, ArithmeticError) as error:
                where, table = share.archive.source.name, share.need.table.name
                problem = f"{table}: of rows {first + 1} on, one cannot be read ({error!r})"
                raise BadArchive(where, problem) from error
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            first += row_count(content)
