"""Keys, and unique names of fields and collections."""

from mediatool_assets.domain.field_names import Names, camel_case, collection_name
from mediatool_assets.domain.inference.words import words
from mediatool_assets.domain.schema import Table


def identifying_key(table: Table) -> tuple[tuple[str, ...], str]:
    """The key that identifies the table's rows, and the kind of that key in words."""
    if table.primary_key:
        return table.primary_key, "primary key"
    if table.identifying_keys:
        return min(table.identifying_keys, key=lambda key: (len(key), key)), "unique and not null"
    return (), "none: a row is identified by its content and a number"


def fields_of(table: Table, key: tuple[str, ...]) -> tuple[dict[str, str], Names]:
    """The field of each column (the key's columns choose first), and the names in use."""
    names = Names({"_id"} - set(key) if len(key) == 1 else {"_id"})
    fields = {column: names.give(camel_case(column)) for column in key}
    for column in table.columns:
        if column.name not in fields:
            fields[column.name] = names.give(camel_case(column.name))
    return fields, names


def orphan_collection(table: str, target: str) -> str:
    """The collection for a table's rows that belong to no row of another table."""
    last = "".join(word.capitalize() for word in words(target)) or "Owner"
    return f"{collection_name(table)}Without{last}"
