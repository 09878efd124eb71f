"""The tables to profile, from a raw archive or a live source, with one interface."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from mediatool_assets.archive.reader import ArchiveReader, split_lines
from mediatool_assets.domain.chunk import Chunk
from mediatool_assets.domain.manifest import Block
from mediatool_assets.domain.not_carried import NotCarried
from mediatool_assets.domain.schema import Schema, Table
from mediatool_assets.flows.ports import RowReader, SourceSnapshot


class RowRange(Protocol):
    """Consecutive rows of a table, to be read by a worker; can be pickled."""

    @property
    def rows(self) -> int:
        """The number of rows."""

    def batches(self) -> Iterator[list[bytes]]:
        """The rows as NDJSON lines without newlines."""


class TableSource(Protocol):
    """A schema and the rows of its tables, at one instant."""

    @property
    def name(self) -> str:
        """The name of the source, for display."""

    @property
    def schema(self) -> Schema:
        """The schema with every table, including those without rows."""

    @property
    def excluded(self) -> frozenset[str]:
        """Tables whose rows were excluded."""

    @property
    def not_carried(self) -> tuple[NotCarried, ...]:
        """Known objects of the source that no archive contains."""

    @property
    def facts(self) -> Mapping[str, str | int | None]:
        """The source's facts, with the keys of the metadata file."""

    def ddl(self) -> bytes:
        """The content of ``schema.sql``; raises the errors of creating it."""

    def lines(self, table: Table) -> list[RowRange]:
        """All rows of a table in order, in shares of some megabytes."""


@dataclass(frozen=True, slots=True)
class BlockLines:
    """A block of a raw archive."""

    archive: ArchiveReader
    block: Block

    @property
    def rows(self) -> int:
        """The number of rows in the manifest."""
        return self.block.rows

    def batches(self) -> Iterator[list[bytes]]:
        """The block's rows, read by range."""
        return (split_lines(content) for content in self.archive.blocks((self.block,)))


@dataclass(frozen=True, slots=True)
class ChunkLines:
    """A chunk of a live table, read in the coordinator's snapshot."""

    reader: RowReader
    table: Table
    chunk: Chunk

    @property
    def rows(self) -> int:
        """The number of rows that the snapshot counted."""
        return self.chunk.rows

    def batches(self) -> Iterator[list[bytes]]:
        """The chunk's rows."""
        return self.reader.read(self.table, self.chunk)


@dataclass(frozen=True, slots=True)
class ArchivedTables:
    """The tables of a raw archive; tables excluded from the export have no rows."""

    archive: ArchiveReader

    @property
    def name(self) -> str:
        """The archive's name, without its location."""
        return self.archive.source.name.rpartition("/")[2]

    @property
    def schema(self) -> Schema:
        """The schema in ``schema.json``."""
        return self.archive.schema()

    @property
    def excluded(self) -> frozenset[str]:
        """The excluded tables in the manifest."""
        return frozenset(exclusion.table for exclusion in self.archive.manifest.exclusions)

    @property
    def not_carried(self) -> tuple[NotCarried, ...]:
        """The objects that the manifest lists."""
        return self.archive.manifest.not_carried

    @property
    def facts(self) -> Mapping[str, str | int | None]:
        """The facts in the manifest."""
        return self.archive.manifest.source

    def ddl(self) -> bytes:
        """The DDL in the archive."""
        return self.archive.read_file("schema.sql")

    def lines(self, table: Table) -> list[RowRange]:
        """One share per block."""
        member = self.archive.manifest.tables().get(table.name)
        blocks = member.blocks if member is not None else ()
        reader = ArchiveReader(self.archive.source)
        return [BlockLines(reader, block) for block in blocks]


@dataclass(frozen=True, slots=True)
class LiveTables:
    """The tables of a snapshot that the caller keeps open."""

    snapshot: SourceSnapshot

    @property
    def name(self) -> str:
        """The schema and its server."""
        facts = self.snapshot.facts
        return f"schema {facts['schema']} of {facts['instance']}"

    @property
    def schema(self) -> Schema:
        """The schema in pg_catalog."""
        return self.snapshot.schema

    @property
    def excluded(self) -> frozenset[str]:
        """Empty: tables are excluded by an export, not by a source."""
        return frozenset()

    @property
    def not_carried(self) -> tuple[NotCarried, ...]:
        """The objects that the catalogs list."""
        return self.snapshot.not_carried()

    @property
    def facts(self) -> Mapping[str, str | int | None]:
        """The snapshot's facts."""
        return self.snapshot.facts

    def ddl(self) -> bytes:
        """The DDL as pg_dump writes it now."""
        return self.snapshot.ddl()

    def lines(self, table: Table) -> list[RowRange]:
        """One share per chunk."""
        reader = self.snapshot.reader
        return [ChunkLines(reader, table, chunk) for chunk in self.snapshot.chunks(table)]
