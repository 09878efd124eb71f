"""Plans and runs all joins of a transform before its documents are made.

Distributes the joins of a transform to workers, by range of the root's rows or hash bucket.

Each share is a separate query, on any machine: it reads the gathered files, does not need the
results of other shares, and stages its own result. So a share has at most the documents of ROWS
rows, or the rows of one bucket.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.core.schema import Table
from mediatool_assets.core.shapes import AddedField, DocumentCollection, DocumentShape
from mediatool_assets.transform.documents import GatherRequest, GatherShare, gather
from mediatool_assets.transform.joins import (
    EVERY,
    OCCURRENCE,
    GatheredColumns,
    Joins,
    JoinSession,
    OrdinalSlice,
    Slices,
    needs,
)
from mediatool_assets.transform.row_documents import cuts, is_direct
from mediatool_assets.work import in_order
from mediatool_assets.work.scratch import MEMORY, Spooling, Workspace, scratch_folder

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


def join(
    archive: ArchiveReader,
    collections: Sequence[DocumentCollection],
    workspace: Workspace,
    spools: Spooling,
    memory: str = MEMORY,
) -> Joins:
    """Gather the columns that the additions of all collections need, and join them: here, or on
    workers that share no disk. Of direct look-ups, only the tables that are looked up are gathered.
    """
    rows = {name: member.rows for name, member in archive.manifest.tables().items()}
    direct = {
        f"{collection.name}.{added.field}": added
        for collection in collections
        for added in collection.shape.additions
        if is_direct(added, rows)
    }
    collections = [_without(collection, direct) for collection in collections]
    wanted = _needs(collections, direct.values())
    if not wanted:
        return Joins({}, {}, {})
    shares = list(_gatherings(archive, wanted, spools))
    with in_order(workspace.executor, gather, shares) as files:
        slices = [OrdinalSlice(s.ordinals, file) for s, file in zip(shares, files, strict=True)]
    named = zip((share.need.table.name for share in shares), slices, strict=True)
    tables = {
        name: tuple(piece for _, piece in group)
        for name, group in groupby(named, key=lambda pair: pair[0])
    }
    gathered = GatheredColumns(tuple(wanted.values()), tables, spools, memory)
    if spools.elsewhere:
        joins = join_with_workers(gathered, collections, workspace.executor)
    else:
        with gathered.database(workspace.scratch) as bench:
            joins = JoinSession(bench).joins(collections, tables)
    return replace(joins, direct=frozenset(direct))


def _without(collection: DocumentCollection, slots: Container[str]) -> DocumentCollection:
    """The collection without the additions that have one of these slots."""
    shape = collection.shape
    others = tuple(a for a in shape.additions if f"{collection.name}.{a.field}" not in slots)
    return replace(collection, shape=replace(shape, additions=others))


def _needs(
    collections: Sequence[DocumentCollection], direct: Iterable[AddedField]
) -> dict[str, GatherRequest]:
    wanted: dict[str, GatherRequest] = {}
    for added in direct:
        (arrow,) = added.path
        need = wanted.setdefault(arrow.table.name, GatherRequest(arrow.table))
        need.keys.update(arrow.keys)
        need.values.update(part.column.name for part in added.take)
    for collection in collections:
        for table, kind, columns in needs(collection.shape):
            need = wanted.setdefault(table.name, GatherRequest(table))
            if kind == "whole":
                need.whole = True
            else:
                getattr(need, kind).update(columns)
        if not collection.shape.key:
            table = collection.shape.table
            wanted.setdefault(table.name, GatherRequest(table)).hashed = True
    return wanted


def _gatherings(
    archive: ArchiveReader, wanted: Mapping[str, GatherRequest], spools: Spooling
) -> Iterator[GatherShare]:
    count = 0
    members = archive.manifest.tables()
    for name, need in wanted.items():
        for cut in cuts(members[name].blocks) if name in members else ():
            own, file = ArchiveReader(archive.source), f"gathered-{count:06}.parquet"
            yield GatherShare(need, own, cut.blocks, cut.first, spools, file)
            count += 1
