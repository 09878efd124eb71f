"""``schema.sql`` and ``schema.json`` of a sanitized copy.

How each statement of ``schema.sql`` is changed, or why it is left out.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from postgast import pg_query_pb2 as pg
from postgast.pg_query_pb2 import Node

from mediatool_assets.core import ddl
from mediatool_assets.core.ddl import DumpEntry, entries
from mediatool_assets.core.errors import BadRules
from mediatool_assets.core.schema import Column, Index, Schema, Table, namespaces
from mediatool_assets.core.schema import Sequence as DatabaseSequence
from mediatool_assets.sanitize.ddl_literals import (
    Denied,
    Known,
    Literals,
    Name,
    NeedsLeftOut,
    Scope,
    harmless_word,
    may_break,
    sanitize_function,
)
from mediatool_assets.sanitize.redaction import Masker
from mediatool_assets.sanitize.rules import MaskingRule, MaskingVerb, Rules

_WORD = re.compile(r"[\w.-]+")
_WORDS = frozenset(
    {
        "provider", "locale", "lc_collate", "lc_ctype", "language", "parallel", "volatility",
        "template", "dictionary", "stopwords", "dictfile", "afffile", "alignment", "storage",
        "category", "security", "check_option", "compression", "support", "accent", "schema",
        "buffering",
    }
)  # fmt: skip
"""Options whose values are keywords of PostgreSQL, or names of objects or server files."""

_OF_NAMES = frozenset(
    {
        "CreateSchemaStmt", "CreateExtensionStmt", "CompositeTypeStmt", "CreateRangeStmt",
        "DefineStmt", "CreateSeqStmt", "AlterSeqStmt", "CreateOpClassStmt", "CreateOpFamilyStmt",
        "AlterOpFamilyStmt", "CreateConversionStmt", "AlterTSConfigurationStmt", "CreateCastStmt",
        "CreateStatsStmt", "AlterStatsStmt", "AlterObjectDependsStmt",
    }
)  # fmt: skip
"""Statements of names, types and options."""


@dataclass(slots=True)
class Statements:
    """One pass over all statements; ``lines`` lists parts left out of objects that are kept."""

    known: Known
    lines: list[str] = field(default_factory=list)
    keys: dict[Name, list[list[MaskingRule]]] = field(default_factory=dict)
    defaults: dict[tuple[Name, str], dict[str, str] | None] = field(default_factory=dict)
    """The replaced literals of each column's default; None if the default was left out."""

    def sanitize(  # noqa: C901, PLR0912  # a line for each kind
        self, node: Message, about: str, literals: Literals
    ) -> bool:
        """Reduce a statement to what the rules allow; False if nothing is left. Raises Denied."""
        for inside, _ in ddl.walk(node):
            self._require(inside)
        match node.DESCRIPTOR.name:
            case "CreateStmt":
                self._table(node, about, literals)
            case "AlterTableStmt":
                return self._alter(node, about, literals)
            case "CreateDomainStmt":
                self._domain(node, about, literals)
            case "AlterDomainStmt":
                self._domain_check(node, literals)
            case "CreateEnumStmt":
                self._enum(node, literals)
            case "IndexStmt":
                literals.keep_or_replace(
                    node, Scope(self.known, (self.known.relation(node.relation),))
                )
            case "ViewStmt" | "CreateTableAsStmt":
                self._view(node, literals)
            case "CreateFunctionStmt":
                sanitize_function(self.known, node, literals)
            case "CreateTrigStmt":
                self._trigger(node, literals)
            case "RuleStmt":
                literals.keep_or_replace(node, Scope.of(self.known, node))
            case name if name in _OF_NAMES:
                literals.keep_or_replace(node, Scope(self.known, ()))
            case name:
                raise Denied(f"no rule covers the content of a {name}")
        _options(node)
        return True

    def _require(self, node: Message) -> None:
        """Raise Denied for a statement that sends a message, or is about a left-out object."""
        if node.DESCRIPTOR.name == "NotifyStmt" and node.payload:
            raise Denied("it sends a text")
        named: list[Name] = []
        match node.DESCRIPTOR.name:
            case "RangeVar":
                named = [self.known.relation(node)]
            case "TypeName":
                named = [self.known.named(_texts(node.names))] if node.names else []
            case "CreateTrigStmt":
                named = [self.known.named(_texts(node.funcname))]
            case "ObjectWithArgs":
                named = [self.known.named(_texts(node.objname))]
        if any(name in self.known.left_out for name in named):
            raise NeedsLeftOut

    def _table(self, node: Message, about: str, literals: Literals) -> None:
        name = self.known.relation(node.relation)
        scope = Scope(self.known, (name,))
        for place in reversed(range(len(node.table_elts))):
            element = ddl.inner(node.table_elts[place])
            if element.DESCRIPTOR.name == "ColumnDef":
                self._column(element, name, about, literals)
            elif not self._constraint(element, about, scope, literals):
                del node.table_elts[place]
        if name in self.known.flat:
            node.ClearField("partspec")
            self.lines.append(
                f"{about}: its partitions are left out, since its partition key is masked"
            )
        if node.HasField("partbound"):
            self._bound(node.partbound, self.known.relation(node.inh_relations[0]), literals)

    def _column(self, node: Message, table: Name, about: str, literals: Literals) -> None:
        scope = Scope(self.known, (table,))
        for place in reversed(range(len(node.constraints))):
            constraint = node.constraints[place].constraint
            if constraint.contype in (pg.CONSTR_DEFAULT, pg.CONSTR_GENERATED):
                kept = self._default(constraint, table, node.colname, about, literals)
            else:
                kept = self._constraint(constraint, about, scope, literals)
            if not kept:
                del node.constraints[place]

    def _default(
        self, node: Message, table: Name, column: str, about: str, literals: Literals
    ) -> bool:
        """Whether a default or a generation expression is kept."""
        own = Literals(self.known)
        try:
            rule = self.known.rule(table, column)
            # the result of a kept column's expression is in its rows
            is_shown = (
                node.DESCRIPTOR.name == "Constraint"
                and node.contype == pg.CONSTR_GENERATED
                and rule is not None
                and rule.verb is MaskingVerb.KEEP
            )
            own.keep_or_replace(node, Scope(self.known, (table,)), [rule], is_shown=is_shown)
        except Denied as error:
            self.defaults[table, column] = None
            self.lines.append(f"{about}: the default of {column} is left out: {error}")
            return False
        literals.add(own)
        if own.replaced:
            self.defaults[table, column] = own.replaced
        return True

    def _constraint(self, node: Message, about: str, scope: Scope, literals: Literals) -> bool:
        """Whether a constraint is kept; a CHECK is kept only if masked values satisfy it."""
        own = Literals(self.known)
        try:
            own.keep_or_replace(node, scope)
            if node.contype == pg.CONSTR_CHECK and may_break(node.raw_expr, scope):
                raise Denied("masked values may violate it")
        except Denied as error:
            self.lines.append(f"{about}: its constraint {node.conname} is left out: {error}")
            return False
        literals.add(own)
        return True

    def look_ahead(self, nodes: Iterable[Message]) -> None:
        """Read partitions and enums first: earlier statements depend on what later ones say."""
        created = []
        held: dict[Name, list[Name]] = {}
        for node in nodes:
            if node.DESCRIPTOR.name == "CreateStmt" and node.HasField("partspec"):
                created.append(node)
            elif node.DESCRIPTOR.name == "AlterTableStmt":
                self._see_partitions(node)
            elif node.DESCRIPTOR.name == "CompositeTypeStmt":
                for column in node.coldeflist:
                    name = self.known.named(_texts(column.column_def.type_name.names))
                    held.setdefault(name, []).append(self.known.relation(node.typevar))
        for enum in self.known.enums():
            self.known.relabel(enum, held.get(enum, ()))
        for node in created:
            table = self.known.relation(node.relation)
            keys = self._partition_keys(node.partspec, Scope(self.known, (table,)))
            if keys is None:
                self.known.flat.add(table)
            else:
                self.keys[table] = keys
        self.known.left_out |= set(filter(self._is_flat, self.known.parents))

    def _see_partitions(self, node: Message) -> None:
        for command in node.cmds:
            if command.alter_table_cmd.subtype == pg.AT_AttachPartition:
                part = ddl.inner(getattr(command.alter_table_cmd, "def")).name
                self.known.parents[self.known.relation(part)] = self.known.relation(node.relation)

    def _is_flat(self, part: Name) -> bool:
        """Whether the parent of a partition has become a plain table."""
        seen = {part}
        while (part := self.known.parents.get(part, part)) not in seen:
            if part in self.known.flat:
                return True
            seen.add(part)
        return False

    def _partition_keys(self, node: Message, scope: Scope) -> list[list[MaskingRule]] | None:
        """The rules of each column of a partition key; None if masked rows would not fit."""
        found: list[list[MaskingRule]] = []
        for part in node.part_params:
            element = part.partition_elem
            rules: list[MaskingRule | None] = []
            if element.name:
                rules = [self.known.rule(scope.relations[0], element.name)]
            for inside, _ in ddl.walk(element):
                if inside.DESCRIPTOR.name == "ColumnRef":
                    rules += scope.rules(inside) or [None]
            known = [rule for rule in rules if rule is not None]
            masked = [rule for rule in known if rule.verb is not MaskingVerb.KEEP]
            movable = node.strategy == pg.PARTITION_STRATEGY_HASH or (
                node.strategy == pg.PARTITION_STRATEGY_LIST
                and bool(element.name)
                and all(rule.verb is MaskingVerb.PSEUDONYM for rule in masked)
            )
            if len(known) < len(rules) or (masked and not movable):
                return None
            found.append(known)
        return found

    def _bound(self, node: Message, parent: Name, literals: Literals) -> None:
        keys = self.keys.get(parent)
        if keys is None:
            raise Denied("the keys of its parent table are unknown")
        scope = Scope(self.known, ())
        for datum in node.listdatums:
            literals.keep_or_replace(datum, scope, keys[0])
        for bounds in (node.lowerdatums, node.upperdatums):
            for datum, rules in zip(bounds, keys, strict=False):
                literals.keep_or_replace(datum, scope, rules)

    def _alter(self, node: Message, about: str, literals: Literals) -> bool:
        if self.known.relation(node.relation) in self.known.left_out:
            raise NeedsLeftOut
        table = self.known.relation(node.relation)
        scope = Scope(self.known, (table,))
        for place in reversed(range(len(node.cmds))):
            command = node.cmds[place].alter_table_cmd
            value = ddl.inner(getattr(command, "def"))
            kept = True
            match command.subtype:
                case pg.AT_AddConstraint:
                    kept = self._constraint(value, about, scope, literals)
                case pg.AT_ColumnDefault | pg.AT_CookedColumnDefault | pg.AT_SetExpression:
                    kept = self._default(value, table, command.name, about, literals)
                case pg.AT_AttachPartition:
                    self._attach(value, table, literals)
                case pg.AT_ChangeOwner:
                    kept = False
                case _:
                    literals.keep_or_replace(command, scope)
            if not kept:
                del node.cmds[place]
        return bool(node.cmds)

    def _attach(self, node: Message, parent: Name, literals: Literals) -> None:
        if parent in self.known.flat:
            raise NeedsLeftOut
        if node.HasField("bound") and node.bound.strategy:
            self._bound(node.bound, parent, literals)

    def _domain(self, node: Message, about: str, literals: Literals) -> None:
        scope, rules = self._of_domain(_texts(node.domainname))
        for place in reversed(range(len(node.constraints))):
            constraint = node.constraints[place].constraint
            if constraint.contype == pg.CONSTR_DEFAULT:
                try:
                    literals.keep_or_replace(constraint, scope, rules)
                    continue
                except Denied as error:
                    self.lines.append(f"{about}: its default is left out: {error}")
            elif self._constraint(constraint, about, scope, literals):
                continue
            del node.constraints[place]

    def _domain_check(self, node: Message, literals: Literals) -> None:
        scope, _ = self._of_domain(_texts(node.type_name))
        literals.keep_or_replace(node, scope)
        constraint = getattr(node, "def").constraint
        if constraint.contype == pg.CONSTR_CHECK and may_break(constraint.raw_expr, scope):
            raise Denied("masked values may violate it")

    def _of_domain(self, parts: Sequence[str]) -> tuple[Scope, list[MaskingRule | None]]:
        rules = [rule for _, _, rule in self.known.users(self.known.named(parts))]
        known = tuple(rule for rule in rules if rule is not None)
        return Scope(self.known, (), values=known if len(known) == len(rules) else ()), rules

    def _enum(self, node: Message, literals: Literals) -> None:
        name = self.known.named(_texts(node.type_name))
        unknown = {label: [f"masked_{n}"] for n, label in enumerate(_texts(node.vals), 1)}
        made = self.known.labels_of.setdefault(name, unknown)
        labels = [label for old in _texts(node.vals) for label in made.get(old, [])]
        del node.vals[:]
        for label in dict.fromkeys(labels):
            node.vals.add().string.sval = label
        kept = made.keys() & set(labels)
        literals.kept["labels of enums in columns that are kept"] += len(kept)
        literals.texts |= kept

    def _view(self, node: Message, literals: Literals) -> None:
        is_view = node.DESCRIPTOR.name == "ViewStmt"
        scope = Scope.of(self.known, node.query)
        literals.keep_or_replace(node.query, scope)
        name = self.known.relation(node.view if is_view else node.into.rel)
        self.known.views[name] = scope.relations

    def _trigger(self, node: Message, literals: Literals) -> None:
        table = self.known.relation(node.relation)
        if node.HasField("when_clause"):
            literals.keep_or_replace(node.when_clause, Scope(self.known, (table,)))
        found = self.known.table(table)
        names = {column.name for column in found.columns} if found else set()
        for argument in _texts(node.args):
            if argument not in names and harmless_word(argument) is None:
                raise Denied("one of its arguments is not the name of a column")
            literals.kept["names of objects"] += 1


def _options(node: Message) -> None:
    """Raise Denied for an option whose value may contain data."""
    for inside, _ in ddl.walk(node):
        if inside.DESCRIPTOR.name != "DefElem" or inside.defname in ("as", "language", "set"):
            continue
        value = ddl.inner(inside.arg) if inside.HasField("arg") else None
        if value is None or value.DESCRIPTOR.name != "String":
            continue
        is_word = inside.defname in _WORDS and _WORD.fullmatch(value.sval)
        if not is_word and harmless_word(value.sval) is None:
            raise Denied(f"its option {inside.defname} has a text")


def _texts(nodes: Iterable[Message]) -> list[str]:
    return [node.string.sval for node in nodes]


_ACCESS = frozenset({"ACL", "DEFAULT ACL", "POLICY", "SECURITY LABEL"})
_FOREIGN = frozenset({"FOREIGN TABLE", "FOREIGN DATA WRAPPER", "SERVER", "USER MAPPING"})
_NEEDED = frozenset({"TABLE", "TYPE", "DOMAIN", "SCHEMA", "SEQUENCE", "EXTENSION", "TABLE ATTACH"})
_HOLDERS = frozenset({"A_Const", "CreateEnumStmt", "DefElem", "CreateTrigStmt"})
_NAMED_BY_PARTS = {"CreateFunctionStmt": "funcname", "DefineStmt": "defnames"}
_SETTINGS = """\
--
-- PostgreSQL database dump
--

-- Made from the syntax trees of pg_dump's statements, with what the masking rules allow.

SET statement_timeout = 0;
SET lock_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

"""
_END = "--\n-- PostgreSQL database dump complete\n--\n\n"


class KeptLiterals(msgspec.Struct, frozen=True):
    """Literals of an object of the schema that were kept: how many, and why."""

    object: str
    why: str
    literals: int


class SanitizedDdl(NamedTuple):
    """The two files. ``kept`` and ``left_out`` are for the report, and contain no value.

    ``texts`` are the literals that come from the data, ``names`` all other texts of the two files.
    """

    sql: str
    schema: Schema
    texts: frozenset[str]
    names: frozenset[str]
    kept: tuple[KeptLiterals, ...]
    replaced: int
    left_out: tuple[str, ...]


def sanitized_ddl(text: str, schema: Schema, rules: Rules, masker: Masker) -> SanitizedDdl:
    """The DDL that the rules allow; raises tree.BadStatement, BadRules.

    The pseudonyms are made by the masker, which records them like those of rows.
    """
    return _ScriptSanitizer(schema, rules, masker).all_of(text)


class _ScriptSanitizer:
    def __init__(self, schema: Schema, rules: Rules, masker: Masker) -> None:
        self._known = Known(schema, rules, masker)
        self._statements = Statements(self._known)
        self._rules = rules
        self._kept: Counter[tuple[str, str]] = Counter()
        self._gone: Counter[str] = Counter()
        self._lines: list[str] = []
        self._indexes: dict[Name, dict[str, str]] = {}
        self._replaced = 0
        self._texts: set[str] = set()
        self._names: set[str] = set()

    def all_of(self, text: str) -> SanitizedDdl:
        """Every entry, and the schema that these entries create."""
        parsed = [(e, [ddl.parse(s) for s in e.statements]) for e in entries(text)] if text else []
        self._statements.look_ahead(ddl.inner(n) for _, nodes in parsed for n in nodes)
        made = [sql for entry, nodes in parsed for sql in self._entry(entry, nodes)]
        schema = self._schema()
        sequences = "".join(_position(s.namespace or schema.name, s) for s in schema.sequences)
        sql = _SETTINGS + "".join(made) + _END + sequences
        kept = tuple(KeptLiterals(*what, n) for what, n in sorted(self._kept.items()))
        gone = (f"{what}: {count} left out" for what, count in sorted(self._gone.items()))
        lines = tuple(sorted({*self._lines, *self._statements.lines, *gone}))
        said = json.loads(schema.to_json())
        names = frozenset({*self._names, *_strings(said), *lines})
        texts = frozenset(self._texts)
        return SanitizedDdl(sql if text else "", schema, texts, names, kept, self._replaced, lines)

    def _entry(self, entry: DumpEntry, nodes: list[Node]) -> Iterator[str]:
        about = f"{entry.kind.lower()} {entry.name}"
        is_kept = about in self._rules.kept_ddl
        if entry.kind in _ACCESS | _FOREIGN:
            self._gone["grants, policies, labels and foreign objects"] += 1
            return
        if entry.kind == "COMMENT" and "comments" not in self._rules.kept_ddl:
            self._gone["comments"] += 1
            return
        literals = Literals(self._known)
        statements: list[str] = []
        try:
            for node in nodes:
                inner = ddl.inner(node)
                if inner.DESCRIPTOR.name in ("AlterOwnerStmt", "VariableSetStmt"):
                    continue
                if is_kept or entry.kind == "COMMENT":
                    literals.texts |= (found := set(_literals(inner)))
                    literals.kept["kept by `ddl:`"] += len(found)
                elif not self._statements.sanitize(inner, about, literals):
                    continue
                statements.append(ddl.deparse(node))
                self._names.update(_names(inner))
        except Denied as error:
            self._leave_out(entry, nodes, about, error)
            return
        for why, count in literals.kept.items():
            self._kept[about, why] += count
        self._replaced += len(literals.replaced)
        self._texts |= literals.texts
        self._names.add(entry.name)
        if entry.kind == "INDEX":
            self._indexes[Name(entry.namespace, entry.name)] = literals.replaced
        if statements:
            header = f"Name: {entry.name}; Type: {entry.kind}; Schema: {entry.namespace}; Owner: -"
            yield f"--\n-- {header}\n--\n\n" + "".join(f"{s};\n\n" for s in statements) + "\n"

    def _leave_out(self, entry: DumpEntry, nodes: list[Node], about: str, error: Denied) -> None:
        made = [*map(self._made, map(ddl.inner, nodes))]
        follows = all(name is None or self._known.left_out & {name} for name in made)
        if entry.kind in _NEEDED and not (follows or isinstance(error, NeedsLeftOut)):
            raise BadRules(
                [
                    f"{self._rules.source}: {about} of schema.sql: {error}; take it out of the "
                    f"source, or look at it and write `ddl: {{keep: [{about}]}}`"
                ]
            )
        self._known.left_out |= {name for name in made if name is not None}
        self._known.left_out |= set(self._constraints(nodes))
        if isinstance(error, NeedsLeftOut):
            self._gone["objects that depend on one that is left out"] += 1
        else:
            self._lines.append(f"{about} is left out: {error}")

    def _made(self, node: Message) -> Name | None:
        """The object that a statement creates."""
        kind = node.DESCRIPTOR.name
        if kind == "IndexStmt":
            return Name(self._known.relation(node.relation).namespace, node.idxname)
        if kind in _NAMED_BY_PARTS:
            return self._known.named(
                [part.string.sval for part in getattr(node, _NAMED_BY_PARTS[kind])]
            )
        if kind == "CreateTableAsStmt":
            return self._known.relation(node.into.rel)
        if kind in ("CreateStmt", "ViewStmt"):
            return self._known.relation(node.relation if kind == "CreateStmt" else node.view)
        return None

    def _constraints(self, nodes: list[Node]) -> Iterator[Name]:
        """The indexes of keys that are left out; they have the keys' names."""
        for node in map(ddl.inner, nodes):
            if node.DESCRIPTOR.name == "AlterTableStmt":
                space = self._known.relation(node.relation).namespace
                for command in node.cmds:
                    added = ddl.inner(getattr(command.alter_table_cmd, "def"))
                    if added.DESCRIPTOR.name == "Constraint":
                        yield Name(space, added.conname)

    def _schema(self) -> Schema:
        """The schema that a restore of the statements creates."""
        schema, gone = self._known.schema, self._known.left_out

        def there(names: tuple[str, ...]) -> tuple[str, ...]:
            parts = len(namespaces(schema.name)) > 1
            return tuple(
                n for n in names if self._known.named(n.split(".", 1) if parts else [n]) not in gone
            )

        enums = tuple(
            msgspec.structs.replace(
                enum,
                labels=tuple(
                    dict.fromkeys(new for old in enum.labels for new in self._labels(name, old))
                ),
            )
            for name, enum in zip(self._known.enums(), schema.enums, strict=True)
        )
        return msgspec.structs.replace(
            schema,
            tables=tuple(self._table(name, table) for name, table in self._known.tables.items()),
            enums=enums,
            views=there(schema.views),
            unpopulated=there(schema.unpopulated),
            foreign_tables=(),
        )

    def _labels(self, enum: Name, label: str) -> list[str]:
        return self._known.labels_of[enum][label]

    def _table(self, name: Name, table: Table) -> Table:
        is_flat = name in self._known.flat
        keeps = "comments" in self._rules.kept_ddl
        return msgspec.structs.replace(
            table,
            columns=tuple(self._column(name, column, keeps=keeps) for column in table.columns),
            indexes=tuple(
                _rewritten(index, self._indexes.get(Name(name.namespace, index.name), {}), is_flat)
                for index in table.indexes
                if Name(name.namespace, index.name) not in self._known.left_out
            ),
            partitions=() if is_flat else table.partitions,
            comment=table.comment if keeps else None,
        )

    def _column(self, table: Name, column: Column, *, keeps: bool) -> Column:
        if not keeps:
            column = msgspec.structs.replace(column, comment=None)
        replaced = self._statements.defaults.get((table, column.name), {})
        if replaced is None:
            return msgspec.structs.replace(column, default=None, generated=False)
        if column.default is not None:
            default = _with_literals(column.default, replaced)
            column = msgspec.structs.replace(column, default=default)
        return column


def _literals(node: Message) -> Iterator[str]:
    """The texts of a statement that are not names."""
    for found, parent in ddl.walk(node):
        if found.DESCRIPTOR.name == "CommentStmt":
            yield found.comment
        elif (
            found.DESCRIPTOR.name == "String"
            and parent is not None
            and parent.DESCRIPTOR.name in _HOLDERS
        ):
            yield found.sval


def _names(node: Message) -> Iterator[str]:
    """Every text of a statement."""
    for found, _ in ddl.walk(node):
        for each, value in found.ListFields():
            if each.type == FieldDescriptor.TYPE_STRING:
                yield from [value] if isinstance(value, str) else value
            elif each.name == "ival" and isinstance(value, int):
                yield str(value)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


def _rewritten(index: Index, replaced: dict[str, str], is_flat: bool) -> Index:
    definition = _with_literals(index.definition, replaced)
    if is_flat:
        definition = definition.replace(" ON ONLY ", " ON ", 1)
    columns = tuple(_with_literals(column, replaced) for column in index.columns)
    return msgspec.structs.replace(index, definition=definition, columns=columns)


def _with_literals(text: str, replaced: dict[str, str]) -> str:
    """PostgreSQL's text of an expression, with other literals."""
    if not replaced:
        return text
    quoted = {_quoted(old): _quoted(new) for old, new in replaced.items()}
    plain = {old: new for old, new in replaced.items() if old.lstrip("-").isdigit()}
    either = [*map(re.escape, quoted), *(rf"(?<![\w.]){re.escape(old)}(?![\w.])" for old in plain)]
    return re.sub("|".join(either), lambda found: (quoted | plain)[found[0]], text)


def _quoted(text: str) -> str:
    escape = "E" if "\\" in text else ""
    return escape + "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _position(namespace: str, found: DatabaseSequence) -> str:
    name = ".".join('"' + part.replace('"', '""') + '"' for part in (namespace, found.relation))
    called = str(found.called).lower()
    return f"SELECT pg_catalog.setval({_quoted(name)}, {found.last_value}, {called});\n"
