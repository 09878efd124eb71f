"""Profiles part of a table in a worker: its keys as Parquet, its risks as counts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bson
import pyarrow as pa
import pyarrow.parquet as pq
from bson.errors import InvalidDocument

from mediatool_assets.domain.inference.naming import fields_of, identifying_key
from mediatool_assets.domain.schema import Column, Table
from mediatool_assets.domain.shapes import ColumnField, DocumentShape
from mediatool_assets.flows.infer.table_sources import RowRange
from mediatool_assets.flows.transform.documents import DocumentBuilder
from mediatool_assets.flows.transform.gathering import canonical, key_of, keys_of
from mediatool_assets.flows.transform.losses import Losses
from mediatool_assets.flows.versions.raw_rows import Row, row_parser

SIZE = "size"
"""The name of the column with the size of each row, in bytes as a document of its own."""


@dataclass(frozen=True, slots=True)
class ProfileShare:
    """Rows to read in a worker, and the columns that may be parts of references."""

    table: Table
    columns: tuple[Column, ...]
    lines: RowRange
    path: Path


@dataclass(slots=True)
class ShareProfile:
    """The figures of a share; the file at ``path`` holds the key and size of each row."""

    path: Path
    rows: int = 0
    bytes: int = 0
    largest: int = 0
    largest_key: str = ""
    values: Counter[str] = field(default_factory=Counter)
    losses: dict[str, dict[str, int]] = field(default_factory=dict)
    odd_keys: dict[str, Counter[str]] = field(default_factory=dict)


def schema_of(columns: Iterable[Column]) -> pa.Schema:
    """The Parquet file's columns: canonical texts, as the transform's joins compare them."""
    fields = [
        (keys_of(c.name), pa.list_(pa.string())) if c.element else (key_of(c.name), pa.string())
        for c in columns
    ]
    return pa.schema([(SIZE, pa.int64()), *fields])


def profile_share(share: ProfileShare) -> ShareProfile:
    """In a worker: read the share once; raises errors of reading and parsing."""
    losses = Losses()
    table = share.table
    documents = DocumentBuilder(_shape(table), losses, root=False)
    parse = row_parser(table)
    found = ShareProfile(share.path)
    nested = [c.name for c in table.columns if c.base in ("json", "jsonb")]
    schema = schema_of(share.columns)
    with pq.ParquetWriter(share.path, schema, compression="zstd", compression_level=1) as writer:
        for lines in share.lines.batches():
            rows = list(map(parse, lines))
            sizes = [
                _size(documents, row, line, found) for row, line in zip(rows, lines, strict=True)
            ]
            for row in rows:
                found.values.update(name for name, value in row.items() if value is not None)
            for name in nested:
                counts = found.odd_keys.setdefault(name, Counter())
                for row in rows:
                    counts.update(odd_keys(row[name]))
            arrays = [pa.array(sizes, pa.int64()), *_keys(share.columns, rows)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            found.rows += len(rows)
    found.losses = {
        name.removeprefix(f"{table.name}."): counts for name, counts in losses.counted().items()
    }
    return found


def _shape(table: Table) -> DocumentShape:
    """The shape of the table's rows as documents, by the defaults."""
    key, _ = identifying_key(table)
    fields, _ = fields_of(table, key)
    return DocumentShape(table, key, tuple(ColumnField(c, fields[c.name]) for c in table.columns))


def _size(documents: DocumentBuilder, row: Row, line: bytes, found: ShareProfile) -> int:
    """The bytes of the row's document, or of its JSON if it cannot become a document."""
    try:
        size = len(bson.encode(documents.document(row, line)))
    except (InvalidDocument, OverflowError, UnicodeEncodeError):
        size = len(line)
    found.bytes += size
    if size > found.largest:
        found.largest, found.largest_key = size, str(documents.key(row))
    return size


def _keys(columns: Sequence[Column], rows: Sequence[Row]) -> Iterator[pa.Array]:
    for column in columns:
        name = column.name
        if column.element is None:
            yield pa.array([_told(row[name], column) for row in rows], pa.string())
        else:
            yield pa.array([_elements(row[name], column) for row in rows], pa.list_(pa.string()))


def _elements(value: Any, column: Column) -> list[str | None] | None:
    if type(value) is not list:
        return None
    return [_told(item, column) for item in value if type(item) is not list]


def _told(value: Any, column: Column) -> str | None:
    """The value as joins compare it; None for an empty text, which references nothing."""
    return canonical(value, column) or None


def odd_keys(value: Any) -> set[str]:
    """Return which of ``$`` (at the start), ``.`` and NUL occur in a JSON document's keys."""
    found: set[str] = set()
    level = [value]
    while level:
        following: list[Any] = []
        for item in level:
            if type(item) is dict:
                for key, child in item.items():
                    if key.startswith("$"):
                        found.add("$")
                    if "." in key:
                        found.add(".")
                    if "\0" in key:
                        found.add("NUL")
                    if type(child) in (dict, list):
                        following.append(child)
            elif type(item) is list:
                following += [child for child in item if type(child) in (dict, list)]
        level = following
    return found
