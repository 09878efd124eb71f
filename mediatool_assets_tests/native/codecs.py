"""Both codecs on the same block: what each makes of it, to be compared."""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from mediatool_assets.domain.errors import MediatoolError
from mediatool_assets.domain.shapes import DocumentCollection
from mediatool_assets.flows.transform.compiled_documents import CompiledDocuments
from mediatool_assets.flows.transform.join_session import Joins
from mediatool_assets.flows.transform.row_documents import RowDocuments
from mediatool_assets.flows.transform.table_cuts import Cut
from mediatool_assets.flows.workers.spooling import LocalSpooling

Outcome = tuple[list[bytes] | str, dict[str, dict[str, int]]]
"""The documents or the refusal, and the losses, which a refusal leaves undefined."""


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


def _content(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)
