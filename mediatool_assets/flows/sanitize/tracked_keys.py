"""Selects the keys and references whose values are compared before and after masking."""

from collections.abc import Iterator, Sequence

from mediatool_assets.domain.masking.rules import MaskingVerb, Rules
from mediatool_assets.domain.model import Model
from mediatool_assets.domain.schema import Schema
from mediatool_assets.flows.sanitize.value_digests import Tracked


def tracked_by_table(
    schema: Schema, rules: Rules, model: Model | None
) -> dict[str, tuple[Tracked, ...]]:
    """By table: keys and references with a masked column, and the declared groups.

    Keys and references with only kept columns are not tracked.
    """
    found: dict[str, dict[Tracked, None]] = {table.name: {} for table in schema.tables}
    for table in schema.tables:
        unique = [index.columns for index in table.indexes if index.unique]  # or expressions
        for key in dict.fromkeys([table.primary_key, *table.unique_keys, *unique]):
            own = [(table.name, column) for column in key]
            if key and _has(schema, own) and any(_is_masked(rules, *place) for place in own):
                found[table.name][Tracked(f"{table.name} ({', '.join(key)})", "key", key)] = None
        if group := rules.quasi_identifiers.get(table.name):
            found[table.name][Tracked(group_name(table.name, group), "group", group)] = None
    for one, columns, other, keys, each in _references(schema, model):
        ends = [(one, column) for column in columns] + [(other, column) for column in keys]
        if _has(schema, ends) and any(_is_masked(rules, *end) for end in ends):
            name = f"{one}.{', '.join(columns)}{'[]' * each} -> {other}.{', '.join(keys)}"
            found[one][Tracked(name, "from", columns, each)] = None
            found[other][Tracked(name, "to", keys)] = None
    return {table: tuple(found[table]) for table in found}


def group_name(table: str, columns: Sequence[str]) -> str:
    """The name of a group of quasi-identifiers in the proof."""
    return f"{table} ({', '.join(columns)})"


def _is_masked(rules: Rules, table: str, column: str) -> bool:
    rule = rules.rule(table, column)
    return rule is None or rule.verb is not MaskingVerb.KEEP


def _has(schema: Schema, ends: list[tuple[str, str]]) -> bool:
    known = {(table.name, column.name) for table in schema.tables for column in table.columns}
    return known.issuperset(ends)


def _references(
    schema: Schema, model: Model | None
) -> Iterator[tuple[str, tuple[str, ...], str, tuple[str, ...], bool]]:
    """The references that the database declares, and those in the model."""
    keys = {table.name: table.primary_key for table in schema.tables}
    for table in schema.tables:
        for key in table.foreign_keys:
            yield table.name, key.columns, key.table, key.target_columns, False
    for collection in model.collections.values() if model is not None else ():
        shapes = [collection.shape]
        while shapes:
            shape = shapes.pop()
            for addition in shape.additions:
                table_name = shape.table
                for step in addition.path:
                    target = step.keys or keys.get(step.table, ())
                    if len(target) == len(step.columns):
                        yield table_name, step.columns, step.table, target, step.each
                    table_name = step.table
                if addition.shape is not None:
                    shapes.append(addition.shape)
