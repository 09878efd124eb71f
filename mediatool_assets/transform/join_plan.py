"""Distributes the joins of a transform to workers, by range of the root's rows or hash bucket.

Each share is a separate query, on any machine: it reads the gathered files, does not need the
results of other shares, and stages its own result. So a share has at most the documents of ROWS
rows, or the rows of one bucket.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import NamedTuple

from mediatool_assets.domain.schema import Table
from mediatool_assets.domain.shapes import AddedField, DocumentCollection, DocumentShape
from mediatool_assets.flows.transform.join_session import (
    EVERY,
    OCCURRENCE,
    GatheredColumns,
    Joins,
    JoinSession,
    OrdinalSlice,
    Slices,
)
from mediatool_assets.flows.workers.ordered_results import in_order
from mediatool_assets.flows.workers.scratch import scratch_folder

ROWS = 1 << 22
"""Rows of the root table in one share: DuckDB keeps the keys of some million rows in memory, and
spills the others to the worker's disk."""


def join_with_workers(
    gathered: GatheredColumns, collections: Sequence[DocumentCollection], executor: Executor
) -> Joins:
    """All joins; orphans are found first, since collections are made from them."""
    leaving = list(_leaving(gathered, collections))
    with in_order(executor, find_orphans, leaving) as files:
        only = dict(zip((share.collection for share in leaving), files, strict=True))
    shares = list(_shares(gathered, collections, only))
    slots: dict[str, Slices] = {}
    with in_order(executor, find_slots, shares) as results:
        for share, found in zip(shares, results, strict=True):
            for slot, file in found.items():
                slots[slot] = (*slots.get(slot, ()), OrdinalSlice(share.ordinals, file))
    return Joins(slots, only, gathered.tables)


class OrphanSelection(NamedTuple):
    """An embedded table whose orphans become documents of ``collection``."""

    gathered: GatheredColumns
    collection: str
    added: AddedField
    owner: Table


def find_orphans(share: OrphanSelection) -> str:
    """In a worker: the orphans."""
    with scratch_folder() as folder:
        with share.gathered.database(folder) as database:
            placed = database.place(share.added, share.owner)
            orphans = database.orphans(share.added, placed)
        return _stage(share.gathered, orphans)


def _leaving(
    gathered: GatheredColumns, collections: Sequence[DocumentCollection]
) -> Iterator[OrphanSelection]:
    slots = {
        slot: (added, owner)
        for each in collections
        for slot, added, owner in _embedded(each.name, each.shape)
    }
    for collection in collections:
        if collection.orphans_of is not None:
            added, owner = slots[collection.orphans_of]
            yield OrphanSelection(gathered, collection.name, added, owner)


def _embedded(place: str, shape: DocumentShape) -> Iterator[tuple[str, AddedField, Table]]:
    """Every slot that may have orphans: its field, and the table of the rows that have it."""
    for added in shape.additions:
        slot = f"{place}.{added.field}"
        yield slot, added, shape.table
        if added.shape is not None:
            yield from _embedded(slot, added.shape)


class JoinShare(NamedTuple):
    """The slots of some documents of a collection; or, of one without a key, which rows of a
    bucket are equal to others.
    """

    gathered: GatheredColumns
    collection: DocumentCollection
    ordinals: range
    orphans: str | None
    bucket: tuple[int, int] | None = None


def find_slots(share: JoinShare) -> dict[str, str]:
    """In a worker: the slots, by name."""
    with scratch_folder() as folder:
        with share.gathered.database(folder) as database:
            if share.bucket is not None:
                table = share.collection.shape.table
                slot = f"{share.collection.name}.{OCCURRENCE}"
                found = {slot: database.occurrences(table, *share.bucket)}
            else:
                joining = JoinSession(database)
                joining.collection(share.collection, share.orphans, share.ordinals)
                found = joining.slots
        return {slot: _stage(share.gathered, file) for slot, file in found.items()}


def _shares(
    gathered: GatheredColumns, collections: Sequence[DocumentCollection], only: Mapping[str, str]
) -> Iterator[JoinShare]:
    for collection in collections:
        slices = gathered.tables.get(collection.shape.table.name, ())
        rows = slices[-1].ordinals.stop if slices else 0
        orphans = only.get(collection.name)
        if not collection.shape.key:
            buckets = rows // ROWS + 1
            for bucket in range(buckets):
                yield JoinShare(gathered, collection, EVERY, orphans, (bucket, buckets))
        if collection.shape.additions:
            for first in range(0, rows, ROWS):
                yield JoinShare(gathered, collection, range(first, first + ROWS), orphans)


def _stage(gathered: GatheredColumns, file: str) -> str:
    """A place from which other machines can read a file of this one."""
    path = Path(file)
    return gathered.spools.file(path.name, path.rename)
