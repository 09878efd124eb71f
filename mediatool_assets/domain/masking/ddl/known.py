"""The rules for the schema's objects, found by the names that SQL uses for them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from google.protobuf.message import Message

from mediatool_assets.domain.ddl import tree
from mediatool_assets.domain.masking.masker import Masker
from mediatool_assets.domain.masking.rules import MaskingRule, MaskingVerb, Rules
from mediatool_assets.domain.schema import Column, Schema, Table


class Name(NamedTuple):
    """An object's schema and its own name."""

    namespace: str
    name: str


class Denied(Exception):
    """Something that no rule allows; the message says why, and contains no value."""


class NeedsLeftOut(Denied):
    """An object that depends on one that is left out."""

    def __init__(self) -> None:
        super().__init__("it depends on an object that is left out")


@dataclass(slots=True)
class Known:
    """The schema with its rules. ``left_out`` names the objects that were left out."""

    schema: Schema
    rules: Rules
    masker: Masker
    tables: dict[Name, Table] = field(default_factory=dict)
    parents: dict[Name, Name] = field(default_factory=dict)
    views: dict[Name, tuple[Name, ...]] = field(default_factory=dict)
    labels_of: dict[Name, dict[str, list[str]]] = field(default_factory=dict)
    """The new labels of each enum, by its old ones."""
    flat: set[Name] = field(default_factory=set)
    left_out: set[Name] = field(default_factory=set)

    def __post_init__(self) -> None:
        for table in self.schema.tables:
            space = table.namespace or self.schema.name
            own = Name(space, table.relation)
            self.tables[own] = table
            for leaf in table.partitions:
                *other, name = leaf.split(".", 1) if "." in leaf else [leaf]
                self.parents[Name(other[0] if other else space, name)] = own

    def named(self, parts: Sequence[str]) -> Name:
        """A name of one or two parts; a name of one part is in the exported schema."""
        return Name(parts[-2] if len(parts) > 1 else self.schema.name, parts[-1])

    def has(self, text: str) -> bool:
        """Whether a text names a table, view or sequence, with or without quotes and schema."""
        schema = self.schema
        names = {
            *schema.views,
            *(table.relation for table in schema.tables),
            *(sequence.relation for sequence in schema.sequences),
        }
        parts = [part.replace('""', '"') for part in re.findall(r'"((?:[^"]|"")*)"|$', text)]
        return any(part in names or f"{parts[0]}.{part}" in names for part in parts if part)

    def relation(self, node: Message) -> Name:
        """The name in a RangeVar."""
        return Name(node.schemaname or self.schema.name, node.relname)

    def table(self, name: Name) -> Table | None:
        """The table that contains a relation's rows: itself, or the table that it partitions."""
        for _ in range(len(self.parents) + 1):
            if name in self.tables:
                return self.tables[name]
            if name not in self.parents:
                return None
            name = self.parents[name]
        return None

    def rule(self, name: Name, column: str) -> MaskingRule | None:
        """The rule of a relation's column; None where it has none."""
        table = self.table(name)
        return None if table is None else self.rules.rule(table.name, column)

    def bases(self, names: Iterable[Name]) -> Iterator[Name]:
        """The relations, with views replaced by the relations that they read."""
        for name in names:
            yield name
            yield from self.bases(self.views.get(name, ()))

    def users(self, type_: Name) -> list[tuple[Table, Column, MaskingRule | None]]:
        """The columns of a type, including arrays and domains of it."""
        return [
            (table, column, self.rules.rule(table.name, column.name))
            for table in self.schema.tables
            for column in table.columns
            if type_ in {self._type(t) for t in (column.type, column.base, column.element) if t}
        ]

    def _type(self, text: str) -> Name:
        parts = [part.strip('"') for part in text.removesuffix("[]").split(".")]
        return self.named(parts)

    def enums(self) -> list[Name]:
        """The names of all enums."""
        return [self.named(enum.name.split(".", 1)) for enum in self.schema.enums]

    def relabel(self, enum: Name, held_by: Iterable[Name]) -> None:
        """Decide the new labels of an enum, in agreement with the rows of its columns.

        Labels are kept if a column of the enum is kept. They become its pseudonyms if a column has
        these; otherwise neutral labels. ``held_by`` are the composite types that contain the enum.
        """
        labels = dict(zip(self.enums(), self.schema.enums, strict=True))[enum].labels
        used = [rule for type_ in (enum, *held_by) for _, _, rule in self.users(type_)]
        rules = [rule for rule in used if rule is not None]
        is_kept = any(rule.verb in (MaskingVerb.KEEP, MaskingVerb.JSON) for rule in rules)
        kinds = dict.fromkeys(rule.argument for rule in rules if rule.verb is MaskingVerb.PSEUDONYM)
        self.labels_of[enum] = {
            label: [
                *([label] if is_kept else []),
                *(self.masker.pseudonym(kind, label) for kind in kinds),
            ]
            or [f"masked_{number}"]
            for number, label in enumerate(labels, 1)
        }


@dataclass(frozen=True, slots=True)
class Scope:
    """The relations, also by alias, whose columns an expression can refer to."""

    known: Known
    relations: tuple[Name, ...]
    aliases: Mapping[str, Name] = field(default_factory=dict)
    values: tuple[MaskingRule, ...] | None = None
    """The rules for VALUE in a domain: those of all its columns."""

    @classmethod
    def of(cls, known: Known, query: Message) -> "Scope":
        """The scope of a query, including its subqueries."""
        found: dict[Name, None] = {}
        aliases: dict[str, Name] = {}
        for node, _ in tree.walk(query):
            if node.DESCRIPTOR.name == "RangeVar":
                name = known.relation(node)
                found[name] = None
                aliases[node.alias.aliasname or node.relname] = name
        return cls(known, tuple(known.bases(found)), aliases)

    def rules(self, reference: Message) -> list[MaskingRule] | None:
        """The rules of the columns that a reference may mean; None if one is unknown."""
        parts = [part.string.sval for part in reference.fields if part.HasField("string")]
        if self.values is not None:
            return list(self.values) if parts == ["value"] else None
        if not parts:
            return None
        within = self.aliases.get(parts[-2]) if len(parts) > 1 else None
        relations = tuple(self.known.bases([within])) if within is not None else self.relations
        found = [self.known.rule(relation, parts[-1]) for relation in relations]
        return [rule for rule in found if rule is not None] or None
