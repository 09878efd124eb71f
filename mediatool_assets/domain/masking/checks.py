"""Rules compared with a schema before a row is read: missing rules, and impossible ones."""

import re
from collections.abc import Iterator
from decimal import Decimal

from mediatool_assets.domain.masking.json_paths import path_tree
from mediatool_assets.domain.masking.pseudonyms import LENGTHS
from mediatool_assets.domain.masking.redaction import STEPS, is_amount
from mediatool_assets.domain.masking.rules import MaskingRule, MaskingVerb, Rules
from mediatool_assets.domain.masking.types import ColumnValues, TypeFamily
from mediatool_assets.domain.schema import Column, Schema, Table

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
