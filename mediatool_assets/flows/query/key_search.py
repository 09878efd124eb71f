"""The row of one key in version after version; blocks of the same content are read once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb
import msgspec

from mediatool_assets.domain.errors import BadArchive
from mediatool_assets.domain.fingerprint import Fingerprint
from mediatool_assets.domain.manifest import Block, Member
from mediatool_assets.domain.schema import Table
from mediatool_assets.flows.query.output import text_rows
from mediatool_assets.flows.query.parquet_cache import ParquetCache
from mediatool_assets.flows.query.reading import BytesRead, StoredRows, nothing
from mediatool_assets.flows.query.session import refused_by_duckdb
from mediatool_assets.flows.workers.duckdb_session import identifier, literal

Values = Mapping[str, str | None]
"""A row: each column's value as text, null as None."""

_AS_WRITTEN = frozenset(
    {"text", "character varying", "character", "uuid", "date", "smallint", "integer", "bigint"}
)
"""Types whose values an archive writes as DuckDB prints them."""
_PLAIN = re.compile(r"[A-Za-z0-9_.:@+\- ]+")  # what JSON never escapes
_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(slots=True)
class KeySearch:
    """Finds the rows with ``key``, column by column as text, in one version of a table at a time.

    A table that the cache has is read from there. Otherwise each block is read and searched, except
    where a version before had one of the same content: by the block's digest, or for an archive
    of format 1, which has none, by that of all the table's rows.
    """

    connection: duckdb.DuckDBPyConnection
    cache: ParquetCache
    key: Mapping[str, str]
    blocks: int = 0
    """Blocks of all versions that were searched, the same ones counted again."""
    read: int = 0
    """How many of these were read from an archive."""
    _seen: dict[str, tuple[Fingerprint, list[bytes]]] = field(default_factory=dict)

    def rows(self, rows: StoredRows, progress: BytesRead = nothing) -> list[Values]:
        """The rows of this version; raises BadArchive where it does not hold what it should."""
        if not self.key.keys() <= {column.name for column in rows.table.columns}:
            return []
        if self.cache.has(rows) or not self._is_plain(rows.table):
            return self._in_parquet(rows, progress)
        lines = self._in_blocks(rows, progress)
        names = [name for name, _ in rows.columns]
        values = rows.shown(self.connection, lines) if lines else []
        return [dict(zip(names, row, strict=True)) for row in values]

    def _is_plain(self, table: Table) -> bool:
        """Whether the key is in an archive's rows as it is written here."""
        return all(
            value is not None and _PLAIN.fullmatch(value) and table.column(name).base in _AS_WRITTEN
            for name, value in self.key.items()
        )

    def _in_parquet(self, rows: StoredRows, progress: BytesRead) -> list[Values]:
        file = self.cache.file(self.connection, rows, progress)
        names = dict(zip((c.name for c in rows.table.columns), rows.columns, strict=True))
        condition = " AND ".join(
            f"CAST({identifier(names[column][0])} AS VARCHAR) = {literal(value)}"
            for column, value in self.key.items()
        )
        with refused_by_duckdb():
            matching = self.connection.read_parquet(str(file)).filter(condition)
            return [dict(zip(matching.columns, row, strict=True)) for row in text_rows(matching)]

    def _in_blocks(self, rows: StoredRows, progress: BytesRead) -> list[bytes]:
        member = rows.member
        blocks = _identified(member)
        unread = {identity: block for identity, block in blocks if identity not in self._seen}
        contents = rows.archive.blocks([*unread.values()])
        for identity, content in zip(unread, contents, strict=True):
            items = rows.split(content)
            self._seen[identity] = Fingerprint.of(items), self._matching(items)
            progress(len(content))
        progress(member.bytes - sum(block.bytes for block in unread.values()))
        self.blocks += len(blocks)
        self.read += len(unread)
        found = [self._seen[identity] for identity, _ in blocks]
        fingerprint = sum((each for each, _ in found), Fingerprint())
        if str(fingerprint) != member.fingerprint:
            raise BadArchive(
                f"{rows.archive.source.name}: {member.name}", "does not have its fingerprint"
            )
        return [line for _, lines in found for line in lines]

    def _matching(self, items: list[bytes]) -> list[bytes]:
        """The rows of a block that have the key. Only those that could are parsed."""
        if not items:
            return []
        wanted = [(name, value.encode()) for name, value in self.key.items()]
        sample = items[0]
        first = _ROW.decode(sample)
        for name, value in wanted:
            start = msgspec.json.encode(name) + b":"
            if start + bytes(first[name]) in sample:  # no space, as export writes rows
                plain, quoted = start + value, start + b'"' + value + b'"'
                items = [line for line in items if plain in line or quoted in line]
        return [
            line
            for line in items
            if (row := _ROW.decode(line))
            and all(bytes(row[name]).strip(b'"') == value for name, value in wanted)
        ]


def _identified(member: Member) -> list[tuple[str, Block]]:
    """The blocks in order, each with what is the same only for the same content."""
    found, first = [], 0
    for block in member.blocks:
        found.append((block.digest or f"{member.content} from {first}: {block.rows}", block))
        first += block.rows
    return found
