"""How rows of a table are matched between two versions."""

from dataclasses import dataclass

from mediatool_assets.domain.comparison import MatchedBy
from mediatool_assets.domain.schema import Table


@dataclass(frozen=True, slots=True)
class Matching:
    """What identifies a row, and which columns are compared.

    ``columns`` are those that both versions have, in the first one's order. If ``whole_lines`` is
    true, the lines of both archives can be compared unparsed. ``retyped`` columns are compared by
    the text of their values: ``5`` and ``"5"`` are equal.
    """

    by: MatchedBy
    key: tuple[str, ...]
    columns: tuple[str, ...]
    whole_lines: bool
    retyped: frozenset[str]


def matching(one: Table, two: Table, natural_key: tuple[str, ...] = ()) -> Matching:
    """By primary key if both have the same; else by a natural key; else by whole rows.

    A natural key is the model's, or the primary key of only one side, if both have its columns.
    """
    theirs = {column.name: column for column in two.columns}
    columns = tuple(column.name for column in one.columns if column.name in theirs)
    retyped = frozenset(
        column.name
        for column in one.columns
        if column.name in theirs
        and (column.base, column.element) != (theirs[column.name].base, theirs[column.name].element)
    )
    by: MatchedBy = "whole row"
    key: tuple[str, ...] = ()
    if one.primary_key and set(one.primary_key) == set(two.primary_key):
        by, key = "primary key", one.primary_key
    else:
        for candidate in (natural_key, one.primary_key, two.primary_key):
            if candidate and set(candidate) <= set(columns):
                by, key = "natural key", candidate
                break
    names = [[column.name for column in table.columns] for table in (one, two)]
    return Matching(by, key, columns, names[0] == names[1] and not retyped, retyped)
