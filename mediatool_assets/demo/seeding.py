"""Puts the demo source into a database, or moves it some days forward.

The schema's DDL and the COPY that fills it.

A day of edits: what people and the platforms' syncs change, add and remove.

What a day of work does to each table: growth, and the shares that are changed and removed.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib.resources import files
from typing import Any, LiteralString

import psycopg
from psycopg import Connection, Cursor, errors
from psycopg.sql import SQL, Composable, Identifier
from psycopg.types.json import Jsonb

from mediatool_assets.core.errors import Misuse, Refused, Unreachable
from mediatool_assets.core.texts import Url
from mediatool_assets.demo import tables as platforms
from mediatool_assets.demo.tables import BASE, SHAPES, Row
from mediatool_assets.demo.values import EPOCH, PUBLISHED, Draw, World, crm_id, sentences, uuid_of

Conn = Connection[tuple[Any, ...]]
_DIVIDER = "\n-- After the data"

_COLUMNS = """
    SELECT array_agg(attname::text ORDER BY attgenerated, attnum)
    FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""


def create(connection: Conn, schema: str, world: World) -> None:
    """Make the schema, fill it and finish its keys, in the transaction that the caller holds."""
    before, after = _ddl(connection, schema)
    with connection.cursor() as cursor:
        cursor.execute(before)
        for table in world.counts:
            copy_rows(cursor, table, platforms.rows(world, table))
        cursor.execute(after)
        set_sequences(cursor)


def copy_rows(cursor: Cursor[tuple[Any, ...]], table: str, rows: Iterable[Row]) -> int:
    """Stream rows into a table of the current schema; returns their number."""
    columns = _columns(cursor, table)
    statement = SQL("COPY {} ({}) FROM STDIN").format(
        Identifier(table), SQL(", ").join(map(Identifier, columns))
    )
    count = 0
    with cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
            count += 1
    return count


def set_sequences(cursor: Cursor[tuple[Any, ...]]) -> None:
    """Set the identity columns' sequences to the highest id that was loaded."""
    for table in ("teams", "reps", "rate_card", "changesets", "media_platform_entities"):
        cursor.execute(
            SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), max(id)) FROM {}").format(
                table, Identifier(table)
            )
        )
    cursor.execute("SELECT setval('campaign_number_seq', 46 + count(*)) FROM campaigns")


def _columns(cursor: Cursor[tuple[Any, ...]], table: str) -> list[str]:
    """Name the columns in the order of the rows that the seed makes.

    A history table's own columns come last; what its base table generates stands before them.
    """
    found = cursor.execute(_COLUMNS, (table,)).fetchone()
    columns: list[str] = found[0] if found else []
    if table == "line_items_history":
        columns.remove("flight_days")
        columns.insert(columns.index("version"), "flight_days")
    return columns


def _ddl(connection: Conn, schema: str) -> tuple[SQL, SQL]:
    text = files("mediatool_assets.demo").joinpath("schema.sql").read_text(encoding="utf-8")
    name = Identifier(schema).as_string(connection)
    before, _, after = (
        text.replace("media_tool;", f"{name};")
        .replace("SCHEMA media_tool IS", f"SCHEMA {name} IS")
        .partition(_DIVIDER)
    )
    # The text is the package's own file and one quoted identifier.
    return SQL(before), SQL("--" + after)


WEEKLY_GROWTH: Mapping[str, int] = {
    "users": 1,
    "accounts": 65,
    "campaigns": 81,
    "strategies": 81,
    "line_items": 133,
    "line_item_media_buys": 180,
    "media_buys": 319,
    "media_platform_entities": 980,
    "media_platform_entity_metadata": 196,
}
"""Rows that a week adds at scale 1: the published export against the one of a week later."""


def rows_gained(world: World, table: str, day: int) -> int:
    """Rows that a table has gained by the end of ``day``: at least one a day, users excepted."""
    added = round(WEEKLY_GROWTH[table] * world[table] * day / (7 * PUBLISHED[table]))
    return added if table == "users" else max(added, day)


@dataclass(frozen=True, slots=True)
class Edit:
    """How one table is edited: shares of its rows a day, each at least one row unless 0.

    ``sets`` is the SET clause of an update, with the parameters at, day and changeset.
    """

    key: LiteralString
    sets: LiteralString
    updated: float
    soft_deleted: float = 0.0
    deleted: float = 0.0
    has_changeset: bool = True


EDITS: Mapping[str, Edit] = {
    "users": Edit(
        "uuid",
        "email = replace(email, '@', '+moved@'), modified_time = %(at)s",
        updated=0.004,
        has_changeset=False,
    ),
    "reps": Edit("integer", "is_active = NOT is_active", updated=0.01, has_changeset=False),
    "rate_card": Edit(
        "integer",
        "notes = 'Revised', minimum_spend = coalesce(minimum_spend, 0) + 250",
        updated=0.01,
        soft_deleted=0.002,
        has_changeset=False,
    ),
    "accounts": Edit(
        "text",
        "industry = 'Retail', modified_time = %(at)s",
        updated=0.005,
        soft_deleted=0.0002,
        has_changeset=False,
    ),
    "campaigns": Edit(
        "text",
        "budget = coalesce(budget, 0) + 2500, modified_time = %(at)s,"
        " stage = CASE WHEN stage = 'Won' THEN 'Live'::campaign_stage ELSE stage END",
        updated=0.015,
        soft_deleted=0.0005,
        has_changeset=False,
    ),
    "strategies": Edit("uuid", "name = 'Revised'", updated=0.003, soft_deleted=0.0005),
    "line_items": Edit(
        "uuid",
        "price = coalesce(price, 0) + 150.25, pacing_type = 'custom'",
        updated=0.03,
        soft_deleted=0.001,
    ),
    "line_item_media_buys": Edit(
        "uuid",
        "budget = coalesce(budget, 0) + 75.50",
        updated=0.02,
        soft_deleted=0.001,
        deleted=0.0005,
    ),
    "media_buys": Edit(
        "uuid", "spend = coalesce(spend, 0) + 125.005", updated=0.03, soft_deleted=0.0005
    ),
    "media_platform_entities": Edit(
        "bigint",
        "metadata = CASE WHEN jsonb_typeof(metadata) = 'object'"
        " THEN metadata || jsonb_build_object('revision', 1000 + %(day)s) ELSE metadata END",
        updated=0.02,
        deleted=0.0002,
        has_changeset=False,
    ),
}

NEW_COLUMN_DAY = 4
NEW_COLUMN: LiteralString = "ALTER TABLE line_items ADD COLUMN brand_safety_tier text"
NEW_COLUMN_SETS: LiteralString = "brand_safety_tier = 'strict'"

NEW_TABLE_DAY = 5
NEW_TABLE: LiteralString = """
    CREATE TABLE campaign_notes (
        id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
        campaign_id text NOT NULL,
        note text,
        created_at timestamp with time zone NOT NULL
    )
"""
NOTES_A_DAY = 20
"""At scale 1."""


KINDS = ("inserted", "updated", "soft_deleted", "deleted")
SAVED_TOGETHER = 25
"""The most rows of one changeset."""

_COMMON_COLUMNS = """
    SELECT b.attname::text
    FROM pg_attribute b JOIN pg_attribute h ON h.attname = b.attname
    WHERE b.attrelid = to_regclass(%s) AND h.attrelid = to_regclass(%s)
      AND b.attnum > 0 AND NOT b.attisdropped AND b.attname <> 'changeset_id'
    ORDER BY b.attnum
"""


@dataclass(slots=True)
class SeedDay:
    """The n-th day, from 1; it runs inside the caller's transaction.

    Deletions come first, then soft deletions, updates and insertions. Each row is edited at most
    once a day, so that it counts once.
    """

    cursor: Cursor[tuple[Any, ...]]
    world: World
    number: int
    tables: dict[str, dict[str, int]] = field(default_factory=dict)
    schema: list[str] = field(default_factory=list)
    _last_changeset: int = 0

    @property
    def at(self) -> datetime:
        """The time of the day's edits; day 1 begins where the rows of day 0 end."""
        return EPOCH + timedelta(days=self.number - 1, hours=15, microseconds=self.number)

    @property
    def date(self) -> date:
        """The day in the calendar."""
        return self.at.date()

    def apply(self) -> None:
        """Make the day's edits, and count them in ``tables`` and ``schema``."""
        self._last_changeset = self._execute("SELECT max(id) FROM changesets")[0]
        self._change_schema()
        for table, edit in EDITS.items():
            self._edit(table, edit)
        for table in WEEKLY_GROWTH:
            self._insert(table)
        self._meter()
        self._leave_a_team()
        self._write_notes()
        set_sequences(self.cursor)
        self.cursor.execute("REFRESH MATERIALIZED VIEW account_totals")

    def _change_schema(self) -> None:
        if self.number == NEW_COLUMN_DAY:
            self.cursor.execute(NEW_COLUMN)
            self.schema.append("line_items.brand_safety_tier: column added")
        if self.number == NEW_TABLE_DAY:
            self.cursor.execute(NEW_TABLE)
            self.schema.append("campaign_notes: table added")

    def _edit(self, table: str, edit: Edit) -> None:
        name, ids = Identifier(table), SQL("ANY(%(ids)s::{}[])").format(SQL(edit.key))
        statement: Composable = SQL("DELETE FROM {} WHERE id = {} RETURNING id").format(name, ids)
        self._save(table, edit, "deleted", edit.deleted, statement)

        standing = SQL("AND NOT is_deleted" if _flags_deletion(edit) else "")
        stamp = SQL(
            "updated_at = %(at)s, changeset_id = %(changeset)s"
            if edit.has_changeset
            else "updated_at = %(at)s"
        )
        update = "UPDATE {} SET {}, {} WHERE id = {} {} RETURNING id"
        statement = SQL(update).format(name, SQL("is_deleted = true"), stamp, ids, standing)
        self._save(table, edit, "soft_deleted", edit.soft_deleted, statement)

        sets: Composable = SQL(edit.sets)
        if table == "line_items" and self.number >= NEW_COLUMN_DAY:
            sets = SQL(", ").join((sets, SQL(NEW_COLUMN_SETS)))
        statement = SQL(update).format(name, sets, stamp, ids, standing)
        self._save(table, edit, "updated", edit.updated, statement)

    def _save(self, table: str, edit: Edit, kind: str, share: float, statement: Composable) -> None:
        """Run one kind of edit over the day's choice of rows, changeset by changeset."""
        if not share:
            return
        for ids in self._chosen(table, kind, share):
            changeset = self._open_changeset(table)
            parameters = {
                "ids": ids, "at": self.at, "day": self.number, "changeset": changeset,
            }  # fmt: skip
            touched = self._execute(statement, parameters)
            self._count(table, kind, len(touched))
            self._record(table, edit.key, touched, changeset, stands=kind != "deleted")

    def _chosen(self, table: str, kind: str, share: float) -> Iterator[list[str]]:
        """Choose keys among the rows of the day before, as many as a changeset holds at a time."""
        rows = self.world[table]
        if table in WEEKLY_GROWTH:
            rows += rows_gained(self.world, table, self.number - 1)
        draw = Draw(f"{kind}/{table}", self.number)
        numbers = sorted({draw.below(rows) for _ in range(max(1, round(rows * share)))})
        for start in range(0, len(numbers), SAVED_TOGETHER):
            some = numbers[start : start + SAVED_TOGETHER]
            yield [str(BASE[table](self.world, n)[0]) for n in some]

    def _insert(self, table: str) -> None:
        first = self.world[table] + rows_gained(self.world, table, self.number - 1)
        last = self.world[table] + rows_gained(self.world, table, self.number)
        for start in range(first, last, SAVED_TOGETHER):
            numbers = range(start, min(start + SAVED_TOGETHER, last))
            changeset = self._open_changeset(table)
            rows = [self._today(table, BASE[table](self.world, n), changeset) for n in numbers]
            self._copy(table, rows)
            if table in EDITS:
                keys = [str(row[0]) for row in rows]
                self._record(table, EDITS[table].key, keys, changeset, stands=True)

    def _today(self, table: str, row: Row, changeset: int) -> Row:
        """Move a row of the generator to today."""
        shape = SHAPES.get(f"{table}_history")
        if shape is None:
            return row
        values = list(row)
        values[shape.created] = values[shape.updated] = self.at
        if shape.changeset is not None:
            values[shape.changeset] = changeset
        if table == "line_items" and self.number >= NEW_COLUMN_DAY:
            values.append("standard")
        return tuple(values)

    def _open_changeset(self, table: str) -> int:
        self._last_changeset += 1
        n = self._last_changeset
        user = uuid_of("users", n % self.world["users"])
        source = "platform-sync" if table.startswith("media_platform") else "app"
        self._copy("changesets", [(n, user, 8_000_000 + n, source, self.at)])
        return n

    def _record(
        self, table: str, key: str, ids: list[Any], changeset: int, *, stands: bool
    ) -> None:
        """Close the rows' current versions in the history and write the new ones."""
        past = f"{table}_history"
        if not self.world[past]:
            return
        suffix = "_time" if table == "rate_card" else ""
        since, until = Identifier(f"valid_from{suffix}"), Identifier(f"valid_to{suffix}")
        parameters = {"ids": [str(one) for one in ids], "at": self.at, "changeset": changeset}
        of_ids = SQL("id = ANY(%(ids)s::" + key + "[])")
        close = SQL("UPDATE {} SET {} = %(at)s WHERE {} AND {} IS NULL RETURNING id").format(
            Identifier(past), until, of_ids, until
        )
        self._count(past, "updated", len(self._execute(close, parameters)))
        if not stands:
            return
        found = self.cursor.execute(_COMMON_COLUMNS, (table, past)).fetchall()
        columns = SQL(", ").join(Identifier(name) for (name,) in found)
        write = SQL(
            "INSERT INTO {past} ({columns}, changeset_id, version, {since})"
            " SELECT {columns}, %(changeset)s, 1 + coalesce("
            "(SELECT max(version) FROM {past} h WHERE h.id = b.id), 0), %(at)s"
            " FROM {table} b WHERE {of_ids} ORDER BY id RETURNING id"
        ).format(
            past=Identifier(past),
            columns=columns,
            since=since,
            table=Identifier(table),
            of_ids=of_ids,
        )
        self._count(past, "inserted", len(self._execute(write, parameters)))

    def _meter(self) -> None:
        """With daily metrics: correct yesterday's figures and add today's of one buy in twenty."""
        for table in ("platform_buy_daily_impressions", "platform_buy_daily_videos"):
            if not self.world[table]:
                continue
            correct = SQL(
                "UPDATE {} SET updated_at = %(at)s WHERE on_date = %(yesterday)s RETURNING 1"
            ).format(Identifier(table))
            yesterday = self.date - timedelta(days=1)
            at = self.at.replace(microsecond=0)  # platforms tell whole seconds
            corrected = self._execute(correct, {"at": at, "yesterday": yesterday})
            self._count(table, "updated", len(corrected))
        if self.world["platform_buy_daily_impressions"]:
            buys = range(self.number % 20, self.world["media_buys"], 20)
            shown = (platforms.impressions(buy, self.date) for buy in buys)
            self._copy("platform_buy_daily_impressions", shown)
            seen = (platforms.videos(buy, self.date) for buy in buys if buy % 3 == 0)
            self._copy("platform_buy_daily_videos", seen)

    def _leave_a_team(self) -> None:
        rep, team, _ = BASE["reps_x_teams"](self.world, self.number)
        left = self._execute(
            SQL(
                "DELETE FROM reps_x_teams WHERE (rep_id, team_id) = (%(rep)s, %(team)s) RETURNING 1"
            ),
            {"rep": rep, "team": team},
        )
        self._count("reps_x_teams", "deleted", len(left))

    def _write_notes(self) -> None:
        if self.number < NEW_TABLE_DAY:
            return
        campaigns = self.world["campaigns"]
        notes = max(3, round(NOTES_A_DAY * campaigns / PUBLISHED["campaigns"]))
        first = (self.number - NEW_TABLE_DAY) * notes
        rows = []
        for n in range(first, first + notes):
            draw = Draw("campaign_notes", n)
            campaign = crm_id("campaigns", draw.below(campaigns))
            rows.append((n + 1, campaign, sentences(draw, draw.below(3)) or None, self.at))
        self._copy("campaign_notes", rows)

    def _copy(self, table: str, rows: Iterable[Row]) -> None:
        self._count(table, "inserted", copy_rows(self.cursor, table, rows))

    def _execute(self, statement: Any, parameters: dict[str, Any] | None = None) -> list[Any]:
        return [row[0] for row in self.cursor.execute(statement, parameters).fetchall()]

    def _count(self, table: str, kind: str, rows: int) -> None:
        if rows:
            self.tables.setdefault(table, dict.fromkeys(KINDS, 0))[kind] += rows


def _flags_deletion(edit: Edit) -> bool:
    return edit.soft_deleted > 0


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
        create(connection, schema, world)
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
