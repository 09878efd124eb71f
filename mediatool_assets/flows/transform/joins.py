"""Plans and runs all joins of a transform before its documents are made."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain.model import Verb
from mediatool_assets.domain.schema import Table
from mediatool_assets.domain.shapes import DocumentCollection, DocumentShape
from mediatool_assets.flows.tasks import in_order
from mediatool_assets.flows.transform.cuts import cuts
from mediatool_assets.flows.transform.gathering import Gathering, Need, gather
from mediatool_assets.flows.transform.workbench import MEMORY, Placement, Workbench, needs

OCCURRENCE = "_id"
"""The name of the slot of a collection whose documents have no key."""


@dataclass(frozen=True, slots=True)
class Joins:
    """Files for workers: ``slots`` by ``collection.field``, ``only`` the rows of a collection of
    orphans, by collection, and ``tables`` what was gathered of each table.
    """

    slots: Mapping[str, Path]
    only: Mapping[str, Path]
    tables: Mapping[str, tuple[Path, ...]]


def join(
    archive: ArchiveReader,
    collections: Sequence[DocumentCollection],
    executor: Executor,
    scratch: Path,
    memory: str = MEMORY,
) -> Joins:
    """Gather what the additions of all collections need, and join it."""
    wanted = _needs(collections)
    if not wanted:
        return Joins({}, {}, {})
    shares = list(_gatherings(archive, wanted, scratch))
    with (
        Workbench.opened(scratch, memory) as bench,
        in_order(executor, gather, shares) as files,
    ):
        pairs = zip(shares, files, strict=True)
        gathered = {
            name: tuple(file for _, file in group)
            for name, group in groupby(pairs, key=lambda pair: pair[0].need.table.name)
        }
        for name, need in wanted.items():
            bench.bring(need, gathered.get(name, ()))
        return _Joining(bench, gathered).joins(collections)


def _needs(collections: Sequence[DocumentCollection]) -> dict[str, Need]:
    wanted: dict[str, Need] = {}
    for collection in collections:
        for table, kind, columns in needs(collection.shape):
            need = wanted.setdefault(table.name, Need(table))
            if kind == "whole":
                need.whole = True
            else:
                getattr(need, kind).update(columns)
        if not collection.shape.key:
            table = collection.shape.table
            wanted.setdefault(table.name, Need(table)).hashed = True
    return wanted


def _gatherings(
    archive: ArchiveReader, wanted: Mapping[str, Need], scratch: Path
) -> Iterator[Gathering]:
    count = 0
    members = archive.manifest.tables()
    for name, need in wanted.items():
        for cut in cuts(members[name].blocks) if name in members else ():
            path = scratch / f"gathered-{count:06}.parquet"
            yield Gathering(need, ArchiveReader(archive.source), cut.blocks, cut.first, path)
            count += 1


@dataclass
class _Joining:
    bench: Workbench
    tables: Mapping[str, tuple[Path, ...]]
    slots: dict[str, Path] = field(default_factory=dict)
    only: dict[str, Path] = field(default_factory=dict)
    placements: dict[str, Placement] = field(default_factory=dict)

    def joins(self, collections: Sequence[DocumentCollection]) -> Joins:
        """All slots; collections of orphans last, as they want to know who was placed."""
        for collection in sorted(collections, key=lambda c: c.orphans_of is not None):
            if collection.orphans_of is not None:
                orphans = self.placements[collection.orphans_of].orphans
                self.only[collection.name] = orphans
            if not collection.shape.key:
                occurrences = self.bench.occurrences(collection.shape.table)
                self.slots[f"{collection.name}.{OCCURRENCE}"] = occurrences
            if collection.shape.additions:
                if collection.orphans_of is not None:
                    members = self.bench.members_of(orphans)
                else:
                    members = self.bench.members(collection.shape.table)
                self._shape(collection.name, collection.shape, members)
        return Joins(self.slots, self.only, self.tables)

    def _shape(self, place: str, shape: DocumentShape, members: Path) -> None:
        owner: Table = shape.table
        for added in shape.additions:
            slot = f"{place}.{added.field}"
            match added.verb:
                case Verb.LOOK_UP:
                    self.slots[slot] = self.bench.looked_up(added, owner, members)
                case Verb.UNION:
                    self.slots[slot] = self.bench.united(added, owner, members)
                case Verb.COUNT:
                    self.slots[slot] = self.bench.counted(added, owner, members)
                case _:
                    placement = self.bench.place(added, owner)
                    self.placements[slot] = placement
                    self.slots[slot] = self.bench.embedded(placement, members)
                    if added.shape is not None and added.shape.additions:
                        within = self.bench.members_within(placement.placed, members)
                        self._shape(slot, added.shape, within)
