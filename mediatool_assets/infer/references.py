"""References between tables: the candidates, and their measured coverage."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import sqrt

from mediatool_assets.domain.inference.words import (
    NameMatch,
    is_key_like,
    is_past_of,
    name_match,
    past_tables,
    words,
)
from mediatool_assets.domain.schema import Column, ForeignKey, Schema, Table

_KINDS = {
    **dict.fromkeys(("smallint", "integer", "bigint"), "number"),
    **dict.fromkeys(("text", "character varying", "character", "citext", "name"), "text"),
    "uuid": "uuid",
}
"""Types whose values can be keys; types with the same word have comparable values."""

ALMOST_UNIQUE = 0.98
"""The share of distinct values above which a column is meant as a key, apart from mistakes."""

_FOUND = 0.9  # of the values: then it is a reference, whatever its name
_SOME = 0.005  # of the values: enough if the name agrees
_TELLING = 5  # distinct values: fewer are found in many columns by chance


@dataclass(frozen=True, slots=True)
class CandidateReference:
    """Rows of ``table`` that refer to rows of ``target``; ``each``: element by element of an array.

    ``declared`` is the foreign key's name. ``cascade``: deleting the target's row deletes these
    too. ``named`` is how well the names agree. ``counted``: the values are small numbers, which
    match other columns by chance.
    """

    table: str
    columns: tuple[str, ...]
    target: str
    keys: tuple[str, ...]
    each: bool = False
    declared: str | None = None
    cascade: bool = False
    named: NameMatch = NameMatch.FULLY
    counted: bool = False

    def __str__(self) -> str:
        own = ", ".join(f"{self.table}.{column}" for column in self.columns)
        return f"{own}{'[]' * self.each} -> {self.target}.{', '.join(self.keys)}"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many values of a reference (without nulls and empty texts) exist in its target.

    ``distinct`` is the number of distinct values. ``known`` is the part of the target's rows that
    was read; the found values are extrapolated from it.
    """

    values: int
    found: int
    distinct: int
    known: float = 1.0

    @property
    def share(self) -> float:
        """The share of values found, extrapolated to all rows of the target; 0 without values."""
        return min(1.0, self.found / (self.values * self.known)) if self.values else 0.0

    def reaches(self, share: float) -> bool:
        """Whether this share was found, within two deviations if the target was read in part."""
        doubt = 2 * sqrt(self.found) if self.known < 1 else 0.0
        return self.found + doubt >= share * self.values * self.known and self.found > 0

    def __str__(self) -> str:
        if not self.values:
            return "no value to compare"
        percent = f"{100 * self.share:.4g}" if self.share < 1 else "100"
        if self.known < 1:
            return (
                f"about {percent} % of {self.values:,} values, by the {self.found:,} found in the "
                f"{100 * self.known:.2g} % of the target that were read"
            )
        return f"{percent} % of {self.values:,} values found"


@dataclass(frozen=True, slots=True)
class MeasuredReference:
    """A reference with its evidence."""

    reference: CandidateReference
    inclusion: Coverage

    @property
    def certain(self) -> bool:
        """Whether the database declares the reference."""
        return self.reference.declared is not None

    @property
    def reliable(self) -> bool:
        """Whether the database declares the reference, or nearly all values were found."""
        return self.certain or self.inclusion.reaches(_FOUND)

    def evidence(self) -> str:
        """The evidence in a few words, for a comment."""
        said = "declared" if self.certain else "declared nowhere"
        return f"{said}; {self.inclusion}"


def kind_of(column: Column) -> str | None:
    """The word for types with comparable values; None for types that are no keys."""
    return _KINDS.get(column.value_type)


def measurable(table: Table) -> Iterator[Column]:
    """The columns whose values can take part in a reference."""
    known = {name for key in (table.primary_key, *table.unique_keys) for name in key}
    known |= {name for key in table.foreign_keys for name in key.columns}
    for column in table.columns:
        kind = kind_of(column)
        told = kind in ("uuid", "number") or (kind is not None and is_key_like(column.name))
        if told or column.name in known:
            yield column


def declared(schema: Schema) -> Iterator[CandidateReference]:
    """The foreign keys between tables of the schema whose values identify the target's row."""
    known = {table.name for table in schema.tables}
    for table in schema.tables:
        seen: set[tuple[object, ...]] = set()
        for key in table.foreign_keys:
            what = (key.columns, key.table, key.target_columns)
            if key.table in known and what not in seen and _is_told_by_values(table, key):
                seen.add(what)
                yield _of(table, key)


def _is_told_by_values(table: Table, key: ForeignKey) -> bool:
    """Whether a row refers to a target's row exactly if their values are equal."""
    whole = all(table.column(column).element is None for column in key.columns)
    return whole and key.exact and not key.period


def _of(table: Table, key: ForeignKey) -> CandidateReference:
    return CandidateReference(
        table.name,
        key.columns,
        key.table,
        key.target_columns,
        declared=key.name,
        cascade=key.on_delete == "cascade",
    )


def candidates(
    schema: Schema, unique: Mapping[str, frozenset[str]]
) -> Iterator[CandidateReference]:
    """Undeclared references that names and types allow, to be compared with the values.

    ``unique`` holds, by table, the columns whose values are almost all distinct.
    """
    said = {(r.table, r.columns) for r in declared(schema)}
    places = _ReferenceTargets(schema, unique)
    for table in schema.tables:
        for column in measurable(table):
            if (table.name, (column.name,)) not in said:
                for target, key in places.akin(table, column):
                    found = _candidate(table, column, target, key)
                    if found is not None and found.named is not NameMatch.NONE:
                        yield found
        for target in schema.tables:
            if places.shares_key(table, target) and (table.name, target.primary_key) not in said:
                key_names = target.primary_key
                yield CandidateReference(table.name, key_names, target.name, key_names)


Place = tuple[Table, Column]


def words_of(
    schema: Schema, unique: Mapping[str, frozenset[str]]
) -> tuple[list[Place], list[Place]]:
    """The text and uuid columns that could be references, and the keys that they could refer to.

    Their values are not equal by chance, so each column is compared with all keys, whatever its
    name. Only citext is left out: its equality depends on the type of the other side.
    """
    said = {(r.table, r.columns) for r in declared(schema)}
    columns = [
        (table, column)
        for table in schema.tables
        for column in measurable(table)
        if kind_of(column) != "number"
        and column.value_type != "citext"
        and (table.name, (column.name,)) not in said
    ]
    keys = [
        (t, key) for t, key in _ReferenceTargets(schema, unique).targets if kind_of(key) != "number"
    ]
    return columns, keys


def undeclared_reference(place: Place, key: Place) -> CandidateReference | None:
    """The reference from a column to a key; None if the names say more about it, or forbid it."""
    found = _candidate(*place, *key)
    return found if found is not None and found.named is NameMatch.NONE else None


class _ReferenceTargets:
    """The possible targets of references, found by the words of their names."""

    def __init__(self, schema: Schema, unique: Mapping[str, frozenset[str]]) -> None:
        self._past = past_tables([table.name for table in schema.tables])
        self.targets = [
            (t, key)
            for t in schema.tables
            if t.name not in self._past
            for key in _targets(t, unique.get(t.name, ()))
        ]
        self._by_word: dict[str, list[int]] = defaultdict(list)
        for number, (table, key) in enumerate(self.targets):
            for word in {*words(table.relation), *words(key.name)}:
                self._by_word[word].append(number)

    def akin(self, table: Table, column: Column) -> Iterator[Place]:
        """The targets whose names share a word with the column's or its table's name."""
        said = {*words(column.name), *words(table.relation)}
        for number in sorted({n for word in said for n in self._by_word[word]}):
            yield self.targets[number]

    def shares_key(self, table: Table, target: Table) -> bool:
        """Whether the table has all columns of the target's composite key, same names and types."""
        if len(target.primary_key) < 2 or table.name == target.name or target.name in self._past:
            return False
        own = {column.name: column.base for column in table.columns}
        theirs = {column.name: column.base for column in target.columns}
        if table.primary_key == target.primary_key and table.name < target.name:
            return False  # two tables with one key: one reference, from the later name
        return all(own.get(name) == theirs[name] for name in target.primary_key)


def _targets(table: Table, unique: Iterable[str]) -> Iterator[Column]:
    """The single columns that identify a row: unique, or nearly unique and named like a key."""
    keys = {key[0] for key in (table.primary_key, *table.unique_keys) if len(key) == 1}
    composite = set(table.primary_key) if len(table.primary_key) > 1 else set[str]()
    for column in table.columns:
        if column.element is not None or kind_of(column) is None:
            continue
        if column.name in keys or (
            column.name in unique
            and column.name not in composite
            and is_key_like(column.name)
            and kind_of(column) != "number"
        ):
            yield column


def _candidate(
    table: Table, column: Column, target: Table, key: Column
) -> CandidateReference | None:
    named = name_match(column.name, table.relation, target.relation, key.name)
    kinds = {kind_of(column), kind_of(key)}
    itself = (table.name, column.name) == (target.name, key.name)
    if itself or not _can_meet(kinds, named) or not _can_refer(table, column, target, key, named):
        return None
    return CandidateReference(
        table.name,
        (column.name,),
        target.name,
        (key.name,),
        each=column.element is not None,
        named=named,
        counted=kinds == {"number"},
    )


def _can_meet(kinds: set[str | None], named: NameMatch) -> bool:
    """Whether values of these types can be equal, and equality would mean something."""
    if len(kinds) > 1:
        return kinds == {"text", "uuid"} and named is not NameMatch.NONE
    return named is not NameMatch.NONE or kinds != {"number"}


def _can_refer(table: Table, column: Column, target: Table, key: Column, named: NameMatch) -> bool:
    """Whether a column can be a reference to the key."""
    if is_past_of(table.name, target.name):  # else a copy of a column, as all of its columns are
        return named is not NameMatch.NONE and (key.name,) == target.primary_key
    own_key = table.primary_key == (column.name,)
    if named is NameMatch.NONE:
        return not own_key and table.name != target.name and is_key_like(column.name)
    return not (own_key and column.name == "id")


def accepted_references(
    found: Mapping[CandidateReference, Coverage],
) -> tuple[MeasuredReference, ...]:
    """The references to believe: the best candidate of each column, and every declared one."""
    best: dict[tuple[str, tuple[str, ...]], MeasuredReference] = {}
    relations = []
    for reference, inclusion in found.items():
        relation = MeasuredReference(reference, inclusion)
        if relation.certain:
            relations.append(relation)
        elif _believed(relation):
            place = (reference.table, reference.columns)
            if place not in best or _rank(relation) > _rank(best[place]):
                best[place] = relation
    relations += best.values()
    return tuple(sorted(relations, key=lambda r: (r.reference.table, r.reference.columns)))


def _believed(relation: MeasuredReference) -> bool:
    reference, inclusion = relation.reference, relation.inclusion
    if not inclusion.values:
        return reference.named is NameMatch.FULLY and len(reference.columns) == 1
    if reference.named is NameMatch.NONE:
        return inclusion.reaches(_FOUND) and inclusion.distinct >= _TELLING
    sure = reference.named is NameMatch.FULLY or not reference.counted
    return inclusion.reaches(_SOME if sure and len(reference.columns) == 1 else _FOUND)


def _rank(relation: MeasuredReference) -> tuple[object, ...]:
    reference, inclusion = relation.reference, relation.inclusion
    return (
        inclusion.reaches(_FOUND),
        reference.named,
        inclusion.share,
        reference.keys == ("id",),
        reference.target,
    )
