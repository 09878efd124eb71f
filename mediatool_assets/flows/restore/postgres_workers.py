"""Worker functions of a restore to PostgreSQL: copy rows, build keys and indexes, analyze."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain.ddl.script import Statement
from mediatool_assets.domain.errors import BadArchive
from mediatool_assets.domain.manifest import Block
from mediatool_assets.domain.schema import Table
from mediatool_assets.flows.formats.deep_json import deep_recursion
from mediatool_assets.flows.ports import RowWriter
from mediatool_assets.flows.restore.copied_blocks import block_writer


@dataclass(frozen=True, slots=True)
class IndexBuild:
    """Keys and indexes of one table, for one worker to build."""

    writer: RowWriter
    statements: list[Statement]


def add_keys(share: IndexBuild) -> None:
    """In a worker: build the keys and indexes, in order."""
    share.writer.run(share.statements)


@dataclass(frozen=True, slots=True)
class AnalyzeShare:
    """A schema with all rows, keys and indexes, and the views that are not to be refreshed."""

    writer: RowWriter
    schema: str
    empty: tuple[str, ...]


def analyze_and_refresh(share: AnalyzeShare) -> None:
    """In a worker: collect statistics and refresh the schema's materialized views."""
    share.writer.analyze_and_refresh(share.schema, share.empty)


@dataclass(frozen=True, slots=True)
class RestoreShare:
    """Consecutive blocks of one table, all of them if ``whole``, for one worker to copy."""

    writer: RowWriter
    archive: ArchiveReader
    schema: str
    table: Table
    blocks: tuple[Block, ...]
    whole: bool

    @property
    def bytes(self) -> int:
        """Bytes of rows, uncompressed."""
        return sum(block.bytes for block in self.blocks)


def copy_share(share: RestoreShare) -> int:
    """In a worker: copy the rows of a share, one block in memory; returns their number."""
    return share.writer.copy(share.schema, share.table, _lines(share), whole=share.whole)


def _lines(share: RestoreShare) -> Iterator[bytes]:
    lines = block_writer(share.table)
    for content in share.archive.blocks(share.blocks):
        try:
            with deep_recursion():
                yield lines(content)
        except (msgspec.DecodeError, KeyError, ValueError, RecursionError) as error:
            raise BadArchive(
                share.archive.source.name, f"a row of {share.table.name} cannot be read ({error})"
            ) from error
