"""The joins of documents in one DuckDB database, and their result files for workers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mediatool_assets.domain.model import AdditionVerb
from mediatool_assets.domain.schema import Table
from mediatool_assets.domain.shapes import AddedField, DocumentCollection, DocumentShape
from mediatool_assets.flows.transform.gathering import GatherRequest
from mediatool_assets.flows.transform.join_database import JoinDatabase
from mediatool_assets.flows.workers.spooling import Spooling

OCCURRENCE = "_id"
"""The name of the slot of a collection whose documents have no key."""


class OrdinalSlice(NamedTuple):
    """A file with the rows of some ordinals."""

    ordinals: range
    file: str


Slices = tuple[OrdinalSlice, ...]

EVERY = range(1 << 62)
"""The ordinals of all possible rows."""


@dataclass(frozen=True, slots=True)
class Joins:
    """Files for workers: ``slots`` by ``collection.field``, in slices of the root's rows, ``only``
    the rows of a collection of orphans, by collection, and ``tables`` what was gathered of each.

    ``direct`` are the look-ups that have no slot: workers do them (direct_lookups.py).
    """

    slots: Mapping[str, Slices]
    only: Mapping[str, str]
    tables: Mapping[str, Slices]
    direct: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class GatheredColumns:
    """The input of the joins, which is sent to workers."""

    needs: tuple[GatherRequest, ...]
    tables: Mapping[str, Slices]
    spools: Spooling
    memory: str

    @contextmanager
    def database(self, scratch: Path) -> Iterator[JoinDatabase]:
        """A database with all gathered tables."""
        with JoinDatabase.opened(self.spools, scratch, self.memory) as database:
            for need in self.needs:
                slices = self.tables.get(need.table.name, ())
                database.add_table(need, [piece.file for piece in slices])
            yield database


@dataclass
class JoinSession:
    """The joins in one database: of all rows, or of some rows of one collection."""

    database: JoinDatabase
    slots: dict[str, str] = field(default_factory=dict)
    placements: dict[str, tuple[AddedField, str]] = field(default_factory=dict)

    def joins(
        self, collections: Sequence[DocumentCollection], tables: Mapping[str, Slices]
    ) -> Joins:
        """All slots; collections of orphans last, since they need the results of ``place``."""
        only: dict[str, str] = {}
        for collection in sorted(collections, key=lambda c: c.orphans_of is not None):
            orphans = None
            if collection.orphans_of is not None:
                orphans = self.database.orphans(*self.placements[collection.orphans_of])
                only[collection.name] = orphans
            if not collection.shape.key:
                occurrences = self.database.occurrences(collection.shape.table)
                self.slots[f"{collection.name}.{OCCURRENCE}"] = occurrences
            if collection.shape.additions:
                self.collection(collection, orphans)
        slots = {slot: (OrdinalSlice(EVERY, file),) for slot, file in self.slots.items()}
        return Joins(slots, only, tables)

    def collection(
        self,
        collection: DocumentCollection,
        orphans: str | None,
        within: range | None = None,
    ) -> None:
        """The slots of a collection, of all documents or of those whose rows are ``within``."""
        if orphans is not None:
            rows = self.database.orphan_rows(orphans, within)
        else:
            rows = self.database.root_rows(collection.shape.table, within)
        self._shape(collection.name, collection.shape, rows, some=within is not None)

    def _shape(self, place: str, shape: DocumentShape, rows: str, *, some: bool) -> None:
        owner: Table = shape.table
        for added in shape.additions:
            slot = f"{place}.{added.field}"
            match added.verb:
                case AdditionVerb.LOOK_UP:
                    self.slots[slot] = self.database.lookup_slot(added, owner, rows)
                case AdditionVerb.UNION:
                    self.slots[slot] = self.database.union_slot(added, owner, rows)
                case AdditionVerb.COUNT:
                    self.slots[slot] = self.database.count_slot(added, owner, rows)
                case _:
                    placed = self.database.place(added, owner, rows if some else None)
                    self.placements[slot] = added, placed
                    self.slots[slot] = self.database.embed_slot(placed, rows)
                    if added.shape is not None and added.shape.additions:
                        within = self.database.embedded_rows(placed, rows)
                        self._shape(slot, added.shape, within, some=some)
