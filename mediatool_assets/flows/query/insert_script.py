"""Writes selected rows as INSERT statements, referenced rows before those that need them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from mediatool_assets.domain.insert_text import SESSION, insert_writer
from mediatool_assets.flows.query.reading import StoredRows
from mediatool_assets.flows.query.row_selection import (
    RowCondition,
    SelectedRows,
    followed_keys,
    keys_of,
)
from mediatool_assets.flows.query.session import QuerySession

_IF_MISSING = " ON CONFLICT DO NOTHING"

_Row = tuple[str, int]
"""A table, and the number of the row among its selected ones."""


@dataclass(frozen=True, slots=True)
class WrittenRows:
    """The rows written of one table: ``asked`` for, only ``referenced``, and in total.

    ``missing`` counts references to rows of this table that the version does not have.
    """

    table: str
    asked: int
    referenced: int
    written: int
    missing: int


def write_inserts(
    path: Path,
    session: QuerySession,
    conditions: Sequence[RowCondition],
    selected: Mapping[str, SelectedRows],
) -> tuple[WrittenRows, ...]:
    """Write the rows as one transaction to ``path``; returns the counts by table.

    A row that was only referenced is inserted only if its key does not exist. Rows that reference
    one another in a circle have no valid order: they load only if their foreign keys are
    deferrable.
    """
    (version,) = session.versions
    writers = {name: insert_writer(rows.table, version.schema) for name, rows in selected.items()}
    lines = {name: rows.lines for name, rows in selected.items()}
    written = dict.fromkeys(selected, 0)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in _head(str(version.version), conditions, selected))
        for name, number in _in_order(session.connection, version.sources, selected):
            is_asked = number < len(selected[name].asked)
            insert = writers[name](lines[name][number])
            file.write(f"{insert}{'' if is_asked else _IF_MISSING};\n")
            written[name] += 1
        file.write("COMMIT;\n")
    return tuple(
        WrittenRows(name, len(rows.asked), len(rows.referenced), written[name], rows.missing)
        for name, rows in sorted(selected.items())
    )


def _head(
    version: str, conditions: Sequence[RowCondition], selected: Mapping[str, SelectedRows]
) -> Iterator[str]:
    yield f"-- Rows of version {version}: {'; '.join(map(str, conditions))}"
    open_keys = sorted(
        f"{name} ({', '.join(key.columns)}) -> {key.table}"
        for name, rows in selected.items()
        for key in rows.table.foreign_keys
        if key.table not in selected
    )
    if open_keys:
        yield f"-- References to rows that are not in this file: {'; '.join(open_keys)}"
    yield "BEGIN;"
    yield from (f"SET LOCAL {name} = '{value}';" for name, value in SESSION)
    yield "SET CONSTRAINTS ALL DEFERRED;"


def _in_order(
    connection: duckdb.DuckDBPyConnection,
    sources: Mapping[str, StoredRows],
    selected: Mapping[str, SelectedRows],
) -> list[_Row]:
    """Return all rows, each after those that it references: by depth, then by table."""
    needs = _references(connection, sources, selected)
    depths: dict[_Row, int] = {}
    for start in needs:
        path = [start]
        while path:
            row = path[-1]
            if row in depths and depths[row] >= 0:
                path.pop()
                continue
            depths[row] = -1  # on the path: a row that is met again closes a circle
            waiting = [needed for needed in needs[row] if needed not in depths]
            if waiting:
                path.extend(waiting[:1])
                continue
            depths[row] = 1 + max((depths[needed] for needed in needs[row]), default=-1)
            path.pop()
    return sorted(depths, key=lambda row: (depths[row], row))


def _references(
    connection: duckdb.DuckDBPyConnection,
    sources: Mapping[str, StoredRows],
    selected: Mapping[str, SelectedRows],
) -> dict[_Row, list[_Row]]:
    """For each row, the selected rows that it references."""
    lines = {name: rows.lines for name, rows in selected.items()}
    needs: dict[_Row, list[_Row]] = {
        (name, number): [] for name, own in lines.items() for number in range(len(own))
    }
    for name, rows in selected.items():
        for key in followed_keys(rows.table, selected):
            targets = keys_of(connection, sources[key.table], lines[key.table], key.target_columns)
            there = {value: (key.table, number) for number, value in enumerate(targets) if value}
            own_keys = keys_of(connection, sources[name], lines[name], key.columns)
            for number, value in enumerate(own_keys):
                if value in there and there[value] != (name, number):
                    needs[name, number].append(there[value])
    return needs
