"""The rules of masking: what happens to every column, and to every path of a JSON column.

Turns a column and its rule into a function from a value's JSON to the masked value's JSON.

Rules compared with a schema before a row is read: missing rules, and impossible ones.

Masks JSON documents path by path, without changing a byte of what is kept.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache, partial

import msgspec

from mediatool_assets.core.rows import is_double, only_doubles
from mediatool_assets.core.schema import Column, Schema, Table
from mediatool_assets.sanitize.detection import ColumnValues, TypeFamily
from mediatool_assets.sanitize.pseudonyms import LENGTHS, LONGEST, PseudonymKind
from mediatool_assets.sanitize.redaction import (
    STEPS,
    Masker,
    generalized_date,
    generalized_number,
    is_amount,
    is_date,
    items,
    noisy,
)


class MaskingVerb(StrEnum):
    """What can happen to a value."""

    KEEP = "keep"
    PSEUDONYM = "pseudonym"
    REDACT = "redact"
    GENERALIZE = "generalize"
    NOISE = "noise"
    DROP = "drop"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class MaskingRule:
    """One rule. ``argument``: kind of the pseudonym, step of generalize, percentage of noise.

    ``paths`` are the rules inside a JSON document, such as ``weeks[].spend``; ``otherwise`` is the
    rule for every value that no path covers.
    """

    verb: MaskingVerb
    argument: str = ""
    line: int = 0
    paths: tuple[tuple[str, "MaskingRule"], ...] = ()
    otherwise: "MaskingRule | None" = None

    @property
    def words(self) -> str:
        """The rule as it is written: ``pseudonym person``."""
        return f"{self.verb} {self.argument}".strip()

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of pseudonyms that it makes, including those inside a document."""
        own = {self.argument} if self.verb is MaskingVerb.PSEUDONYM else set()
        return frozenset(own).union(*(rule.kinds for rule in self.every_path()))

    def every_path(self) -> Iterator["MaskingRule"]:
        """The rules inside its documents."""
        yield from (rule for _, rule in self.paths)
        if self.otherwise is not None:
            yield self.otherwise

    def redacting(self) -> "MaskingRule":
        """The same rule, which redacts every value of a document that no path covers."""
        if self.verb is not MaskingVerb.JSON or self.otherwise is not None:
            return self
        return replace(self, otherwise=REDACT)


REDACT = MaskingRule(MaskingVerb.REDACT, line=1)


@dataclass(frozen=True, slots=True)
class Rules:
    """One rules file: ``source`` is its name, ``digest`` the SHA-256 of its text.

    ``smallest_groups`` is k by table: the least number of rows that share their quasi-identifiers.
    ``kept_ddl`` are reviewed objects of the schema (``view totals``), and ``comments``.
    """

    source: str
    digest: str
    kinds: Mapping[str, PseudonymKind]
    tables: Mapping[str, Mapping[str, MaskingRule]]
    quasi_identifiers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    smallest_groups: Mapping[str, int] = field(default_factory=dict)
    kept_ddl: frozenset[str] = frozenset()

    def rule(self, table: str, column: str) -> MaskingRule | None:
        """The rule of a column; None if it is not classified."""
        return self.tables.get(table, {}).get(column)

    def redacting(self, schema: Schema) -> "Rules":
        """The same rules, which redact every column and path that they do not cover."""
        tables = {
            table.name: {
                column.name: (self.rule(table.name, column.name) or REDACT).redacting()
                for column in table.columns
            }
            for table in schema.tables
        }
        return replace(self, tables={**self.tables, **tables})

    def unclassified(self, schema: Schema) -> Iterator[tuple[Table, Column]]:
        """The columns that no rule covers, in order."""
        for table in schema.tables:
            for column in table.columns:
                if self.rule(table.name, column.name) is None:
                    yield table, column

    def unused(self, schema: Schema) -> Iterator[str]:
        """``table.column``, or ``table``, of rules for objects that the schema does not have."""
        known = {table.name: {column.name for column in table.columns} for table in schema.tables}
        for table, columns in self.tables.items():
            if table not in known:
                yield table
            else:
                yield from (f"{table}.{name}" for name in columns if name not in known[table])


Mask = Callable[[bytes], bytes]

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


class Unclassified(Exception):
    """A value in a document that no path covers and that has no default rule."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(path)


@dataclass(slots=True)
class Node:
    """A node of the path tree, with children for names, for any name, or for array items."""

    path: str = ""
    label: bytes = b""
    rule: MaskingRule | None = None
    names: dict[str, "Node"] = field(default_factory=dict)
    items: "Node | None" = None

    def below(self, name: str) -> str:
        """The path of a name in the object at this node."""
        return f"{self.path}.{name}" if self.path else name


ANY = "*"
"""The name that matches every name without a path of its own."""


def path_tree(rule: MaskingRule) -> Node:
    """The paths of a ``json`` rule as a tree; raises ValueError on an invalid path."""
    root = Node()
    for path, leaf in rule.paths:
        node = root
        for step in steps(path):
            if node.rule is not None:
                raise ValueError(f"{path} is within a path that has a rule of its own")
            if step:
                node = node.names.setdefault(step, Node(node.below(step), _label(step)))
            else:
                node.items = node.items or Node(f"{node.path}[]")
                node = node.items
        if node.rule is not None or node.names or node.items:
            raise ValueError(f"{path} has a rule already, or paths within it have one")
        node.rule = leaf
    return root


def _label(name: str) -> bytes:
    return msgspec.json.encode(name) + b": "


def steps(path: str) -> list[str]:
    """``weeks[].spend`` as names, and an empty text for each ``[]``; raises ValueError."""
    found: list[str] = []
    for part in path.split("."):
        name = part.rstrip("[]")
        items = part[len(name) :]
        if items.replace("[]", "") or (not name and (found or not items)):
            raise ValueError(f"{path!r} is not a path; write name.name, name[].name or *.name")
        found += [name] * bool(name) + [""] * (len(items) // 2)
    return found


def document_mask(
    tree: Node,
    leaf: Callable[[MaskingRule], Mask | None],
    otherwise: MaskingRule | None,
    item: Callable[[Mask], Mask],
) -> Mask | None:
    """The function that masks each value of a document by its rule; None if all is kept.

    ``leaf`` makes the function of a rule, ``item`` that of an array's items. The output is spaced
    like jsonb's text; names and kept values are unchanged to the byte. The function raises
    Unclassified, msgspec.DecodeError.
    """
    if tree.rule is not None:
        return leaf(tree.rule)
    names = {
        name: (node.label, document_mask(node, leaf, otherwise, item))
        for name, node in tree.names.items()
    }
    every_name = names.get(ANY)
    of_item = None if tree.items is None else document_mask(tree.items, leaf, otherwise, item)
    items = None if of_item is None else item(of_item)
    rest = None if otherwise is None else leaf(otherwise)

    def of_name(name: str) -> tuple[bytes, Mask | None]:
        if every_name is not None:
            return _label(name), every_name[1]
        if otherwise is None:
            raise Unclassified(tree.below(name))
        return _label(name), rest

    def masked(document: bytes) -> bytes:
        if names and document.startswith(b"{"):
            parts = []
            for name, value in _OBJECT.decode(document).items():
                label, mask = names.get(name) or of_name(name)
                parts.append(label + (value if mask is None else mask(bytes(value))))
            return b"{" + b", ".join(parts) + b"}"
        if tree.items is not None and document.startswith(b"["):
            values = _ARRAY.decode(document)
            made = values if items is None else [items(bytes(value)) for value in values]
            return b"[" + b", ".join(made) + b"]"
        if document == b"null":
            return document
        if otherwise is None:
            raise Unclassified(tree.path)
        return document if rest is None else rest(document)

    return masked


_TEXT = msgspec.json.Decoder(str)
_encode = msgspec.json.encode
_EXACT = 1 << 53  # larger integers are strings in an archive
_EMPTIED = {b"{": b"{}", b"[": b"[]", b"t": b"false", b"f": b"false"}
_REMEMBERED = 1 << 13
"""The number of distinct values, by column or path, whose masked values a share caches."""


def column_mask(masker: Masker, rule: MaskingRule, place: str, column: Column) -> Mask | None:
    """The function for a column, or None if its values are kept.

    Its values are counted under ``place``. The rule must fit the column (``checks``). Use the
    function for the values of one share only: a value from its cache is not reported to ``masker``
    again. It raises json_paths.Unclassified.
    """
    values = ColumnValues.of(column)
    if rule.verb is MaskingVerb.KEEP:
        return None
    if rule.verb is MaskingVerb.JSON:
        return _document(masker, rule, place, values.family is TypeFamily.JSONB)
    one = _counted(masker, (place, rule.words), _mask(masker, rule, values))
    is_array = column.element is not None and rule.verb is not MaskingVerb.DROP
    return _of_arrays(masker, one, values) if is_array else one


def _counted(masker: Masker, what: tuple[str, str], mask: Mask) -> Mask:
    counts, remembered = masker.counts, lru_cache(_REMEMBERED)(mask)

    def counted(value: bytes) -> bytes:
        if value == b"null":
            return value
        counts[what] += 1
        return remembered(value)

    return counted


def _of_arrays(masker: Masker, mask: Mask, values: ColumnValues) -> Mask:
    """Masks element by element; an array in PostgreSQL's text form becomes empty."""
    as_text = (TypeFamily.ENUM, TypeFamily.OTHER, TypeFamily.JSON, TypeFamily.JSONB)
    empty = b'"{}"' if values.family in as_text else b"[]"

    def of_array(value: bytes) -> bytes:
        if value.startswith(b"["):
            return b"[" + b",".join([of_array(bytes(v)) for v in _ARRAY.decode(value)]) + b"]"
        return mask(value)

    def of_value(value: bytes) -> bytes:
        if not value.startswith(b'"'):
            return of_array(value)
        masker.taken(_encode(list(items(_TEXT.decode(value)))))
        return empty

    return of_value


def _mask(masker: Masker, rule: MaskingRule, values: ColumnValues) -> Mask:
    match rule.verb:
        case MaskingVerb.PSEUDONYM if values.family is TypeFamily.INTEGER:
            return lambda v: _integer(masker.integer(rule.argument, int(v.strip(b'"'))))
        case MaskingVerb.PSEUDONYM if values.base == "character":  # trailing blanks do not count
            length, kind = values.length or 0, rule.argument
            return lambda v: _encode(
                masker.pseudonym(kind, _TEXT.decode(v).rstrip(" ")).ljust(length)
            )
        case MaskingVerb.PSEUDONYM:
            return lambda v: _encode(masker.pseudonym(rule.argument, _TEXT.decode(v)))
        case MaskingVerb.NOISE | MaskingVerb.GENERALIZE:
            return _coarse(masker, rule, values)
        case MaskingVerb.REDACT if values.family is TypeFamily.TEXT:
            return lambda v: _encode(masker.redacted(_TEXT.decode(v)))
        case _:
            return _taking(
                masker, values, None if rule.verb is MaskingVerb.DROP else values.constant
            )


def _taking(masker: Masker, values: ColumnValues, constant: bytes | None) -> Mask:
    """Replace every value. Times, booleans and enums are not recorded: they recur by chance."""
    made = constant or b"null"

    def of_text(value: bytes) -> bytes:
        masker.taken(value)
        return made

    def of_number(value: bytes) -> bytes:
        masker.taken(value.strip(b'"'))
        return made

    def of_document(value: bytes) -> bytes:
        masker.taken(_TEXT.decode(value).encode() if value.startswith(b'"') else value)
        return made

    match values.family:
        case TypeFamily.TIME | TypeFamily.BOOLEAN | TypeFamily.ENUM:
            return lambda _: made
        case TypeFamily.INTEGER | TypeFamily.DECIMAL | TypeFamily.FLOAT:
            return of_number
        case TypeFamily.JSON | TypeFamily.JSONB:
            return of_document
        case _:
            return of_text


def _coarse(masker: Masker, rule: MaskingRule, values: ColumnValues) -> Mask:
    if values.family is TypeFamily.TEXT:
        length = _first(rule)
        return lambda v: _encode(_beginning(masker, _TEXT.decode(v), length))
    if rule.argument in STEPS:
        return lambda v: _encode(generalized_date(_TEXT.decode(v), rule.argument))
    change = _change(masker, rule, values.limit)
    if values.family is TypeFamily.DECIMAL:
        return lambda v: _encode(change(_TEXT.decode(v)))
    return lambda v: _integer(int(change(v.strip(b'"').decode())))


def _first(rule: MaskingRule) -> int:
    return int(rule.argument.removeprefix("first "))


def _beginning(masker: Masker, value: str, length: int) -> str:
    """The first characters of a text; a short text that is kept whole is found by the search."""
    masker.taken(_encode(value))
    return value[:length]


def _change(masker: Masker, rule: MaskingRule, limit: Decimal | None) -> Callable[[str], str]:
    """The change of noise or generalize to the text of a number."""
    if rule.verb is MaskingVerb.NOISE:
        percent = int(rule.argument)
        return lambda text: noisy(masker.noise, text, percent, limit)
    step = Decimal(rule.argument)
    return lambda text: generalized_number(text, step)


def _integer(value: int) -> bytes:
    """An integer as an archive writes a bigint."""
    text = str(value).encode()
    return text if abs(value) <= _EXACT else b'"' + text + b'"'


def _document(masker: Masker, rule: MaskingRule, place: str, is_jsonb: bool) -> Mask:
    leaf = _Leaves(masker, place)
    mask = document_mask(path_tree(rule), leaf.mask, rule.otherwise, leaf.item)

    def document(value: bytes) -> bytes:
        if value == b"null" or mask is None:
            return value
        is_text = value.startswith(b'"')
        text = _TEXT.decode(value).encode() if is_text else value
        leaf.wide = is_text
        try:
            made = mask(text)
        except msgspec.DecodeError:  # json may hold lone surrogates, which no UTF-8 reader accepts
            masker.counts[place, "redact"] += 1
            masker.taken(text)
            made = b"{}"
        if not is_jsonb:
            return _encode(made.decode())
        if made.startswith(b'"') or made == b"null" or (leaf.wide and not only_doubles(made)):
            return _encode(made.decode())
        return made

    return document


class _Leaves:
    """Masks the values in a document; ``wide`` after it made a number that no double holds."""

    wide: bool
    """Set to begin a document."""

    def __init__(self, masker: Masker, place: str) -> None:
        self._masker, self._place, self._counts = masker, place, masker.counts

    def mask(self, rule: MaskingRule) -> Mask | None:
        """The function of a rule; None if values are kept."""
        if rule.verb is MaskingVerb.KEEP:
            return None
        what = self._place, rule.words
        make = lru_cache(_REMEMBERED)(self._maker(rule))

        def masked(value: bytes) -> bytes:
            if value == b"null":
                return value
            self._counts[what] += 1
            made, is_wide = make(value)
            self.wide |= is_wide
            return made

        return masked

    def item(self, mask: Mask) -> Mask:
        """The same function for the items of an array, which are often the same ones."""
        tallied = lru_cache(_REMEMBERED)(partial(self._tallied, mask))

        def masked(value: bytes) -> bytes:
            made, is_wide, counts = tallied(value)
            self.wide |= is_wide
            self._counts.update(counts)
            return made

        return masked

    def _tallied(self, mask: Mask, value: bytes) -> tuple[bytes, bool, Counter[tuple[str, str]]]:
        counts, wide = self._counts, self.wide
        self._counts, self.wide = Counter(), False
        try:
            return mask(value), self.wide, self._counts
        finally:
            self._counts, self.wide = counts, wide

    def _maker(self, rule: MaskingRule) -> Callable[[bytes], tuple[bytes, bool]]:
        def make(value: bytes) -> tuple[bytes, bool]:
            """The masked value, and whether it is a number that no double holds."""
            first = value[:1]
            if rule.verb is MaskingVerb.DROP or first in _EMPTIED:
                self._masker.taken(value)
                return b"null" if rule.verb is MaskingVerb.DROP else _EMPTIED[first], False
            if first == b'"':
                return self._text(_TEXT.decode(value), rule), False
            made = self._changed(value.decode(), rule).encode()
            return made, not is_double(made.lstrip(b"-"))

        return make

    def _text(self, value: str, rule: MaskingRule) -> bytes:
        if rule.verb is MaskingVerb.PSEUDONYM:
            return bytes(_encode(self._masker.pseudonym(rule.argument, value)))
        if rule.verb is MaskingVerb.GENERALIZE and rule.argument.startswith("first "):
            return bytes(_encode(_beginning(self._masker, value, _first(rule))))
        if rule.verb is MaskingVerb.GENERALIZE and rule.argument in STEPS and is_date(value):
            return bytes(_encode(generalized_date(value, rule.argument)))
        return bytes(_encode(self._masker.redacted(value)))

    def _changed(self, value: str, rule: MaskingRule) -> str:
        if rule.verb is MaskingVerb.PSEUDONYM:
            is_number = self._masker.kind(rule.argument).format == "number"
            if is_number and value.lstrip("-").isdecimal() and len(value) <= LONGEST:
                return str(self._masker.integer(rule.argument, int(value)))
        words = rule.argument in STEPS or rule.argument.startswith("first ")
        if (
            rule.verb in (MaskingVerb.NOISE, MaskingVerb.GENERALIZE)
            and not words
            and is_amount(value)
        ):
            return _change(self._masker, rule, None)(value)
        self._masker.taken(value.encode())
        return "0"


_JSON = (TypeFamily.JSON, TypeFamily.JSONB)
_NUMBERS = (TypeFamily.INTEGER, TypeFamily.DECIMAL)


def unclassified(rules: Rules, schema: Schema) -> list[str]:
    """A line for each column that no rule covers, with the text to add to the rules."""
    return [
        f"{rules.source}: {table.name}.{column.name} ({column.type}) is not classified; under "
        f"`tables:`, `{table.name}:` write `{column.name}: keep`, or redact, pseudonym KIND, drop"
        for table, column in rules.unclassified(schema)
    ]


def mistakes(rules: Rules, schema: Schema) -> list[str]:
    """Rules that are impossible for their column, each with file, line and reason."""
    found: list[tuple[int, str]] = []
    for table in schema.tables:
        for column in table.columns:
            rule = rules.rule(table.name, column.name)
            if rule is not None:
                where = f"{table.name}.{column.name} ({column.type}): {rule.words}"
                found += [
                    (rule.line, f"{where}: {p}") for p in problems(rules, table, column, rule)
                ]
        found += _torn_references(rules, table)
        known = {column.name for column in table.columns}
        for name in rules.quasi_identifiers.get(table.name, ()):
            if name not in known:
                found.append((1, f"quasi_identifiers: {table.name} has no column {name}"))
    return [f"{rules.source}:{line}: {text}" for line, text in sorted(set(found))]


def key_columns(table: Table) -> set[str]:
    """The columns of primary and unique keys and of unique indexes, or of their expressions."""
    unique = (index.columns for index in table.indexes if index.unique)
    parts = {part for key in (table.primary_key, *table.unique_keys, *unique) for part in key}
    names = {column.name for column in table.columns}
    words = " ".join(parts - names)
    return {name for name in names if name in parts or (words and _names(words, name))}


def _names(expression: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", expression) is not None


def fits(rules: Rules, column: Column, rule: MaskingRule) -> bool:
    """Whether a rule can be applied to values of the column's type."""
    return not any(_misfits(rules, column, rule, ColumnValues.of(column)))


def problems(rules: Rules, table: Table, column: Column, rule: MaskingRule) -> Iterator[str]:
    """The reasons why a rule is impossible for this column."""
    values = ColumnValues.of(column)
    if column.generated and rule.verb not in (MaskingVerb.KEEP, MaskingVerb.DROP):
        yield "PostgreSQL computes this column; drop it (a restore computes it again), or keep it"
    if column.name in key_columns(table) and rule.verb not in (
        MaskingVerb.KEEP,
        MaskingVerb.PSEUDONYM,
    ):
        yield "it is part of a key and has to stay unique; keep it, or make it a pseudonym"
    if not column.nullable and _makes_null(rule, column, values):
        yield "it is NOT NULL, and this makes it null; keep it, or use another rule"
    yield from _misfits(rules, column, rule, values)


def _makes_null(rule: MaskingRule, column: Column, values: ColumnValues) -> bool:
    if rule.verb is MaskingVerb.REDACT:  # an array stays an array, a text stays a text
        is_scalar = column.element is None and values.family is not TypeFamily.TEXT
        return is_scalar and values.constant is None
    return rule.verb is MaskingVerb.DROP


def _misfits(
    rules: Rules, column: Column, rule: MaskingRule, values: ColumnValues
) -> Iterator[str]:
    """The reasons why a rule does not fit this type."""
    match rule.verb:
        case MaskingVerb.PSEUDONYM:
            yield from _pseudonym_misfits(rules, rule, values, is_array=column.element is not None)
        case MaskingVerb.NOISE if values.family not in _NUMBERS:
            yield "noise is for whole and decimal numbers; redact it, or drop it"
        case MaskingVerb.GENERALIZE if not _has_step(rule.argument, values):
            yield (
                f"write generalize with one of {', '.join(STEPS)} for a date or time, a number "
                "such as 0.05 for a number, `first 3` for a text"
            )
        case MaskingVerb.JSON if values.family not in _JSON or column.element is not None:
            yield "paths are for json and jsonb"
        case MaskingVerb.JSON:
            try:
                path_tree(rule)
            except ValueError as error:
                yield str(error)


def _pseudonym_misfits(
    rules: Rules, rule: MaskingRule, values: ColumnValues, *, is_array: bool
) -> Iterator[str]:
    style = rules.kinds[rule.argument].format
    fitting = {
        TypeFamily.TEXT: None,
        TypeFamily.UUID: "uuid",
        TypeFamily.INTEGER: "number",
        TypeFamily.ENUM: None,
    }
    if values.family not in fitting or (values.family is TypeFamily.ENUM and is_array):
        yield "no pseudonym has this type; redact it, or drop it"
    elif fitting[values.family] not in (None, style):
        yield f"{rule.argument} has the format {style}; this column wants {fitting[values.family]}"
    longest = LENGTHS[style]
    if values.length is not None and longest is not None and values.length < longest:
        yield f"its pseudonyms have up to {longest} characters; redact it, or take another format"


def _has_step(argument: str, values: ColumnValues) -> bool:
    match values.family:
        case TypeFamily.TIME:
            return argument in STEPS
        case TypeFamily.TEXT:
            return values.base != "character" and argument.startswith("first ")
        case TypeFamily.INTEGER | TypeFamily.DECIMAL:
            if not is_amount(argument):
                return False
            step = Decimal(argument)
            whole = values.family is TypeFamily.DECIMAL or step == step.to_integral_value()
            return step.is_finite() and step > 0 and whole
        case _:
            return False


def _torn_references(rules: Rules, table: Table) -> Iterator[tuple[int, str]]:
    """Foreign keys whose two columns have different rules: the copy would violate them."""
    for key in table.foreign_keys:
        for own, other in zip(key.columns, key.target_columns, strict=True):
            here, there = rules.rule(table.name, own), rules.rule(key.table, other)
            if here is not None and there is not None and here.words != there.words:
                yield (
                    here.line,
                    f"{table.name}.{own}: {here.words}: it refers to {key.table}.{other}, which "
                    f"has the rule {there.words}; give both the same",
                )
