"""Plans and runs all joins of a transform before its documents are made."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain.shapes import AddedField, DocumentCollection
from mediatool_assets.flows.transform.direct_lookups import is_direct
from mediatool_assets.flows.transform.gather_shares import GatherShare, gather
from mediatool_assets.flows.transform.gathering import GatherRequest
from mediatool_assets.flows.transform.join_database import needs
from mediatool_assets.flows.transform.join_session import (
    GatheredColumns,
    Joins,
    JoinSession,
    OrdinalSlice,
)
from mediatool_assets.flows.transform.join_shares import join_with_workers
from mediatool_assets.flows.transform.table_cuts import cuts
from mediatool_assets.flows.workers.duckdb_session import MEMORY
from mediatool_assets.flows.workers.ordered_results import in_order
from mediatool_assets.flows.workers.spooling import Spooling
from mediatool_assets.flows.workers.workspace import Workspace


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
