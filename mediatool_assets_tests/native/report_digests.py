"""The data-integrity report's readers with and without the codec, on the same rows or documents."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain.manifest import Block
from mediatool_assets.domain.sampling import DailySample
from mediatool_assets.domain.schema import Table
from mediatool_assets.domain.shapes import DocumentCollection
from mediatool_assets.flows.integrity import readers
from mediatool_assets.flows.integrity.readers import (
    DocumentShare,
    RawShare,
    ShareResult,
    TableLines,
    read_documents,
    read_raw,
)
from mediatool_assets.flows.integrity.row_layout import RowLayout, layouts
from mediatool_assets.flows.integrity.table_needs import TableNeeds
from mediatool_assets.flows.load.id_ranges import Range

WHOLE = DailySample(None, date(2026, 1, 1))
SAMPLED = DailySample(50, date(2026, 1, 1))

Read = tuple[dict[str, Any], dict[str, list[str]]]
"""The figures of a share, and the rows of its files, sorted, by table or copy."""


@dataclass
class _Blocks:
    """In the place of an archive: one block."""

    content: bytes

    def blocks(self, _: Sequence[Block]) -> Iterator[bytes]:
        """The block."""
        yield self.content


@dataclass
class _Batch:
    """In the place of a range of a collection: one batch."""

    documents: list[bytes]

    def read(self) -> Iterator[list[bytes]]:
        """The batch."""
        yield self.documents


def need_of(table: Table) -> TableNeeds:
    """All that the report can ask of a table: keys, arrays, and copies of one column and of two."""
    keys = [c.name for c in table.columns if c.element is None and c.base not in ("json", "jsonb")]
    arrays = [c.name for c in table.columns if c.element is not None]
    names = tuple(column.name for column in table.columns)
    takes = ((names[:1], True), (names[-1:], True), (names, False))
    return TableNeeds(tuple(sorted(keys)), tuple(sorted(arrays)), takes)


def rows_read(
    lines: Sequence[bytes],
    layout: RowLayout,
    need: TableNeeds,
    sample: DailySample = WHOLE,
    *,
    native: bool,
) -> Read:
    """What a worker reads of one block of the raw archive."""
    content = b"".join(line + b"\n" for line in lines)
    with _codec(native=native), TemporaryDirectory() as folder:
        archive = cast(ArchiveReader, _Blocks(content))
        path = Path(folder, "rows")
        share = RawShare(TableLines(layout.table, archive), layout, need, sample, path)
        return _read(read_raw(share))


def documents_read(
    documents: list[bytes],
    collection: DocumentCollection,
    sample: DailySample = WHOLE,
    *,
    native: bool,
) -> Read:
    """What a worker reads of one batch of documents."""
    with _codec(native=native), TemporaryDirectory() as folder:
        share = DocumentShare(
            cast(Range, _Batch(documents)),
            collection,
            layouts([collection]),
            sample,
            Path(folder, "documents"),
        )
        return _read(read_documents(share))


def left_to_python(lines: Sequence[bytes], layout: RowLayout, need: TableNeeds) -> list[bytes]:
    """The rows that the codec hands back."""
    with mock.patch.object(readers, "_digested", return_value=0) as asked:
        rows_read(lines, layout, need, native=True)
    return list(asked.call_args.args[2])


def documents_left(documents: list[bytes], collection: DocumentCollection) -> int:
    """How many documents the codec hands back."""
    with mock.patch.object(readers, "decoded", return_value=iter(())) as asked:
        documents_read(documents, collection, native=True)
    return sum(len(call.args[0]) for call in asked.call_args_list)


def _codec(*, native: bool) -> Any:
    return mock.patch.dict(os.environ, {} if native else {"MEDIATOOL_NATIVE": "no"})


def _read(share: ShareResult) -> Read:
    files: dict[str, list[str]] = {}
    for name, path in (*share.files, *share.copies):
        table = pq.read_table(path)
        table.validate(full=True)
        files.setdefault(name, []).extend(map(str, _sorted(table)))
    figures = asdict(share)
    for key in ("files", "copies", "seconds"):
        del figures[key]
    figures["lost"] = {name: dict(kinds) for name, kinds in share.lost.items()}
    figures["deleted"] = +share.deleted
    return figures, files


def _sorted(table: pa.Table) -> list[str]:
    return sorted(str(list(row.values())) for row in table.to_pylist())
