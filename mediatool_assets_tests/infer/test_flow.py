"""What is measured of tables: with few queries, and of samples for what they stand for."""

import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest

from mediatool_assets.core.manifest import NotCarried
from mediatool_assets.core.schema import Schema, Table
from mediatool_assets.infer.flow import Inferred, KeyDatabase, RowRange, infer
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.raw_archives import table

Rows = dict[str, list[dict[str, object]]]


@dataclass(frozen=True)
class MadeLines:
    """A share of ten rows or less."""

    lines: list[bytes]

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.lines)

    def batches(self) -> Iterator[list[bytes]]:
        """All at once."""
        yield self.lines


@dataclass
class MadeTables:
    """Tables in memory."""

    rows: Rows
    schema: Schema
    name: str = "tables in memory"
    excluded: frozenset[str] = field(default_factory=frozenset)
    not_carried: tuple[NotCarried, ...] = ()
    facts: Mapping[str, str | int | None] = field(default_factory=dict)

    def ddl(self) -> bytes:
        """None."""
        return b""

    def lines(self, table: Table) -> list[RowRange]:
        """As they would stand in an archive."""
        rows = [orjson.dumps(row) for row in self.rows[table.name]]
        return [MadeLines(rows[at : at + 10]) for at in range(0, len(rows), 10)]


def inferred(tables: MadeTables, scratch: Path, sample: int = 200_000) -> Inferred:
    """What one thread makes of them."""
    with ThreadPoolExecutor(1) as executor:
        return infer(tables, Workspace(executor, scratch), sample=sample)


def key(*parts: object) -> str:
    """A uuid of these parts."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, repr(parts)))


def test_a_reference_to_a_sampled_table_is_measured_by_its_part(tmp_path: Path) -> None:
    """Of a target that was read in part, only as much can be found; the evidence says so."""
    schema = Schema(
        "s", (table("devices", id="uuid"), table("events", id="integer", sent_by_key="uuid"))
    )
    devices: list[dict[str, object]] = [{"id": key(n)} for n in range(4000)]
    events: list[dict[str, object]] = [
        {"id": n, "sent_by_key": key(n * 7 % 4000)} for n in range(2000)
    ]
    found = inferred(MadeTables({"devices": devices, "events": events}, schema), tmp_path, 2000)
    [relation] = found.relations
    assert str(relation.reference) == "events.sent_by_key -> devices.id"
    assert relation.inclusion.known == 0.5
    assert relation.inclusion.share == pytest.approx(1, abs=0.1)
    assert "50 % of the target that were read" in found.model


def test_references_are_found_as_postgresql_compares_them(tmp_path: Path) -> None:
    """Of citext without its case, wherever the extension is; of char(n) without its blanks."""
    schema = Schema(
        "s",
        (
            table("people", id="integer", person_code="public.citext"),
            table("plants", ("id",), id="character"),
            table(
                "visits", id="integer", person_code="public.citext", plant_id="character varying"
            ),
        ),
    )
    rows: Rows = {
        "people": [{"id": n, "person_code": f"Code {n}"} for n in range(9)],
        "plants": [{"id": f"P{n}  "} for n in range(9)],
        "visits": [
            {"id": n, "person_code": f"CODE {n // 2}", "plant_id": f"P{n // 2}"} for n in range(18)
        ],
    }
    found = inferred(MadeTables(rows, schema), tmp_path)
    assert {str(r.reference): r.inclusion.share for r in found.relations} == {
        "visits.person_code -> people.person_code": 1.0,
        "visits.plant_id -> plants.id": 1.0,
    }


def test_queries_are_as_many_as_columns_however_many_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixty tables of columns that could mean any of 120 keys: not a query for each pair."""
    run, queries = KeyDatabase._run, []

    def counting(keys: KeyDatabase, query: str) -> object:
        queries.append(query)
        return run(keys, query)

    monkeypatch.setattr(KeyDatabase, "_run", counting)
    names = [f"{chr(97 + n // 10)}{chr(97 + n % 10)}" for n in range(60)]
    schema = Schema("s", tuple(table(n, id="uuid", x_key="uuid", y_key="uuid") for n in names))
    rows: Rows = {
        name: [
            {"id": key(name, n), "x_key": key("ab", n // 2), "y_key": key(name, "y", n)}
            for n in range(18)
        ]
        for name in names
    }
    found = inferred(MadeTables(rows, schema), tmp_path)
    assert len(queries) < 60 * 10
    assert {str(r.reference) for r in found.relations} == {
        f"{name}.x_key -> ab.id" for name in names if name != "ab"
    }
