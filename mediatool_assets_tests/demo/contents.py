"""What a schema holds, read back for comparison."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from mediatool_assets.core.manifest import Fingerprint

_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'p') AND NOT relispartition
"""
_KEY = """
    SELECT string_agg(format('%%I::text', attname), ' || ''/'' || ' ORDER BY attnum)
    FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
    WHERE indrelid = to_regclass(%s) AND indisprimary
"""


@dataclass(frozen=True, slots=True)
class Held:
    """One row as text without the columns that the comparison leaves out, and its flag."""

    text: str
    is_deleted: bool


def contents(url: str, schema: str = "media_tool") -> dict[str, dict[str, Held]]:
    """All rows of all tables, by primary key; columns that came with an edit are left out."""
    with psycopg.connect(url) as connection:
        connection.execute("SET TimeZone TO 'UTC'")
        names = [name for (name,) in connection.execute(_TABLES, (schema,))]
        return {name: _rows(connection, schema, name) for name in sorted(names)}


def fingerprints(url: str, schema: str = "media_tool") -> dict[str, str]:
    """Each table's content fingerprint over its rows as text."""
    held = contents(url, schema)
    return {
        table: str(Fingerprint.of(row.text.encode() for row in rows.values()))
        for table, rows in held.items()
    }


def differences(
    before: Mapping[str, Mapping[str, Held]], after: Mapping[str, Mapping[str, Held]]
) -> dict[str, dict[str, int]]:
    """Count what an edit did, per table that it touched, by looking at every row."""
    found = {table: _difference(before.get(table, {}), rows) for table, rows in after.items()}
    return {table: counts for table, counts in found.items() if any(counts.values())}


def _difference(before: Mapping[str, Held], after: Mapping[str, Held]) -> dict[str, int]:
    both = before.keys() & after.keys()
    changed = [key for key in both if before[key].text != after[key].text]
    flagged = [key for key in changed if after[key].is_deleted and not before[key].is_deleted]
    return {
        "inserted": len(after.keys() - before.keys()),
        "updated": len(changed) - len(flagged),
        "soft_deleted": len(flagged),
        "deleted": len(before.keys() - after.keys()),
    }


def _rows(connection: psycopg.Connection[Any], schema: str, table: str) -> dict[str, Held]:
    name = Identifier(schema, table)
    (key,) = connection.execute(_KEY, (name.as_string(connection),)).fetchone() or ("",)
    statement = SQL(
        "SELECT {key}, (to_jsonb(t) - 'brand_safety_tier')::text,"
        " coalesce((to_jsonb(t) ->> 'is_deleted')::boolean, false) FROM {table} t"
    ).format(key=SQL(key), table=name)
    return {key: Held(text, flag) for key, text, flag in connection.execute(statement)}
