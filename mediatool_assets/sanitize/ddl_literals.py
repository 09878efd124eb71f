"""The literals of an expression: harmless, kept or replaced by a column's rule, or refused.

The rules for the schema's objects, found by the names that SQL uses for them.

Which CHECK constraints masked values certainly satisfy; the others are left out.

Functions in the DDL of a sanitized copy: defaults, settings, and a body without comments.
"""

import re
import zoneinfo
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import NamedTuple

import postgast
from google.protobuf.message import Message
from postgast import pg_query_pb2 as pg

from mediatool_assets.core import ddl
from mediatool_assets.core.schema import Column, Schema, Table
from mediatool_assets.sanitize.pseudonyms import telephones
from mediatool_assets.sanitize.redaction import Masker
from mediatool_assets.sanitize.rules import MaskingRule, MaskingVerb, Rules


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
        for node, _ in ddl.walk(query):
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


_NUMBER = re.compile(r"[+-]?\d*\.?\d*(?:e[+-]?\d+)?", re.IGNORECASE)
_INTERVAL = re.compile(
    r"(?:[+-]?\d+(?:[.:]\d+)*|[ ]|years?|mons?|months?|weeks?|days?|hours?|minutes?|mins?|seconds?|"
    r"secs?|milliseconds?|ago)+"
)
_FIELDS = frozenset(
    {
        "century", "day", "days", "decade", "dow", "doy", "epoch", "hour", "hours", "isodow",
        "isoyear", "microseconds", "millennium", "milliseconds", "minute", "minutes", "month",
        "months", "quarter", "second", "seconds", "timezone", "week", "weeks", "year", "years",
    }
)  # fmt: skip
_FORMAT = re.compile(
    r"(?:FM|TM|[YI]{1,4}|Y,YYY|MM|MON|Mon|mon|MONTH|Month|month|DDD|DD|DAY|Day|day|DY|Dy|dy|D|HH24|HH12"
    r"|HH|MI|SS|MS|US|AM|PM|am|pm|TZ|tz|OF|Q|WW|W|IW|J|CC|TH|th|9|0|G|L|S|PR|RN|V|EEEE"
    r"|[T \-:./,])+"
)
_NAME = re.compile(r"\{?[A-Za-z_][\w$]*(?:[,.][A-Za-z_][\w$]*)*\}?")
_TRUTHS = frozenset({"t", "f", "true", "false", "yes", "no", "on", "off"})
_OF_FIELDS = frozenset({"date_trunc", "date_part", "extract", "date_bin"})
_OF_FORMATS = frozenset({"to_char", "to_date", "to_timestamp", "to_number"})
_OF_PATHS = frozenset({"->", "->>", "#>", "#>>", "?", "?|", "?&"})
_OF_OBJECTS = frozenset(
    {"regclass", "regtype", "regproc", "regprocedure", "regconfig", "regdictionary", "regnamespace"}
)
_COMPARING = frozenset(
    {
        "=", "<>", "<", ">", "<=", ">=", "~", "~*", "!~", "!~*", "~~", "~~*", "!~~", "!~~*", "@>",
        "<@", "&&",
    }
)  # fmt: skip
_EQUAL = frozenset({"=", "<>"})

SHORT = 6
"""Numbers with this many digits could identify somebody."""


@dataclass(slots=True)
class Literals:
    """The literals of one object.

    ``kept`` counts them by reason. ``texts`` has those that come from the data and not from the
    schema. ``replaced`` has pairs of old and new.
    """

    known: Known
    kept: Counter[str] = field(default_factory=Counter)
    replaced: dict[str, str] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)

    def add(self, other: "Literals") -> None:
        """Add the literals of a part."""
        self.kept += other.kept
        self.replaced |= other.replaced
        self.texts |= other.texts

    def keep_or_replace(
        self,
        root: Message,
        scope: Scope,
        own: Sequence[MaskingRule | None] | None = None,
        *,
        is_shown: bool = False,
    ) -> None:
        """Keep or replace every literal below a node; raises Denied.

        ``own`` are the rules of the column for which the expression is a value or a bound. If it
        ``is_shown``, its literals are in the rows.
        """
        parents: dict[int, Message | None] = {}
        nodes = list(ddl.walk(root))
        for node, parent in nodes:
            parents[id(node)] = parent
            if called := _called(node):
                name = self.known.named(called)
                if name in self.known.left_out:
                    raise Denied(f"it calls the function {name.name}, which is left out")
        for node, parent in nodes:
            if node.DESCRIPTOR.name == "A_Const":
                self._keep_or_replace(
                    node, _LiteralContext(_chain(parent, parents), scope, own, is_shown)
                )

    def _keep_or_replace(self, node: Message, place: "_LiteralContext") -> None:
        kind = node.WhichOneof("val")
        if kind not in ("sval", "bsval", "fval", "ival"):
            return
        text = str(node.ival.ival) if kind == "ival" else str(getattr(getattr(node, kind), kind))
        if kind in ("ival", "fval"):
            self._number(node, text, place)
            return
        if label := self._label(text, place):
            self._replace(node, text, label, "a label of an enum")
        elif why := _harmless(text, place):
            self.kept[why] += 1
        else:
            self._judge(node, text, place)

    def _number(self, node: Message, text: str, place: "_LiteralContext") -> None:
        rules = place.compared()
        is_pseudonym = any(rule.verb is MaskingVerb.PSEUDONYM for rule in rules)
        if is_pseudonym or not (_is_round(text) or place.is_of_sequence):
            self._judge(node, text, place)
        else:
            self.kept["numbers"] += 1

    def _judge(self, node: Message, text: str, place: "_LiteralContext") -> None:
        rules = place.compared()
        if not rules:
            raise Denied("a literal is compared with no column that has a rule")
        if all(rule.verb is MaskingVerb.KEEP for rule in rules):
            if not place.is_value:
                raise Denied("a literal is part of an expression, and not a column's value")
            if "@" in text or any(telephones(text)):
                raise Denied("a literal looks like somebody's address or telephone number")
            self.kept["compared with columns that are kept"] += 1
            self.texts.add(text)
            return
        words = {rule.words for rule in rules}
        if len(words) > 1 or rules[0].verb is not MaskingVerb.PSEUDONYM or not place.is_bare:
            raise Denied(f"a literal belongs to a column under {', '.join(sorted(words))}")
        masker, kind = self.known.masker, rules[0].argument
        if node.WhichOneof("val") == "ival":
            made = str(masker.integer(kind, int(text)))
            if abs(int(made)) < 1 << 31:
                self._replace(node, text, made, "")
                return
            raise Denied("the pseudonym of a number has another size")
        self._replace(node, text, masker.pseudonym(kind, text), "")

    def _label(self, text: str, place: "_LiteralContext") -> str | None:
        """The new label if a literal is cast to an enum; None otherwise."""
        for names in place.casts():
            labels = self.known.labels_of.get(self.known.named(names))
            if labels is not None:
                if text not in labels:
                    raise Denied("a literal is not a label of its enum")
                return labels[text][0]
        return None

    def _replace(self, node: Message, old: str, new: str, why: str) -> None:
        if old == new:
            self.kept[why or "its own pseudonym"] += 1
            self.texts.add(new)
            return
        self.replaced[old] = new
        match node.WhichOneof("val"):
            case "ival":
                node.ival.ival = int(new)
            case "fval":
                node.fval.fval = new
            case _:
                node.sval.sval = new


@dataclass(frozen=True, slots=True)
class _LiteralContext:
    """Where a literal is: the nodes around it, the innermost first."""

    around: tuple[Message, ...]
    scope: Scope
    own: Sequence[MaskingRule | None] | None
    is_shown: bool = False

    @property
    def is_of_sequence(self) -> bool:
        """Whether it is an option of a sequence; these are searched for originals."""
        return any(node.DESCRIPTOR.name == "DefElem" for node in self.around)

    def casts(self) -> Iterator[list[str]]:
        """The types that it is directly cast to, by their names."""
        for node in self.around:
            if node.DESCRIPTOR.name == "TypeCast":
                yield [part.string.sval for part in node.type_name.names]
            elif node.DESCRIPTOR.name not in ("A_ArrayExpr", "CollateClause"):
                return

    def first(self) -> Message | None:
        """The innermost node around it that is not a cast."""
        return next(self._beyond_casts(), None)

    def _beyond_casts(self) -> Iterator[Message]:
        passed = ("TypeCast", "A_ArrayExpr", "CollateClause")
        return (node for node in self.around if node.DESCRIPTOR.name not in passed)

    def _comparison(self) -> Message | None:
        for node in self._beyond_casts():
            if node.DESCRIPTOR.name == "CoalesceExpr":
                return node
            if node.DESCRIPTOR.name == "A_Expr":
                return node if operator(node) in _COMPARING else None
            if node.DESCRIPTOR.name not in ("BoolExpr", "FuncCall"):
                return None
        return None

    def compared(self) -> list[MaskingRule]:
        """The rules of all columns that it is compared with, or of the column that it is for."""
        comparison = self._comparison()
        if comparison is None:
            found: list[MaskingRule | None] = list(self.own or ())
        else:
            found = []
            for node, _ in ddl.walk(comparison):
                if node.DESCRIPTOR.name == "ColumnRef":
                    found += self.scope.rules(node) or [None]
        return [] if None in found else [rule for rule in found if rule is not None]

    @property
    def is_value(self) -> bool:
        """Whether it is compared with a column, or is the whole default of a column."""
        comparison = self._comparison()
        if comparison is None:
            return self.is_shown or self.is_bare
        return str(comparison.DESCRIPTOR.name) == "A_Expr"

    @property
    def is_bare(self) -> bool:
        """Whether it is a bare value: a whole default or bound, or equal to a column."""
        first = self.first()
        if first is None or first.DESCRIPTOR.name in _HOLDERS:
            return True
        if first.DESCRIPTOR.name == "CoalesceExpr":
            return all(_is_column_or_constant(arg) for arg in first.args)
        return is_equality(first)


_HOLDERS = frozenset(
    {"Constraint", "PartitionBoundSpec", "PartitionRangeDatum", "FunctionParameter"}
)


def is_equality(node: Message) -> bool:
    """Whether a node tests a column itself for equality or inequality with constants."""
    if node.DESCRIPTOR.name != "A_Expr" or operator(node) not in _EQUAL:
        return False
    return _is_column_or_constant(node.lexpr) and all(map(_is_column_or_constant, _right(node)))


def _right(node: Message) -> Iterator[Message]:
    right = ddl.inner(node.rexpr)
    if right.DESCRIPTOR.name == "List":
        yield from right.items
    elif right.DESCRIPTOR.name == "A_ArrayExpr":
        yield from right.elements
    else:
        yield right


def _is_column_or_constant(node: Message) -> bool:
    node = ddl.inner(node)
    while node.DESCRIPTOR.name in ("TypeCast", "CollateClause"):
        node = ddl.inner(node.arg)
    if node.DESCRIPTOR.name == "A_ArrayExpr":
        return all(map(_is_column_or_constant, node.elements))
    return node.DESCRIPTOR.name in ("ColumnRef", "A_Const")


def operator(node: Message) -> str:
    """The operator of an A_Expr; ``=`` for IN, DISTINCT and NULLIF too."""
    named = {pg.AEXPR_BETWEEN, pg.AEXPR_NOT_BETWEEN, pg.AEXPR_BETWEEN_SYM, pg.AEXPR_NOT_BETWEEN_SYM}
    if node.kind in named:
        return "<"
    return str(node.name[-1].string.sval) if node.name else ""


def _is_round(text: str) -> bool:
    """Whether a number has too few digits to identify somebody, or is a type's limit."""
    digits = "".join(filter(str.isdigit, text)).strip("0")
    return len(digits) < SHORT or text.lstrip("-") in _LIMITS


_LIMITS = {str(2**bits - 1) for bits in (31, 32, 63, 64)} | {str(2**bits) for bits in (31, 32, 63)}


def _chain(node: Message | None, parents: dict[int, Message | None]) -> tuple[Message, ...]:
    found = []
    while node is not None:
        found.append(node)
        node = parents[id(node)]
    return tuple(found)


def _called(node: Message) -> list[str]:
    if node.DESCRIPTOR.name != "FuncCall":
        return []
    return [part.string.sval for part in node.funcname]


def harmless_word(text: str) -> str | None:
    """Why a literal is harmless everywhere; None if it is not."""
    if not any(map(str.isalnum, text)):
        return "marks"
    if _NUMBER.fullmatch(text) and sum(map(str.isdigit, text)) < SHORT:
        return "numbers"
    return "truths" if text.lower() in _TRUTHS else None


def _harmless(text: str, place: _LiteralContext) -> str | None:
    if why := harmless_word(text):
        return why
    for names in place.casts():
        if why := _by_type(text, names[-1]):
            return why
        if names[-1] in _OF_OBJECTS and place.scope.known.has(text):
            return "names of objects"
    node = place.first()
    if node is not None and node.DESCRIPTOR.name == "FuncCall":
        return _by_function(text, _called(node)[-1])
    if node is not None and node.DESCRIPTOR.name == "A_Expr" and operator(node) in _OF_PATHS:
        return "names of fields" if _NAME.fullmatch(text) else None
    return None


def _by_type(text: str, type_: str) -> str | None:
    if type_ in _OF_OBJECTS and _NAME.fullmatch(text):
        return "names of objects"
    if type_ == "interval" and _INTERVAL.fullmatch(text):
        return "intervals"
    if type_ in ("date", "timestamp", "timestamptz") and text in ("infinity", "-infinity", "epoch"):
        return "infinity"
    return None


def _by_function(text: str, function: str) -> str | None:
    tests: list[tuple[frozenset[str], Callable[[str], object], str]] = [
        (_OF_FIELDS, lambda t: t.lower() in _FIELDS, "fields of times"),
        (_OF_FORMATS, _FORMAT.fullmatch, "formats"),
        (frozenset({"timezone"}), lambda t: t in _zones(), "time zones"),
        (frozenset({"nextval", "currval", "setval"}), _NAME.fullmatch, "names of objects"),
    ]
    return next((why for names, test, why in tests if function in names and test(text)), None)


@cache
def _zones() -> set[str]:
    return zoneinfo.available_timezones()


def may_break(expression: Message, scope: Scope) -> bool:
    """Whether masked values could violate a CHECK that the originals satisfied."""
    parents: dict[int, Message | None] = {}
    nodes = list(ddl.walk(expression))
    for node, parent in nodes:
        parents[id(node)] = parent
    for node, parent in nodes:
        if node.DESCRIPTOR.name != "ColumnRef":
            continue
        around = parent
        while around is not None and around.DESCRIPTOR.name in ("TypeCast", "CollateClause"):
            around = parents[id(around)]
        rules = scope.rules(node)
        is_asserted = _is_asserted(around, parents)
        if not rules or not all(_keeps_to(rule, around, is_asserted) for rule in rules):
            return True
    return False


def _is_asserted(node: Message | None, parents: Mapping[int, Message | None]) -> bool:
    """Whether an expression is connected to the whole by AND and OR only."""
    above = node and parents[id(node)]
    while above is not None:
        if above.DESCRIPTOR.name != "BoolExpr" or above.boolop == pg.NOT_EXPR:
            return False
        above = parents[id(above)]
    return True


def _keeps_to(rule: MaskingRule, around: Message | None, is_asserted: bool) -> bool:
    if rule.verb is MaskingVerb.KEEP:
        return True
    if around is None or around.DESCRIPTOR.name != "A_Expr":
        return around is not None and around.DESCRIPTOR.name == "NullTest" and rule.verb not in (
            MaskingVerb.DROP, MaskingVerb.REDACT,
        )  # fmt: skip
    if rule.verb is MaskingVerb.PSEUDONYM:
        return is_equality(around) and not _names_two(around)
    if rule.verb is MaskingVerb.GENERALIZE:
        return _is_at_step(rule.argument, around, is_asserted)
    return rule.verb is MaskingVerb.NOISE and _is_sign(around)


def _names_two(node: Message) -> bool:
    references = [n for n, _ in ddl.walk(node) if n.DESCRIPTOR.name == "ColumnRef"]
    return len(references) > 1


def _is_at_step(argument: str, node: Message, is_asserted: bool) -> bool:
    """Whether a number is compared with a whole multiple of its generalization step.

    The generalized number is on the same side of that multiple as the original. The multiple is
    whole, and therefore exact at any scale. With ``<=`` and ``=`` this holds for ``is_asserted``
    comparisons.
    """
    sides, name = (ddl.inner(node.lexpr), ddl.inner(node.rexpr)), operator(node)
    if sides[0].DESCRIPTOR.name != "ColumnRef":
        sides, name = sides[::-1], _MIRRORED.get(name, "")
    column, constant = sides
    while constant.DESCRIPTOR.name == "TypeCast":
        constant = ddl.inner(constant.arg)
    if node.kind != pg.AEXPR_OP or (column.DESCRIPTOR.name, constant.DESCRIPTOR.name) != (
        "ColumnRef", "A_Const",
    ):  # fmt: skip
        return False
    try:
        is_multiple = Decimal(constant.ival.ival) % Decimal(argument) == 0
    except InvalidOperation:  # a step of dates or of texts
        return False
    allowed = (">=", "<", "<=", "=") if is_asserted else (">=", "<")
    return constant.WhichOneof("val") == "ival" and is_multiple and name in allowed


_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}


def _is_sign(node: Message) -> bool:
    """Whether a number is compared with zero."""
    constants = [n for n, _ in ddl.walk(node) if n.DESCRIPTOR.name == "A_Const"]
    names = {n.DESCRIPTOR.name for n, _ in ddl.walk(node)}
    return (
        len(constants) == 1
        and constants[0].WhichOneof("val") == "ival"
        and constants[0].ival.ival == 0
        and names <= {"A_Expr", "A_Const", "ColumnRef", "String", "TypeCast", "TypeName", "Integer"}
        and operator(node) in ("<", "<=", ">", ">=", "<>", "=")
    )


_IDENTIFIER = re.compile(r'"[\w$]+"')
_QUOTED = frozenset({pg.SCONST, pg.USCONST, pg.BCONST, pg.XCONST})
_COMMENTS = frozenset({pg.SQL_COMMENT, pg.C_COMMENT})


def sanitize_function(known: Known, node: Message, literals: Literals) -> None:
    """Sanitize a function's defaults and settings, and strip comments; raises Denied."""
    scope = Scope(known, ())
    literals.keep_or_replace(node.return_type, scope)
    for parameter in node.parameters:
        literals.keep_or_replace(parameter, scope)
    if node.HasField("sql_body"):
        literals.keep_or_replace(node.sql_body, Scope.of(known, node.sql_body))
    language = next(
        (o.def_elem.arg.string.sval for o in node.options if o.def_elem.defname == "language"),
        "sql",
    ).lower()
    for option in node.options:
        if option.def_elem.defname == "as":
            items = option.def_elem.arg.list.items
            if len(items) != 1 or language not in ("sql", "plpgsql"):
                raise Denied(f"its body is in the language {language}")
            items[0].string.sval = _body(known, items[0].string.sval, language, literals)
        elif option.def_elem.defname == "set":
            setting = option.def_elem.arg.variable_set_stmt
            if setting.name != "search_path":
                literals.keep_or_replace(setting, scope)


def _body(known: Known, body: str, language: str, literals: Literals) -> str:
    if language == "sql":
        try:
            statements = [ddl.parse(text) for text in ddl.statements(body)]
            for statement in statements:
                literals.keep_or_replace(statement, Scope.of(known, statement))
            return ";\n".join(map(ddl.deparse, statements))
        except ddl.BadStatement as error:
            raise Denied("its body cannot be parsed") from error
    return "".join(_plain(body, literals))


def _plain(body: str, literals: Literals) -> Iterator[str]:
    """A body without comments, whose literals are all harmless; raises Denied."""
    source, at = body.encode(), 0
    try:
        tokens = postgast.scan(body).tokens
    except postgast.PgQueryError as error:
        raise Denied("its body cannot be parsed") from error
    for token in tokens:
        text = source[token.start : token.end].decode()
        if token.token in _QUOTED:
            if (why := harmless_word(text.strip("'"))) is None:
                raise Denied("its body has a literal")
            literals.kept[why] += 1
        elif token.token == pg.IDENT and text.startswith('"') and not _IDENTIFIER.fullmatch(text):
            raise Denied("its body quotes a name that is not a plain one")
        elif token.token in (pg.ICONST, pg.FCONST) and sum(map(str.isdigit, text)) >= SHORT:
            raise Denied("its body has a long number")
        yield source[at : token.start].decode()
        yield " " if token.token in _COMMENTS else text
        at = token.end
    yield source[at:].decode()
