"""A day of edits: what people and the platforms' syncs change, add and remove."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from psycopg import Cursor
from psycopg.sql import SQL, Composable, Identifier

from mediatool_assets.seed import platforms
from mediatool_assets.seed.draw import EPOCH, Draw, crm_id, uuid_of
from mediatool_assets.seed.edits import (
    EDITS,
    NEW_COLUMN,
    NEW_COLUMN_DAY,
    NEW_COLUMN_SETS,
    NEW_TABLE,
    NEW_TABLE_DAY,
    NOTES_A_DAY,
    WEEKLY_GROWTH,
    Edit,
    rows_gained,
)
from mediatool_assets.seed.history import SHAPES
from mediatool_assets.seed.loading import copy_rows, set_sequences
from mediatool_assets.seed.lookups import Row
from mediatool_assets.seed.sizes import PUBLISHED, World
from mediatool_assets.seed.tables import BASE
from mediatool_assets.seed.words import sentences

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
