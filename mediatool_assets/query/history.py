"""Searches many versions for the row of one key; equal blocks are read once."""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import duckdb
import msgspec

from mediatool_assets.archive.grouping import grouped
from mediatool_assets.archive.reader import split_lines
from mediatool_assets.domain.manifest import Block
from mediatool_assets.domain.schema import Table
from mediatool_assets.flows.query.output import text_rows
from mediatool_assets.flows.query.parquet_cache import ParquetCache
from mediatool_assets.flows.query.reading import BytesRead, StoredRows, nothing
from mediatool_assets.flows.query.session import refused_by_duckdb
from mediatool_assets.flows.workers.duckdb_session import identifier, literal

RowValues = Mapping[str, str | None]
"""A row: each column's value as text; null is None."""

_AS_WRITTEN = frozenset(
    {"text", "character varying", "character", "uuid", "date", "smallint", "integer", "bigint"}
)
"""Types whose values an archive writes as DuckDB prints them."""
_PLAIN = re.compile(r"[A-Za-z0-9_.:@+\- ]+")  # characters that JSON never escapes
_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_THREADS = 2  # fetching, unpacking and hashing release the GIL
_SHARE_BYTES = 1 << 24  # bytes of rows per thread: at most six ranges are in memory
_SAME_KEY = 2  # stop after two rows: a second one is an error


@dataclass(slots=True)
class KeySearch:
    """Finds the rows with ``key`` in one version of a table at a time; values are text.

    A cached table is read from the cache. Otherwise each block is read, compared with its digest
    and searched, unless an earlier version had a block with the same digest. Blocks of format 1
    have no digest: such a table is put into the cache.
    """

    connection: duckdb.DuckDBPyConnection
    cache: ParquetCache
    key: Mapping[str, str]
    blocks: int = 0
    """Blocks searched in all versions, equal ones counted each time."""
    read: int = 0
    """Blocks that were read from an archive."""
    _seen: dict[str, list[bytes]] = field(default_factory=dict)
    """The rows with the key, by the digest of their block."""

    def rows(self, rows: StoredRows, progress: BytesRead = nothing) -> list[RowValues]:
        """The rows of this version; raises BadArchive if it does not match its manifest."""
        if not self.key.keys() <= {column.name for column in rows.table.columns}:
            return []
        proven = all(block.digest for block in rows.member.blocks)
        if self.cache.find(rows) or not proven or not self._is_plain(rows.table):
            return self._in_parquet(rows, progress)
        lines = self._in_blocks(rows, progress)
        names = [name for name, _ in rows.columns]
        values = rows.shown(self.connection, lines) if lines else []
        return [dict(zip(names, row, strict=True)) for row in values]

    def _is_plain(self, table: Table) -> bool:
        """True if the key is written in the archive's rows exactly as given here."""
        return all(
            value is not None and _PLAIN.fullmatch(value) and table.column(name).base in _AS_WRITTEN
            for name, value in self.key.items()
        )

    def _in_parquet(self, rows: StoredRows, progress: BytesRead) -> list[RowValues]:
        file = self.cache.file(self.connection, rows, progress)
        names = dict(zip((c.name for c in rows.table.columns), rows.columns, strict=True))
        condition = " AND ".join(
            f"CAST({identifier(names[column][0])} AS VARCHAR) = {literal(value)}"
            for column, value in self.key.items()
        )
        with refused_by_duckdb():
            matching = self.connection.read_parquet(str(file)).filter(condition)
            found = text_rows(matching, _SAME_KEY)
            return [dict(zip(matching.columns, row, strict=True)) for row in found]

    def _in_blocks(self, rows: StoredRows, progress: BytesRead) -> list[bytes]:
        blocks = rows.member.blocks
        unread = {block.digest: block for block in blocks if block.digest not in self._seen}
        shares = grouped([*unread.values()], lambda block: block.bytes, _SHARE_BYTES)
        for share, found in self._searched(rows, shares):
            self._seen |= zip((block.digest for block in share), found, strict=True)
            progress(sum(block.bytes for block in share))
        progress(rows.member.bytes - sum(block.bytes for block in unread.values()))
        self.blocks += len(blocks)
        self.read += len(unread)
        return [line for block in blocks for line in self._seen[block.digest]]

    def _searched(
        self, rows: StoredRows, shares: Iterator[list[Block]]
    ) -> Iterator[tuple[list[Block], list[list[bytes]]]]:
        """Groups of blocks with the matching rows of each block, in order."""

        def searched(share: list[Block]) -> list[list[bytes]]:
            return [self._matching(content) for content in rows.archive.blocks(share)]

        waiting: deque[tuple[list[Block], Future[list[list[bytes]]]]] = deque()
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="search") as pool:
            try:
                for share in shares:
                    waiting.append((share, pool.submit(searched, share)))
                    if len(waiting) > _THREADS:
                        done, future = waiting.popleft()
                        yield done, future.result()
                while waiting:
                    done, future = waiting.popleft()
                    yield done, future.result()
            finally:
                for _, future in waiting:
                    future.cancel()

    def _matching(self, content: bytes) -> list[bytes]:
        """The rows of a block with the key; only lines that contain its text are parsed."""
        wanted = {name: value.encode() for name, value in self.key.items()}
        rare = max(wanted, key=lambda name: len(wanted[name]))
        sample = content.partition(b"\n")[0]
        start = msgspec.json.encode(rare) + b":"
        if sample and start + bytes(_ROW.decode(sample)[rare]) in sample:
            value = wanted[rare]  # no space, as export writes rows
            ends = (value + b",", value + b"}", b'"' + value + b'"')
            lines = _lines_with(content, [start + end for end in ends])
        else:
            lines = iter(split_lines(content))
        return [
            line
            for line in lines
            if (row := _ROW.decode(line))
            and all(bytes(row[name]).strip(b'"') == value for name, value in wanted.items())
        ]


def _lines_with(content: bytes, texts: list[bytes]) -> Iterator[bytes]:
    """The lines that contain one of these texts, each once."""
    ends = set()
    for text in texts:
        at = content.find(text)
        while at >= 0:
            end = content.find(b"\n", at)
            if end not in ends:
                ends.add(end)
                yield content[content.rfind(b"\n", 0, at) + 1 : end]
            at = content.find(text, end)
