"""Both codecs on the same block: what each makes of it, to be compared."""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import msgspec

from mediatool_assets.core.errors import MediatoolError
from mediatool_assets.core.schema import Table
from mediatool_assets.core.shapes import DocumentCollection
from mediatool_assets.core.texts import deep_recursion
from mediatool_assets.restore.flow import block_writer
from mediatool_assets.transform.documents import CompiledColumns, GatherRequest, column_arrays
from mediatool_assets.transform.flow import CompiledDocuments
from mediatool_assets.transform.joins import Joins
from mediatool_assets.transform.row_documents import BlockDocuments, Cut, RowDocuments
from mediatool_assets.work.scratch import LocalSpooling

Outcome = tuple[BlockDocuments | str, dict[str, dict[str, int]]]
"""The documents and their identities, or the refusal; and the losses, none of a refusal."""


def _rows(collection: DocumentCollection) -> RowDocuments:
    spools = LocalSpooling(Path("nowhere"))
    return RowDocuments(collection, Cut((), 0), Joins({}, {}, {}), spools, where="made")


def by_python(collection: DocumentCollection, lines: Sequence[bytes]) -> Outcome:
    """What the definition makes of a block of these lines."""
    rows = _rows(collection)
    try:
        documents = rows.block(_content(lines), 0)
    except MediatoolError as error:
        return str(error), {}
    return documents, rows.losses.counted()


def compiled(
    library: ctypes.CDLL, collection: DocumentCollection, lines: Sequence[bytes]
) -> Outcome:
    """What the compiled codec makes of it, with Python for what it hands back."""
    rows = _rows(collection)
    blocks = CompiledDocuments(library, rows)
    try:
        documents = blocks.block(_content(lines), 0)
    except MediatoolError as error:
        return str(error), {}
    blocks.count_losses()
    return documents, rows.losses.counted()


def not_refused_alike(
    library: ctypes.CDLL, collection: DocumentCollection, lines: Sequence[bytes]
) -> list[bytes]:
    """The lines that, each alone, the two do not both refuse in the same words."""
    rows = _rows(collection)
    blocks = CompiledDocuments(library, _rows(collection))
    said = [(_refusal(rows, line), _refusal(blocks, line)) for line in lines]
    return [
        line
        for line, (by_rows, by_blocks) in zip(lines, said, strict=True)
        if by_rows is None or by_rows != by_blocks
    ]


def _refusal(maker: RowDocuments | CompiledDocuments, line: bytes) -> str | None:
    try:
        maker.block(_content([line]), 0)
    except MediatoolError as error:
        return str(error)
    return None


def refusals(collection: DocumentCollection, lines: Sequence[bytes]) -> list[bytes]:
    """The lines that Python refuses."""
    rows = _rows(collection)
    return [line for at, line in enumerate(lines) if not _is_taken(rows, line, at)]


def _is_taken(rows: RowDocuments, line: bytes, ordinal: int) -> bool:
    try:
        rows.document(line, ordinal)
    except MediatoolError:
        return False
    return True


def handed_back(
    library: ctypes.CDLL, collection: DocumentCollection, lines: Sequence[bytes]
) -> int:
    """How many of the lines the compiled codec leaves to Python."""
    rows = _rows(collection)
    blocks = CompiledDocuments(library, rows)
    with mock.patch.object(rows, "document", wraps=rows.document) as asked:
        blocks.block(_content(lines), 0)
    return asked.call_count


Columns = list[list[object]] | None
"""What joins need of a block; None where it is refused, of several bad rows for any of them."""


def columns_by_python(need: GatherRequest, lines: Sequence[bytes]) -> Columns:
    """What the definition makes of it."""
    try:
        return [array.to_pylist() for array in column_arrays(need, lines, 7)]
    except (ValueError, KeyError, ArithmeticError):
        return None


def compiled_columns(library: ctypes.CDLL, need: GatherRequest, lines: Sequence[bytes]) -> Columns:
    """What the compiled codec makes of it, with Python for what it hands back."""
    try:
        arrays = CompiledColumns(library, need).arrays(_content(lines), 7)
    except (ValueError, KeyError, ArithmeticError):
        return None
    for array in arrays:
        array.validate(full=True)
    return [array.to_pylist() for array in arrays]


def copied_by_python(table: Table, lines: Sequence[bytes]) -> bytes | str:
    """The lines of COPY that the definition makes of a block, or its refusal."""
    [made] = each_copied_by_python(table, [lines])
    return made


def each_copied_by_python(table: Table, blocks: Sequence[Sequence[bytes]]) -> list[bytes | str]:
    """The same of several blocks."""
    with mock.patch.dict(os.environ, MEDIATOOL_NATIVE="no"):
        return [copied(table, lines) for lines in blocks]


def copied(table: Table, lines: Sequence[bytes]) -> bytes | str:
    """The lines of COPY that a restore makes of a block, or its refusal."""
    try:
        with deep_recursion():
            return block_writer(table)(_content(lines))
    except (msgspec.DecodeError, KeyError, ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"


def _content(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)
