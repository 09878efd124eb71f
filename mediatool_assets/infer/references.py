"""References between tables: the candidates, and their measured coverage.

Keys, and unique names of fields and collections.

Splits names into words, in the singular, and finds tables that they refer to.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from math import sqrt

from mediatool_assets.core.schema import Column, ForeignKey, Schema, Table
from mediatool_assets.core.shapes import Names, camel_case, collection_name

_PART = re.compile(r"[0-9]+|[^\W\d_]+")
_HUMP = re.compile(r"[A-Z]+s?(?![a-z])|[A-Z]?[a-z]+")  # XMLFile, userIDs

_KEY_WORDS = frozenset({"id", "uuid", "guid", "key", "code", "no", "nr", "num", "number", "ref"})
"""Last words of names of key columns."""

_SAME_TABLE = frozenset(
    {"parent", "manager", "supervisor", "superior", "boss", "previous", "next", "root", "original"}
    | {"predecessor", "successor", "ancestor", "reply"}
)
"""Words that mean another row of the same table."""

_PAST = ("history", "hist", "archive", "audit", "log", "versions")


class NameMatch(IntEnum):
    """How well a column's name identifies the table that it refers to."""

    NONE = 0
    PARTLY = 1
    FULLY = 2


@lru_cache(maxsize=100_000)
def words(name: str) -> tuple[str, ...]:
    """``lineItem_IDs`` -> ``("line", "item", "id")``: lower case, each singular."""
    parts = _PART.findall(name)
    found = (word for part in parts for word in (_HUMP.findall(part) if _humped(part) else [part]))
    return tuple(singular(word.lower()) for word in found)


def _humped(part: str) -> bool:
    return part.isascii() and part.isalpha()


def singular(word: str) -> str:
    """The singular of an English word, roughly: good enough to compare two names."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2:
        return word[:-1]
    return word


def plural(name: str) -> str:
    """The plural of a name in camelCase, roughly."""
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return name[:-1] + "ies"
    return name + ("es" if name.endswith(("s", "x", "ch", "sh")) else "s")


def is_key_like(name: str) -> bool:
    """Whether a name is that of a key: ``id``, ``owner_user_ids``, ``campaign_number``."""
    found = words(name)
    return bool(found) and found[-1] in _KEY_WORDS


def is_past_of(table: str, other: str) -> bool:
    """Whether, by its name, ``table`` holds earlier states of the rows of ``other``."""
    return any(table.removesuffix(f"_{past}") == other for past in _PAST)


def past_tables(tables: Collection[str]) -> frozenset[str]:
    """Tables that hold earlier states of others, by their names: ``team_history`` of ``teams``.

    Without the other table, the name does not count: it is a log of something else.
    """
    known = set(map(words, tables))
    return frozenset(
        table
        for table in tables
        for past in _PAST
        if table.endswith(f"_{past}") and words(table.removesuffix(f"_{past}")) in known
    )


def name_match(column: str, table: str, target: str, key: str) -> NameMatch:
    """How well the name of ``table.column`` identifies ``target.key``."""
    own, theirs, keys = words(column), words(target), words(key)
    stem = _stem(own)
    if table == target:
        named = bool(_SAME_TABLE.intersection(own)) or _ends(stem, theirs)
        return NameMatch.FULLY if named and own != keys else NameMatch.NONE
    same = own == keys and len(keys) > 1  # campaign_number, in both
    past = is_past_of(table, target)
    fully = (
        (past and (column == key or bool(_SAME_TABLE.intersection(own))))
        or (same and _ends(keys, theirs, anywhere=True))
        or own == theirs + keys
        or stem == theirs
    )
    if fully:
        return NameMatch.FULLY
    partly = same or _ends(stem, theirs, anywhere=True) or _ends(theirs, stem)
    return NameMatch.PARTLY if partly else NameMatch.NONE


def stem_of(column: str) -> str:
    """``channel_id`` -> ``channel``: the name of what the column refers to."""
    return re.sub(r"[_ ]*(?:ids?|uuids?|keys?|codes?|nos?|refs?)$", "", column, flags=re.IGNORECASE)


def _stem(own: Sequence[str]) -> tuple[str, ...]:
    return tuple(own[:-1] if own and own[-1] in _KEY_WORDS else own)


def _ends(one: Sequence[str], with_: Sequence[str], *, anywhere: bool = False) -> bool:
    """Whether the words of ``one`` end with (or contain) those of ``with_``."""
    size = len(with_)
    if anywhere:
        return any(tuple(one[at : at + size]) == tuple(with_) for at in range(len(one)))
    return 0 < size <= len(one) and tuple(one[-size:]) == tuple(with_)


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


def identifying_key(table: Table) -> tuple[tuple[str, ...], str]:
    """The key that identifies the table's rows, and the kind of that key in words."""
    if table.primary_key:
        return table.primary_key, "primary key"
    if table.identifying_keys:
        return min(table.identifying_keys, key=lambda key: (len(key), key)), "unique and not null"
    return (), "none: a row is identified by its content and a number"


def fields_of(table: Table, key: tuple[str, ...]) -> tuple[dict[str, str], Names]:
    """The field of each column (the key's columns choose first), and the names in use."""
    names = Names({"_id"} - set(key) if len(key) == 1 else {"_id"})
    fields = {column: names.give(camel_case(column)) for column in key}
    for column in table.columns:
        if column.name not in fields:
            fields[column.name] = names.give(camel_case(column.name))
    return fields, names


def orphan_collection(table: str, target: str) -> str:
    """The collection for a table's rows that belong to no row of another table."""
    last = "".join(word.capitalize() for word in words(target)) or "Owner"
    return f"{collection_name(table)}Without{last}"
