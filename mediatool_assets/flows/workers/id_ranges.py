"""Splits a large collection into ranges of ``_id``, for several workers."""

from collections.abc import Iterator
from dataclasses import dataclass

from mediatool_assets.flows.ports import DocumentStore

_RANGE_BYTES = 1 << 24  # of BSON: far longer than a request (2 ms), far shorter than a collection
_BATCH_BYTES = 1 << 21  # of BSON in an answer: the memory of the one before is used again
_SMALLEST = 5  # bytes of a BSON document


@dataclass(frozen=True, slots=True)
class IdRange:
    """The documents of a collection from ``first`` up to ``end``, for one worker to read.

    ``first`` is included and ``end`` is excluded; None means that this side is open.
    """

    documents: DocumentStore
    database: str
    collection: str
    first: bytes | None
    end: bytes | None
    batch: int
    """How many documents mongod returns at a time."""

    def batches(self) -> Iterator[bytes]:
        """Whole documents, one after the other, in order of ``_id``."""
        return self.documents.documents(
            self.database, self.collection, self.first, self.end, self.batch
        )


def id_ranges(
    documents: DocumentStore, database: str, collection: str, rows: int, size: int
) -> list[IdRange]:
    """Split a collection into ranges, in order; ``rows`` and ``size`` (bytes) are expected values.

    The boundaries depend only on these and on the ``_id`` values, so equal content has equal
    ranges.
    """
    step = max(1, rows * _RANGE_BYTES // max(size, 1))
    bounds = documents.bounds(database, collection, step) if rows > step else []
    batch = min(max(2, rows * _BATCH_BYTES // max(size, 1)), _BATCH_BYTES // _SMALLEST)
    return [
        IdRange(documents, database, collection, first, end, batch)
        for first, end in zip([None, *bounds], [*bounds, None], strict=True)
    ]
