"""Compares the structure of two schemas, for instance of a restored database."""

from collections.abc import Collection, Iterable, Iterator
from operator import attrgetter

import msgspec

from mediatool_assets.domain.schema import Enum, ForeignKey, Schema, Sequence, Table

_Named = Table | Enum | Sequence


def differing(
    wanted: Schema, found: Schema, *, left_out: Collection[str], texts: bool
) -> list[str]:
    """The tables, enums, sequences and views that only one schema has, or that differ.

    Columns are matched by name: PostgreSQL creates a parent's columns first, even if they were
    added later.

    Foreign keys named in ``left_out`` (``table key``) are not required. Without ``texts``, defaults
    and index definitions are not compared, because servers of other releases print them
    differently.
    """
    wanted, found = _comparable(wanted, left_out, texts), _comparable(found, (), texts)
    return [
        *_unequal(wanted.tables, found.tables),
        *_unequal(wanted.enums, found.enums),
        *_unequal(wanted.sequences, found.sequences),
        *sorted({*wanted.views} ^ {*found.views}),
    ]


def in_its_order(found: Schema, wanted: Schema) -> Iterator[Table]:
    """The tables found, with their columns in the wanted order, matched by name.

    A table with other columns than the wanted ones is unchanged.
    """
    tables = {table.name: table for table in wanted.tables}
    for table in found.tables:
        names = [column.name for column in tables.get(table.name, table).columns]
        columns = {column.name: column for column in table.columns}
        if columns.keys() == set(names):
            columns_in_order = tuple(columns[name] for name in names)
            yield msgspec.structs.replace(table, columns=columns_in_order)
        else:
            yield table


def _comparable(schema: Schema, left_out: Collection[str], texts: bool) -> Schema:
    tables = (
        msgspec.structs.replace(
            table,
            columns=tuple(sorted(table.columns, key=attrgetter("name"))),
            foreign_keys=tuple(  # older archives have no more about them
                ForeignKey(key.name, key.columns, key.table, key.target_columns)
                for key in table.foreign_keys
                if f"{table.name} {key.name}" not in left_out
            ),
        )
        for table in schema.tables
    )
    compared = tables if texts else map(_wordless, tables)
    return msgspec.structs.replace(schema, tables=tuple(compared))


def _wordless(table: Table) -> Table:
    return msgspec.structs.replace(
        table,
        indexes=tuple(msgspec.structs.replace(i, definition="") for i in table.indexes),
        columns=tuple(msgspec.structs.replace(c, default=None) for c in table.columns),
    )


def _unequal(wanted: Iterable[_Named], found: Iterable[_Named]) -> Iterator[str]:
    left, right = ({item.name: item for item in side} for side in (wanted, found))
    for name in sorted(left.keys() | right.keys()):
        if left.get(name) != right.get(name):
            yield name
