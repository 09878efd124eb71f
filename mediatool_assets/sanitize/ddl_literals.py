"""The literals of an expression: harmless, kept or replaced by a column's rule, or refused."""

import re
import zoneinfo
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from google.protobuf.message import Message
from postgast import pg_query_pb2 as pg

from mediatool_assets.domain.ddl import tree
from mediatool_assets.domain.masking.ddl.known import Denied, Known, Scope
from mediatool_assets.domain.masking.rules import MaskingRule, MaskingVerb
from mediatool_assets.domain.masking.telephones import telephones

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
        nodes = list(tree.walk(root))
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
            for node, _ in tree.walk(comparison):
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
    right = tree.inner(node.rexpr)
    if right.DESCRIPTOR.name == "List":
        yield from right.items
    elif right.DESCRIPTOR.name == "A_ArrayExpr":
        yield from right.elements
    else:
        yield right


def _is_column_or_constant(node: Message) -> bool:
    node = tree.inner(node)
    while node.DESCRIPTOR.name in ("TypeCast", "CollateClause"):
        node = tree.inner(node.arg)
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
