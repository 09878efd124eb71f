"""Decides where the rows of each table go: own collections, or embedded in others."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mediatool_assets.domain.inference.figures import FanOut, Figures
from mediatool_assets.domain.inference.references import CandidateReference, MeasuredReference
from mediatool_assets.domain.inference.words import NameMatch, is_past_of, past_tables
from mediatool_assets.domain.model import AdditionVerb
from mediatool_assets.domain.schema import Column, Schema, Table
from mediatool_assets.domain.shapes import is_unique

MOST_EMBEDDED = 500
"""The most rows in one document; a large or growing array is rewritten with each new row."""

LARGEST_EMBEDDED = 2 * 1024 * 1024
"""The most bytes of a document with its embedded rows: an eighth of MongoDB's limit, to grow."""

MOST_FOLDED = 1000
"""The most references in one array."""

_LOOKUP_ROWS = 1000
_LOOKUP_BYTES = 1000  # of a row: a label and its attributes, not an entity
_LABELS = ("name", "title", "label", "display_name", "description", "code", "abbreviation")
_JOIN_EXTRAS = 2  # columns of a join table beside its references


@dataclass(frozen=True, slots=True)
class NestedTable:
    """A table that is embedded or folded in the documents of another; ``take`` if folded.

    ``certain`` if the database declares everything that the decision depends on.
    """

    verb: AdditionVerb
    relation: MeasuredReference
    why: str
    certain: bool
    take: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CopiedColumn:
    """A column of a small table that is copied next to the reference to it."""

    relation: MeasuredReference
    column: str


@dataclass(frozen=True, slots=True)
class Entity:
    """What a table becomes: a collection or a part of one; ``proposals`` are not certain."""

    table: Table
    home: NestedTable | None
    copies: tuple[CopiedColumn, ...] = ()
    references: tuple[MeasuredReference, ...] = ()
    proposals: tuple[NestedTable | CopiedColumn, ...] = ()


def entities(
    schema: Schema, relations: Sequence[MeasuredReference], figures: Figures
) -> dict[str, Entity]:
    """Every table of the schema, by name: where its rows are stored, and what is copied to them."""
    return _Shaping(schema, relations, figures).entities()


class _Shaping:
    def __init__(
        self, schema: Schema, relations: Sequence[MeasuredReference], figures: Figures
    ) -> None:
        self._tables = {table.name: table for table in schema.tables}
        self._past = past_tables(self._tables)
        self._figures = figures
        self._from: dict[str, list[MeasuredReference]] = defaultdict(list)
        self._to: dict[str, list[MeasuredReference]] = defaultdict(list)
        self._homes: dict[str, NestedTable] = {}
        for relation in relations:
            self._from[relation.reference.table].append(relation)
            self._to[relation.reference.target].append(relation)

    def entities(self) -> dict[str, Entity]:
        while self._settled():
            pass
        proposed = self._proposed()
        return {
            name: Entity(
                table,
                self._homes.get(name),
                tuple(c for c in self._copies(table) if c.relation.certain),
                tuple(self._from[name]),
                (*proposed[name], *(c for c in self._copies(table) if not c.relation.certain)),
            )
            for name, table in self._tables.items()
        }

    def _settled(self) -> bool:
        """Place tables without a place inside others; whether any was placed.

        A table that is placed inside another no longer counts as a reference to it: hence
        bottom-up.
        """
        found = False
        for name, table in self._tables.items():
            if name in self._homes:
                continue
            for inside in self._insides(table):
                if inside.certain and not self._is_named(table) and self._fits(inside):
                    self._homes[name] = inside
                    found = True
                    break
        return found

    def _proposed(self) -> dict[str, list[NestedTable | CopiedColumn]]:
        """What could be placed inside a table if it were certain and not referred to by others."""
        proposed: dict[str, list[NestedTable | CopiedColumn]] = defaultdict(list)
        for name, table in self._tables.items():
            best = next(self._insides(table), None)
            if name not in self._homes and best is not None:
                proposed[best.relation.reference.target].append(best)
        return proposed

    def _is_named(self, table: Table) -> bool:
        """Whether other tables refer to the table's rows, which then need a collection."""
        others = {r.reference.table for r in self._to[table.name]} - {table.name}
        return any(
            other not in self._homes or self._homes[other].relation.reference.target != table.name
            for other in others
        )

    def _fits(self, inside: NestedTable) -> bool:
        """Whether the placement makes no cycle, and the size of one document stays bounded."""
        reference = inside.relation.reference
        if _holds(self._homes, reference.target, reference.table):
            return False
        if inside.verb is AdditionVerb.FOLD:
            return True
        fan_out = self._figures.fan_outs[reference]
        own = [h.relation.reference for h in self._homes.values()]
        beside = [r for r in own if r.target == reference.target]
        within = [r for r in own if r.target == reference.table]
        inner = sum(self._figures.fan_outs[r].largest for r in within)
        outer = sum(self._figures.fan_outs[r].largest for r in beside)
        return outer + max(fan_out.largest, fan_out.most * inner) <= LARGEST_EMBEDDED

    def _insides(self, table: Table) -> Iterator[NestedTable]:
        """The ways to store the table's rows in other documents, best first."""
        folded = list(self._folds(table))
        if any(inside.certain for inside in folded):
            yield from (inside for inside in folded if inside.certain)
            return
        relations = sorted(self._from[table.name], key=lambda r: not r.reference.cascade)
        embedded = [e for r in relations if (e := self._embedding(table, r)) is not None]
        yield from (inside for inside in embedded if inside.certain)
        yield from folded
        yield from (inside for inside in embedded if not inside.certain)

    def _folds(self, table: Table) -> Iterator[NestedTable]:
        own = [r for r in self._from[table.name] if r.reliable and not _is_own(r)]
        pairs = [
            (one, other)
            for one in own
            for other in own
            if one is not other and _together(table, one.reference, other.reference)
        ]
        for one, other in sorted(pairs, key=lambda pair: _fold_order(table, pair[0])):
            fan_out = self._fan_out(one.reference)
            caseless = any(table.column(c).value_type == "citext" for c in one.reference.columns)
            if fan_out is not None and fan_out.most <= MOST_FOLDED and not caseless:
                columns = set(one.reference.columns) - set(other.reference.columns)
                take = tuple(c.name for c in table.columns if c.name not in columns)
                told = "" if other.certain else f" ({other.evidence()})"
                why = f"joins {one.reference.target} with {other.reference.target}{told}; {fan_out}"
                yield NestedTable(AdditionVerb.FOLD, one, why, one.certain and other.certain, take)

    def _fan_out(self, reference: CandidateReference) -> FanOut | None:
        """The rows that one document would get; None if not all rows were read."""
        figures = [self._figures.of(name) for name in (reference.table, reference.target)]
        return self._figures.fan_outs.get(reference) if all(f.whole for f in figures) else None

    def _embedding(self, table: Table, relation: MeasuredReference) -> NestedTable | None:
        reference = relation.reference
        fan_out = self._fan_out(reference)
        if reference.each or _is_own(relation) or fan_out is None or not fan_out.parents:
            return None
        if table.name in self._past:
            return None  # it grows without a limit
        if reference.named is NameMatch.NONE or not _bounded(fan_out):
            return None
        if not is_unique(self._tables[reference.target], reference.keys):
            return None
        single = is_unique(table, reference.columns)
        inside_key = bool(table.primary_key) and set(reference.columns) < set(table.primary_key)
        if single:
            why = "one row each at most"
        elif reference.cascade:
            why = "deleted with it"
        elif inside_key and not _is_link(table, self._from[table.name]):
            why = "its key begins with the other's"
        else:
            return None
        verb = AdditionVerb.EMBED_ONE if single else AdditionVerb.EMBED_MANY
        return NestedTable(verb, relation, f"{why}; {fan_out}", relation.certain)

    def _copies(self, table: Table) -> Iterator[CopiedColumn]:
        for relation in self._from[table.name]:
            reference = relation.reference
            if len(reference.columns) > 1 or _is_own(relation):
                continue
            if is_past_of(reference.table, reference.target):
                continue
            label = self._label(self._tables[reference.target], reference.keys)
            if label is not None and relation.inclusion.share > 0.5:
                yield CopiedColumn(relation, label.name)

    def _label(self, table: Table, keys: Iterable[str]) -> Column | None:
        """The column with the names of a small table's rows; None if it has none."""
        figures = self._figures.of(table.name)
        if not figures.whole or figures.rows > _LOOKUP_ROWS or figures.mean > _LOOKUP_BYTES:
            return None
        if not is_unique(table, keys):
            return None
        columns = {column.name.lower(): column for column in table.columns}
        return next((columns[name] for name in _LABELS if name in columns), None)


def _is_own(relation: MeasuredReference) -> bool:
    """Whether the reference is within one table: a tree, kept by reference."""
    return relation.reference.table == relation.reference.target


def _bounded(fan_out: FanOut) -> bool:
    return fan_out.most <= MOST_EMBEDDED and fan_out.largest <= LARGEST_EMBEDDED


def _together(table: Table, one: CandidateReference, other: CandidateReference) -> bool:
    """Whether the table has no more than both references and a column or two."""
    both = set(one.columns) | set(other.columns)
    if one.columns == other.columns or len(table.columns) - len(both) > _JOIN_EXTRAS:
        return False
    key = set(table.primary_key)
    return key == both if key else len(table.columns) == len(both)


def _fold_order(table: Table, relation: MeasuredReference) -> tuple[bool, int]:
    first = relation.reference.columns[0]
    names = [column.name for column in table.columns]
    return not relation.reference.cascade, names.index(first)


def _is_link(table: Table, relations: Sequence[MeasuredReference]) -> bool:
    """Whether the key consists of several references: such a row belongs to no single parent."""
    covered: set[str] = set()
    count = 0
    for relation in relations:
        if relation.reliable and set(relation.reference.columns) <= set(table.primary_key):
            covered |= set(relation.reference.columns)
            count += 1
    return count > 1 and covered == set(table.primary_key)


def _holds(homes: Mapping[str, NestedTable], target: str, name: str) -> bool:
    """Whether the target is already stored, at any depth, in ``name``; folded rows contain none."""
    while True:
        if target == name:
            return True
        inside = homes.get(target)
        if inside is None:
            return False
        if inside.verb is AdditionVerb.FOLD:
            return True
        target = inside.relation.reference.target
