"""Puts the demo source into a database, or moves it some days forward."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

from mediatool_assets.domain.errors import Misuse, Refused, Unreachable
from mediatool_assets.domain.urls import Url
from mediatool_assets.seed import loading
from mediatool_assets.seed.days import SeedDay
from mediatool_assets.seed.loading import Conn
from mediatool_assets.seed.sizes import World

Edits = Mapping[int, Mapping[str, Any]]
"""Per day: {table: {inserted, updated, soft_deleted, deleted}}, and "schema": what became new."""

_SESSION = "SET lc_monetary = 'C'; SET lock_timeout = '60s'"
"""Amounts are read with a decimal point in any locale; replacing waits for readers."""
_STATE = """
    CREATE SCHEMA IF NOT EXISTS mediatool_seed;
    CREATE TABLE IF NOT EXISTS mediatool_seed.state (
        schema_name text PRIMARY KEY,
        scale double precision NOT NULL,
        is_full boolean NOT NULL,
        day integer NOT NULL,
        edits jsonb NOT NULL
    );
    SELECT pg_advisory_xact_lock(4876876)
"""
_KEEP_STATE = """
    INSERT INTO mediatool_seed.state VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (schema_name) DO UPDATE
    SET scale = excluded.scale, is_full = excluded.is_full,
        day = excluded.day, edits = excluded.edits
"""
_RELATIONS = """
    SELECT relkind::text, relname::text FROM pg_class
    WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('m', 'v', 'r', 'p')
      AND NOT relispartition
"""
_TYPES = """
    SELECT typtype::text, typname::text FROM pg_type
    WHERE typnamespace = to_regnamespace(%s) AND typtype IN ('d', 'e')
"""


@dataclass(frozen=True, slots=True)
class Seeded:
    """The contents of the schema: rows per table, their sum, and the edits since day 0."""

    tables: Mapping[str, int]
    rows: int
    edits: Edits


def seed(
    url: Url, *, scale: float = 1.0, full: bool = False, day: int = 0, schema: str = "media_tool"
) -> Seeded:
    """Fill ``schema`` of the database at ``url`` with the demo source as of ``day``.

    One transaction: readers see the old schema or the new one. If the schema was seeded at the same
    scale for an earlier day, the missing days are applied; any other seeded schema is replaced. The
    only other schema that changes is ``mediatool_seed``, which records what was seeded. Raises
    Refused if the seed did not make the schema, or if something outside depends on it; Misuse for
    invalid arguments; Unreachable if the server does not answer.
    """
    _check(scale, day, schema)
    with _connected(url) as connection:
        with connection.transaction():
            edits = _bring_to(connection, schema, scale, full, day)
            tables = _finish(connection, schema)
        return Seeded(tables, sum(tables.values()), edits)


def _check(scale: float, day: int, schema: str) -> None:
    if not 0 < scale <= 1000:
        raise Misuse(f"scale {scale} is not in 0 to 1000; 1 is the published export, try 0.02")
    if day < 0:
        raise Misuse(f"day {day} is before the first; days count from 0")
    if not schema or schema == "mediatool_seed" or schema.startswith("pg_"):
        raise Misuse(f"schema {schema!r} cannot hold the demo source; name another, as media_tool")


@contextmanager
def _connected(url: Url) -> Iterator[Conn]:
    try:
        with psycopg.connect(url.reveal(), client_encoding="utf8") as connection:
            connection.execute(_SESSION)
            yield connection
    except errors.DependentObjectsStillExist as error:
        raise Refused(
            f"something outside the schema depends on it: {error.diag.message_detail}; "
            "drop that first, or seed another schema"
        ) from error
    except errors.InsufficientPrivilege as error:
        raise Refused(
            f"PostgreSQL at {url}: {error.diag.message_primary}; "
            "seed a database in which this user may create schemas"
        ) from error
    except errors.LockNotAvailable as error:
        raise Refused(
            "someone has been using the schema's tables for a minute, perhaps an export; "
            "seed again when that is done"
        ) from error
    except psycopg.OperationalError as error:
        raise Unreachable(
            f"PostgreSQL at {url}: {' '.join(str(error).split())}; "
            "start it, or correct MEDIATOOL_POSTGRES_URL"
        ) from error


def _bring_to(connection: Conn, schema: str, scale: float, full: bool, day: int) -> Edits:
    connection.execute(_STATE)
    world = World.of(scale, full=full)
    known = connection.execute(
        "SELECT scale, is_full, day, edits FROM mediatool_seed.state WHERE schema_name = %s",
        (schema,),
    ).fetchone()
    stands = connection.execute("SELECT to_regnamespace(%s)", (_quoted(schema),)).fetchone() != (
        None,
    )
    edits: dict[int, Mapping[str, Any]] = {}
    reached = 0
    if known and stands and known[:2] == (scale, full) and known[2] < day:
        reached = known[2]
        edits = {int(number): of_day for number, of_day in known[3].items()}
        connection.execute(SQL("SET search_path TO {}").format(Identifier(schema)))
    else:
        if stands:
            _drop(connection, schema, known is not None)
        loading.create(connection, schema, world)
    for number in range(reached + 1, day + 1):
        with connection.cursor() as cursor:
            one = SeedDay(cursor, world, number)
            one.apply()
            edits[number] = {**one.tables, "schema": one.schema}
    connection.execute(_KEEP_STATE, (schema, scale, full, day, Jsonb(edits)))
    return edits


def _drop(connection: Conn, schema: str, ours: bool) -> None:
    """Drop a schema of ours object by object, so that nothing outside it can go with it."""
    relations = connection.execute(_RELATIONS, (_quoted(schema),)).fetchall()
    if relations and not ours:
        raise Refused(
            f"schema {schema} holds {len(relations)} tables and views that the seed did not make; "
            "seed another database, or another schema by MEDIATOOL_POSTGRES_SCHEMA"
        )
    kinds = {"MATERIALIZED VIEW": "m", "VIEW": "v", "TABLE": "rp"}
    drops = [(word, [n for kind, n in relations if kind in of]) for word, of in kinds.items()]
    types = connection.execute(_TYPES, (_quoted(schema),)).fetchall()
    drops += [("DOMAIN", [n for kind, n in types if kind == "d"])]
    drops += [("TYPE", [n for kind, n in types if kind == "e"])]
    drops += [("SEQUENCE", ["campaign_number_seq"])]
    for word, names in drops:
        if names:
            listed = SQL(", ").join(Identifier(schema, name) for name in names)
            connection.execute(SQL("DROP {} IF EXISTS {}").format(SQL(word), listed))
    connection.execute(SQL("DROP SCHEMA {}").format(Identifier(schema)))


def _finish(connection: Conn, schema: str) -> dict[str, int]:
    """Gather the planner's statistics and count every table."""
    found = connection.execute(_RELATIONS, (_quoted(schema),)).fetchall()
    tables = sorted(name for kind, name in found if kind in "rp")
    counts: dict[str, int] = {}
    for table in tables:
        name = Identifier(schema, table)
        connection.execute(SQL("ANALYZE {}").format(name))
        row = connection.execute(SQL("SELECT count(*) FROM {}").format(name)).fetchone()
        counts[table] = row[0] if row else 0
    return counts


def _quoted(schema: str) -> str:
    return Identifier(schema).as_string()
