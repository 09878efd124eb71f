"""Keys, and the names of fields and collections, none of them twice."""

from collections.abc import Iterable

from mediatool_assets.domain.inference.words import words
from mediatool_assets.domain.names import camel_case
from mediatool_assets.domain.schema import Table

_MOST_BYTES = 120
"""Of a collection's name: MongoDB takes 255 with the database's, and its indexes' names more."""


class Names:
    """Names in one place, each given once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def give(self, wanted: str) -> str:
        """The name, or with the first number that makes it another one."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}{number}"
        self._taken.add(name)
        return name


def identifying_key(table: Table) -> tuple[tuple[str, ...], str]:
    """The key that identifies the table's rows, and what it is called."""
    if table.primary_key:
        return table.primary_key, "primary key"
    nullable = {column.name for column in table.columns if column.nullable}
    fitting = [key for key in table.unique_keys if not nullable.intersection(key)]
    if fitting:
        return min(fitting, key=lambda key: (len(key), key)), "unique and not null"
    return (), "none: a row is known by its content and a number"


def fields_of(table: Table, key: tuple[str, ...]) -> tuple[dict[str, str], Names]:
    """The field of each column, key's columns first to choose; and the names that are left."""
    names = Names({"_id"} - set(key) if len(key) == 1 else {"_id"})
    fields = {column: names.give(camel_case(column)) for column in key}
    for column in table.columns:
        if column.name not in fields:
            fields[column.name] = names.give(camel_case(column.name))
    return fields, names


def collection_of(table: str) -> str:
    """The collection's name before any clash; MongoDB keeps some for itself."""
    name = camel_case(table).replace("$", "_")
    if name.startswith("system_"):
        name = f"table_{name}"
    return name.encode()[:_MOST_BYTES].decode(errors="ignore")


def without(table: str, target: str) -> str:
    """The collection of a table's rows that belong to no row of another."""
    last = "".join(word.capitalize() for word in words(target)) or "Owner"
    return f"{collection_of(table)}Without{last}"
