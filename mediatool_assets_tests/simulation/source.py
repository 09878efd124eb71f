"""PostgreSQL's twin: a few tables that people write to at any time, and its snapshots."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from random import Random
from typing import TypeAlias

from mediatool_assets.core.errors import Unreachable
from mediatool_assets.core.manifest import NotCarried
from mediatool_assets.core.schema import Chunk, Schema, Table
from mediatool_assets_tests.raw_archives import table
from mediatool_assets_tests.simulation.world import PROCESS_FAULTS, Fault, World, raising

Row: TypeAlias = tuple[tuple[str, object], ...]
Rows: TypeAlias = dict[int, dict[str, object]]

USERS = table("users", id="integer", name="text")
CAMPAIGNS = table("campaigns", id="integer", user_id="integer", name="text")
NOTES = table("notes", id="integer", campaign_id="integer", said="text")
TABLES = {each.name: each for each in (CAMPAIGNS, NOTES, USERS)}

MODEL = """\
tables: {users: , campaigns: , notes: }
collections:
  users:
    root: users
    add:
      campaigns:
        embed_many: id -> campaigns.user_id
        orphans: campaignsAlone
  notes:
    root: notes
"""

_CHUNK = 7


def _away() -> Unreachable:
    return Unreachable("PostgreSQL at twin does not answer; start it")


QUERY_FAULTS = (Fault("the server does not answer", before=raising(_away)), *PROCESS_FAULTS)
FEWER = Fault("the last row does not arrive", alter=lambda lines: lines[:-1])


def content(tables: dict[str, Rows]) -> frozenset[tuple[str, Row]]:
    """Everything that is there at one instant, whatever its order."""
    return frozenset(
        (name, tuple(sorted(row.items()))) for name, rows in tables.items() for row in rows.values()
    )


@dataclass(eq=False)
class SourceTwin:
    """The database, and every content that it ever had."""

    world: World
    tables: dict[str, Rows] = field(default_factory=dict)
    structure: dict[str, Table] = field(default_factory=lambda: dict(TABLES))
    instants: set[frozenset[tuple[str, Row]]] = field(default_factory=set)
    taken: dict[str, date] = field(default_factory=dict)
    """The day that the host's clock showed, by the name of each snapshot."""
    _next: int = 0

    def __post_init__(self) -> None:
        """Some rows to begin with."""
        self.tables = {name: {} for name in TABLES}
        for number in range(self.world.random.choice((0, 3, 25))):
            self._insert(self.world.random, ("users", "campaigns", "notes")[number % 3])
        self.remember()

    def remember(self) -> None:
        """Note the content as one that there was."""
        self.instants.add(content(self.tables))

    def change(self, random: Random) -> str:
        """One transaction of somebody's; what it did."""
        name = random.choice(sorted(self.tables))
        rows, kind = self.tables[name], random.random()
        if kind < 0.5 or not rows:
            self._insert(random, name)
            said = f"a row of {name} is inserted"
        elif kind < 0.7:
            rows[random.choice(sorted(rows))]["name" if name != "notes" else "said"] = _text(random)
            said = f"a row of {name} is updated"
        elif kind < 0.9:
            del rows[random.choice(sorted(rows))]
            said = f"a row of {name} is deleted"
        else:
            rows.clear()
            said = f"{name} is emptied"
        self.remember()
        return said

    def add_column(self) -> str:
        """ALTER TABLE."""
        added = self.structure["notes"].columns
        if len(added) > 3:
            return "nothing"
        self.structure["notes"] = table(
            "notes", id="integer", campaign_id="integer", said="text", mood="text"
        )
        for row in self.tables["notes"].values():
            row["mood"] = None
        self.remember()
        return "a column is added to notes"

    def _insert(self, random: Random, name: str) -> None:
        self._next += 1
        row: dict[str, object] = {"id": self._next}
        if name == "campaigns":
            row["user_id"] = random.choice([*self.tables["users"], None, 10**6])
        if name == "notes":
            row["campaign_id"] = random.choice([*self.tables["campaigns"], None])
        row["said" if name == "notes" else "name"] = _text(random)
        if name == "notes" and len(self.structure[name].columns) > 3:
            row["mood"] = random.choice((None, "fair"))
        self.tables[name][self._next] = row

    @property
    def primary(self) -> None:
        """There is none."""

    @contextmanager
    def snapshot(self) -> Iterator["SnapshotTwin"]:
        """One instant."""

        def act() -> SnapshotTwin:
            schema = Schema("media_tool", tuple(self.structure[n] for n in sorted(self.structure)))
            frozen = {n: {i: dict(r) for i, r in rows.items()} for n, rows in self.tables.items()}
            name = f"snapshot-{len(self.taken)}"
            self.taken[name] = self.world.now().date()
            return SnapshotTwin(self.world, schema, frozen, name)

        yield self.world.call("take a snapshot", act, QUERY_FAULTS)


def _text(random: Random) -> str:
    return random.choice(("Ann", "Bo", "ein Wort", "ÿ\n", "", "x" * 40)) + str(random.randrange(9))


@dataclass(frozen=True)
class SnapshotTwin:
    """What is seen through one snapshot."""

    world: World
    schema: Schema
    rows: dict[str, Rows]
    name: str

    @property
    def facts(self) -> dict[str, str | int | None]:
        """Where it is from."""
        return {
            "type": "postgres",
            "snapshot_id": self.name,
            "instance": "twin:5432/media_tool",
            "database": "media_tool",
            "system_identifier": "7",
            "server_version": "18.0",
        }

    @property
    def reader(self) -> "SnapshotTwin":
        """It reads by itself."""
        return self

    def ddl(self) -> bytes:
        """pg_dump's part."""
        return self.world.call("pg_dump", lambda: b"-- none\n", QUERY_FAULTS)

    def not_carried(self) -> tuple[NotCarried, ...]:
        """Nothing is left out."""
        return ()

    def chunks(self, table: Table) -> list[Chunk]:
        """Counted in the snapshot."""

        def act() -> list[Chunk]:
            total = len(self.rows[table.name])
            return [
                Chunk(table.name, n, first, min(_CHUNK, total - first), ())
                for n, first in enumerate(range(0, total, _CHUNK))
            ]

        return self.world.call(f"count {table.name}", act, QUERY_FAULTS)

    def read(self, table: Table, chunk: Chunk) -> Iterator[list[bytes]]:
        """One batch; a connection that breaks off ends COPY with an error, or in silence."""

        def act() -> list[bytes]:
            rows = list(self.rows[table.name].values())[chunk.first : chunk.first + chunk.rows]
            names = [column.name for column in table.columns]
            return [
                json.dumps(
                    {n: row[n] for n in names}, ensure_ascii=False, separators=(",", ":")
                ).encode()
                for row in rows
            ]

        faults = (*QUERY_FAULTS, *[FEWER] * len(QUERY_FAULTS))
        yield self.world.call(f"copy {table.name}, chunk {chunk.index}", act, faults)
