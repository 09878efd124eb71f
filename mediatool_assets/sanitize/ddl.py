"""How each statement of ``schema.sql`` is changed, or why it is left out."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from google.protobuf.message import Message
from postgast import pg_query_pb2 as pg

from mediatool_assets.domain.ddl import tree
from mediatool_assets.domain.masking.ddl.check_constraints import may_break
from mediatool_assets.domain.masking.ddl.functions import sanitize_function
from mediatool_assets.domain.masking.ddl.known import Denied, Known, Name, NeedsLeftOut, Scope
from mediatool_assets.domain.masking.ddl.literals import Literals, harmless_word
from mediatool_assets.domain.masking.rules import MaskingRule, MaskingVerb

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
        for inside, _ in tree.walk(node):
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
            element = tree.inner(node.table_elts[place])
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
                part = tree.inner(getattr(command.alter_table_cmd, "def")).name
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
            for inside, _ in tree.walk(element):
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
            value = tree.inner(getattr(command, "def"))
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
    for inside, _ in tree.walk(node):
        if inside.DESCRIPTOR.name != "DefElem" or inside.defname in ("as", "language", "set"):
            continue
        value = tree.inner(inside.arg) if inside.HasField("arg") else None
        if value is None or value.DESCRIPTOR.name != "String":
            continue
        is_word = inside.defname in _WORDS and _WORD.fullmatch(value.sval)
        if not is_word and harmless_word(value.sval) is None:
            raise Denied(f"its option {inside.defname} has a text")


def _texts(nodes: Iterable[Message]) -> list[str]:
    return [node.string.sval for node in nodes]
