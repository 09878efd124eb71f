"""Reads the raw archive, a database, or archives of documents, in workers."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bson
import msgspec
from bson.errors import InvalidBSON
from xxhash import xxh3_64_intdigest

from mediatool_assets.archive.reader import (
    ArchiveReader,
    Bytes,
    HashedStream,
    documents_fingerprint,
    rows_fingerprint,
    split_documents,
    split_lines,
)
from mediatool_assets.core.authenticity import DailySample
from mediatool_assets.core.errors import BadArchive, MediatoolError
from mediatool_assets.core.manifest import Block, Fingerprint
from mediatool_assets.core.schema import Chunk, Table
from mediatool_assets.core.shapes import DocumentCollection
from mediatool_assets.integrity.disassembly import (
    IN_PLACE,
    NOTHING,
    CompiledDisassembly,
    DocumentDisassembler,
    RowSink,
    compiled_documents,
    compiled_rows,
)
from mediatool_assets.integrity.expected_values import (
    CODEC,
    DELETED,
    Digest,
    RowLayout,
    RowParser,
    content,
    taken_text,
    texts,
)
from mediatool_assets.integrity.plan import COPIES, ROWS, DigestFile, DigestFiles, TableNeeds
from mediatool_assets.stores.ports import RowReader
from mediatool_assets.work import IdRange

_TOGETHER = 64  # documents decoded in one call: faster than one by one, with little memory


@dataclass(slots=True)
class ShareResult:
    """The figures of a share of a store; ``problem`` says why it could not be read to its end.

    ``rows``, ``deleted`` (flagged rows) and ``files`` are by table, ``lost`` by column and kind.
    """

    fingerprint: Fingerprint = field(default_factory=Fingerprint)
    rows: Counter[str] = field(default_factory=Counter)
    deleted: Counter[str] = field(default_factory=Counter)
    lost: dict[str, Counter[str]] = field(default_factory=dict)
    files: list[tuple[str, Path]] = field(default_factory=list)
    copies: list[tuple[str, Path]] = field(default_factory=list)
    seconds: float = 0
    problem: str | None = None

    def add(self, other: "ShareResult") -> None:
        """Add the result of another share of the same table or collection."""
        self.fingerprint += other.fingerprint
        self.rows += other.rows
        self.deleted += other.deleted
        for column, kinds in other.lost.items():
            self.lost[column] = self.lost.get(column, Counter()) + kinds
        self.files += other.files
        self.copies += other.copies
        self.seconds += other.seconds
        self.problem = self.problem or other.problem


@dataclass(frozen=True, slots=True)
class TableLines:
    """Rows of one table as lines of JSON: blocks of the raw archive, or a database's chunk."""

    table: Table
    archive: ArchiveReader | None = None
    blocks: tuple[Block, ...] = ()
    reader: RowReader | None = None
    chunk: Chunk | None = None

    def batches(self) -> Iterator[list[bytes]]:
        """The lines; raises BadArchive or what the database's reader raises."""
        if self.reader is not None and self.chunk is not None:
            yield from self.reader.read(self.table, self.chunk)
        yield from map(split_lines, self.contents())

    def contents(self) -> Iterator[bytes]:
        """The blocks of the archive, each line with its newline; raises BadArchive."""
        if self.archive is not None:
            yield from self.archive.blocks(self.blocks)


@dataclass(frozen=True, slots=True)
class RawShare:
    """Lines to read as rows of a layout, with values for today's ``sample`` of them."""

    lines: TableLines
    layout: RowLayout
    need: TableNeeds
    sample: DailySample
    path: Path


def read_raw(share: RawShare) -> ShareResult:
    """In a worker: read every row's key, the values of today's rows, and columns for joins."""
    began, read, table = time.monotonic(), ShareResult(), share.layout.table.name
    rows = RowParser(share.layout)
    compiled = compiled_rows(share.layout, share.need, share.sample)
    try:
        with closing(DigestFile(share.path, share.need.schema())) as out:
            for content in share.lines.contents():
                found = rows_fingerprint(content)
                read.fingerprint += found
                if compiled is not None and compiled.takes(content):
                    lines, deleted = compiled.read(content, found.count, rows.lost, out)
                    read.deleted[table] += deleted
                else:
                    lines = split_lines(content)
                read.deleted[table] += _digested(share, rows, lines, out)
                read.rows[table] += found.count
    except BadArchive as error:
        read.problem = error.problem
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        read.problem = f"{table}: after row {read.rows[table]} of a share one cannot be read"
        read.problem += f" ({type(error).__name__})"
    read.files.append((table, share.path))
    read.lost = {f"{table}.{column}": kinds for column, kinds in rows.lost.items() if kinds}
    read.seconds = time.monotonic() - began
    return read


def read_exactly(share: RawShare) -> ShareResult:
    """In a worker: read every row's key and its whole line, with microseconds."""
    read, rows = ShareResult(), RowParser(share.layout)
    with closing(DigestFile(share.path, ROWS)) as out:
        for lines in share.lines.batches():
            for line in lines:
                key, _, _ = rows.read(line)
                out.add((*key, xxh3_64_intdigest(line)))
    read.files.append((share.layout.table.name, share.path))
    return read


def _digested(share: RawShare, rows: RowParser, lines: list[bytes], out: DigestFile) -> int:
    """Write a batch; returns the number of rows flagged as deleted."""
    table, need, today, deleted = share.layout.table, share.need, share.sample, 0
    keys = [(name, texts(table.column(name))) for name in need.keys]
    arrays = [(name, texts(table.column(name))) for name in need.arrays]
    takes = [(_takers(table, columns), bare) for columns, bare in need.takes]
    for line in lines:
        key, row, raw = rows.read(line)
        deleted += raw.get(DELETED) is True
        cells: list[Any] = [*key, content([*row, *IN_PLACE]) if today.includes(key[0]) else 0]
        cells += [text(raw[name]) for name, text in keys]
        for name, text in arrays:
            array = raw[name]
            cells.append(_each_text(text, array) if type(array) is list else None)
        cells += [_taken(taker, bare, raw) for taker, bare in takes]
        out.add(cells)
    return deleted


def _each_text(text: Callable[[Any], str | None], array: list[Any]) -> list[str | None]:
    """The texts of an array's elements; None for nested lists, which match nothing."""
    return [None if type(item) is list else text(item) for item in array]


def _takers(table: Table, columns: tuple[str, ...]) -> RowParser:
    return RowParser(RowLayout(table, tuple((name, None) for name in columns), ()))


def _taken(taker: RowParser, bare: bool, raw: dict[str, Any]) -> str:
    """The text of a copy of the row, as documents should contain it."""
    values = taker.values(raw, deep=True)
    return NOTHING if bare and values[0] is None else taken_text(values)


@dataclass(frozen=True, slots=True)
class ArchivedDocuments:
    """Blocks of documents of one collection of an archive."""

    archive: ArchiveReader
    collection: str
    blocks: tuple[Block, ...]

    def batches(self) -> Iterator[bytes]:
        """Whole documents, one after the other, a block at a time; raises BadArchive."""
        return self.archive.blocks(self.blocks)


@dataclass(frozen=True, slots=True)
class DocumentShare:
    """Documents of a collection, to be taken apart if the model explains the ``collection``.

    ``path`` is the prefix of its files' paths.
    """

    range: IdRange | ArchivedDocuments
    collection: DocumentCollection | None
    layouts: Mapping[str, RowLayout]
    sample: DailySample
    path: Path


def read_documents(share: DocumentShare) -> ShareResult:
    """In a worker: the fingerprint of a share, and all that its documents are made of."""
    began, read = time.monotonic(), ShareResult()
    rows = DigestFiles(share.path.with_name(f"{share.path.name}-rows"), ROWS)
    copies = DigestFiles(share.path.with_name(f"{share.path.name}-copies"), COPIES)
    with closing(rows), closing(copies):
        out = _DigestWriter(read, rows, copies, share.sample)
        disassemble = _disassembler(share, out)
        compiled = compiled_documents(share.collection, share.layouts)
        try:
            for content in share.range.batches():
                found = documents_fingerprint(content)
                read.fingerprint += found
                if compiled is not None and compiled.takes(content):
                    left = compiled.read(content, found.count, share.sample)
                    out.add(compiled)
                    disassemble(left)
                else:
                    disassemble(list(split_documents(content)))
        except BadArchive as error:
            read.problem = error.problem
        except ValueError as error:
            read.problem = f"{share.range.collection}: {error}"
    read.files = list(rows.paths.items())
    read.copies = list(copies.paths.items())
    read.seconds = time.monotonic() - began
    return read


def _disassembler(share: DocumentShare, out: RowSink) -> Callable[[Sequence[bytes]], None]:
    """A function that disassembles batches of documents; it ignores those without a model."""
    if share.collection is None:
        return lambda _: None
    made = DocumentDisassembler(share.collection.name, share.collection.shape, share.layouts, out)

    def disassemble(batch: Sequence[bytes]) -> None:
        for document in decoded(batch):
            made.take(document)

    return disassemble


@dataclass(frozen=True, slots=True)
class _DigestWriter:
    """Writes the rows and copied values from documents as digests."""

    read: ShareResult
    rows: DigestFiles
    copies: DigestFiles
    sample: DailySample

    def row(self, layout: RowLayout, key: Digest, values: list[Any]) -> None:
        """Write a row of its table."""
        table = layout.table.name
        self.read.rows[table] += 1
        if layout.deleted is not None:
            self.read.deleted[table] += values[layout.deleted] is True
        self.rows.add(table, (*key, content(values) if self.sample.includes(key[0]) else 0))

    def add(self, made: CompiledDisassembly) -> None:
        """Write the rows and copied fields that the codec has made of a batch."""
        for table, count, deleted, columns in made.rows():
            self.read.rows[table] += count
            if deleted:
                self.read.deleted[table] += deleted
            self.rows.add_all(table, columns)
        for slot, columns in made.copies():
            self.copies.add_all(slot, columns)

    def copied_value(self, slot: str, owner: Digest, says: str) -> None:
        """Write a copied field."""
        if self.sample.includes(owner[0]):
            self.copies.add(slot, (*owner, says))


def decoded(batch: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    """Decode the documents; an unreadable one counts as a document without fields."""
    for at in range(0, len(batch), _TOGETHER):
        some = batch[at : at + _TOGETHER]
        try:
            documents = bson.decode_all(b"".join(some), CODEC)
        except InvalidBSON:
            documents = list(map(_decoded, some))
        yield from documents


def _decoded(document: bytes) -> dict[str, Any]:
    try:
        return bson.decode(document, CODEC)
    except InvalidBSON:
        return {}


def read_blocks(share: ArchivedDocuments) -> ShareResult:
    """In a worker: the fingerprint of the documents in some blocks."""
    began, read = time.monotonic(), ShareResult()
    try:
        for data in share.archive.blocks(share.blocks):
            read.fingerprint += documents_fingerprint(data)
    except BadArchive as error:
        read.problem = error.problem
    except ValueError as error:
        read.problem = f"{share.collection}: {error}"
    read.seconds = time.monotonic() - began
    return read


@dataclass(frozen=True, slots=True)
class ArchiveCopy:
    """An archive of documents, and the blocks of each collection, in its order."""

    source: Bytes
    collections: Mapping[str, tuple[Block, ...]]


def read_copy(copy: ArchiveCopy) -> tuple[dict[str, ShareResult], str | MediatoolError]:
    """In a worker: the fingerprints of all collections, and the SHA-256 of the archive.

    In place of the SHA-256, the error that kept it from being read.
    """
    stream, found = HashedStream(copy.source), dict[str, ShareResult]()
    archive = ArchiveReader(stream)
    try:
        for name, blocks in copy.collections.items():
            found[name] = read_blocks(ArchivedDocuments(archive, name, blocks))
        return found, stream.sha256()
    except MediatoolError as error:
        return found, error


@dataclass(frozen=True, slots=True)
class WantedRows:
    """Rows to read again with their values, given by the digests of their keys."""

    digests: frozenset[Digest]
    most: int


Texts = dict[str, bytes]
"""The JSON text of each column of a line; 1.0 and 1.00 are two texts of one number."""

Found = tuple[Digest, list[Any], Texts]
"""A wanted row: its values, and their texts if it is from a line."""

_COLUMNS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def find_raw(share: tuple[TableLines, RowLayout, WantedRows]) -> list[Found]:
    """In a worker: return the wanted rows among some lines; raises BadArchive."""
    lines, layout, wanted = share
    rows = RowParser(layout)
    found: list[Found] = []
    for batch in lines.batches():
        for line in batch:
            key, row, _ = rows.read(line)
            if key in wanted.digests and len(found) < wanted.most:
                as_text = {name: bytes(value) for name, value in _COLUMNS.decode(line).items()}
                found.append((key, [*row, *IN_PLACE], as_text))
    return found


@dataclass(slots=True)
class _Finder:
    table: str
    wanted: WantedRows
    found: list[Found]

    def row(self, layout: RowLayout, key: Digest, values: list[Any]) -> None:
        """Store a row if it is wanted."""
        if layout.table.name != self.table or key not in self.wanted.digests:
            return
        if len(self.found) < self.wanted.most:
            self.found.append((key, values, {}))

    def copied_value(self, slot: str, owner: Digest, says: str) -> None:
        """Ignore copies."""


def find_documents(work: tuple[DocumentShare, str, WantedRows]) -> list[Found]:
    """In a worker: return the wanted rows of a table in a range of documents."""
    share, table, wanted = work
    finder = _Finder(table, wanted, [])
    disassemble = _disassembler(share, finder)
    for batch in share.range.batches():
        disassemble(list(split_documents(batch)))
    return finder.found
