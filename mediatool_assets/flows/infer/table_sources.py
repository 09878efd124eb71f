"""The tables to profile: of a raw archive or of a live source, with one interface."""

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
    """Consecutive rows of a table, for a worker to read; can be pickled."""

    @property
    def rows(self) -> int:
        """How many rows there are."""

    def batches(self) -> Iterator[list[bytes]]:
        """The rows as NDJSON lines without newlines."""


class TableSource(Protocol):
    """A schema and the rows of its tables, at one instant."""

    @property
    def name(self) -> str:
        """What they were read from, for people."""

    @property
    def schema(self) -> Schema:
        """Every table, with rows or without."""

    @property
    def excluded(self) -> frozenset[str]:
        """Tables whose rows were left out on purpose."""

    @property
    def not_carried(self) -> tuple[NotCarried, ...]:
        """What the source has beside, as far as it is known."""

    @property
    def facts(self) -> Mapping[str, str | int | None]:
        """The source, in the words of the metadata file."""

    def ddl(self) -> bytes:
        """``schema.sql``; raises what making it raises."""

    def lines(self, table: Table) -> list[RowRange]:
        """All rows of a table in order, in shares of some megabytes."""


@dataclass(frozen=True, slots=True)
class BlockLines:
    """A block of a raw archive."""

    archive: ArchiveReader
    block: Block

    @property
    def rows(self) -> int:
        """Rows, as the manifest says."""
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
        """Rows, as the snapshot counted them."""
        return self.chunk.rows

    def batches(self) -> Iterator[list[bytes]]:
        """The chunk's rows."""
        return self.reader.read(self.table, self.chunk)


@dataclass(frozen=True, slots=True)
class ArchivedTables:
    """The tables of a raw archive; those that its export left out have no rows to go by."""

    archive: ArchiveReader

    @property
    def name(self) -> str:
        """The archive's name, without the place where it lies."""
        return self.archive.source.name.rpartition("/")[2]

    @property
    def schema(self) -> Schema:
        """As ``schema.json`` has it."""
        return self.archive.schema()

    @property
    def excluded(self) -> frozenset[str]:
        """As the manifest has it."""
        return frozenset(exclusion.table for exclusion in self.archive.manifest.exclusions)

    @property
    def not_carried(self) -> tuple[NotCarried, ...]:
        """As the manifest has it."""
        return self.archive.manifest.not_carried

    @property
    def facts(self) -> Mapping[str, str | int | None]:
        """As the manifest has them."""
        return self.archive.manifest.source

    def ddl(self) -> bytes:
        """As the archive has it."""
        return self.archive.read_file("schema.sql")

    def lines(self, table: Table) -> list[RowRange]:
        """Block by block."""
        member = self.archive.manifest.tables().get(table.name)
        blocks = member.blocks if member is not None else ()
        reader = ArchiveReader(self.archive.source)
        return [BlockLines(reader, block) for block in blocks]


@dataclass(frozen=True, slots=True)
class LiveTables:
    """The tables of a snapshot that the caller holds open."""

    snapshot: SourceSnapshot

    @property
    def name(self) -> str:
        """The schema and its server."""
        facts = self.snapshot.facts
        return f"schema {facts['schema']} of {facts['instance']}"

    @property
    def schema(self) -> Schema:
        """As pg_catalog has it."""
        return self.snapshot.schema

    @property
    def excluded(self) -> frozenset[str]:
        """None: an export leaves out, a source does not."""
        return frozenset()

    @property
    def not_carried(self) -> tuple[NotCarried, ...]:
        """As the catalogs have it."""
        return self.snapshot.not_carried()

    @property
    def facts(self) -> Mapping[str, str | int | None]:
        """As the snapshot has them."""
        return self.snapshot.facts

    def ddl(self) -> bytes:
        """As pg_dump writes it now."""
        return self.snapshot.ddl()

    def lines(self, table: Table) -> list[RowRange]:
        """Chunk by chunk."""
        reader = self.snapshot.reader
        return [ChunkLines(reader, table, chunk) for chunk in self.snapshot.chunks(table)]
