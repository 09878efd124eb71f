"""Selects single rows of a version by conditions, and the rows that they reference.

Writes selected rows as INSERT statements, referenced rows before those that need them.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import duckdb
import pyarrow as pa

from mediatool_assets.core.errors import Misuse, NotFound, UnknownName
from mediatool_assets.core.rows import SESSION, insert_writer
from mediatool_assets.core.schema import ForeignKey, Table
from mediatool_assets.core.texts import suggestion
from mediatool_assets.query.reading import StoredRows
from mediatool_assets.query.session import QuerySession
from mediatool_assets.work.scratch import identifier

MOST_BYTES = 256 << 20
"""Limit for the rows of one table, in bytes: they are in memory together."""

_CONDITION = re.compile(r'("(?:[^"]|"")+"|[^\s"]+)(?:\s+where\s+(.+))?', re.IGNORECASE | re.DOTALL)
_KEYS = "keys of rows that are referenced"

Key = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class RowCondition:
    """A condition for the rows of a table: ``campaigns where id = 'x'``, or ``campaigns`` for all.

    ``condition`` is DuckDB's SQL, with the column types of docs/how-to/query.md.
    """

    table: str
    condition: str = "true"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text of a condition; raises Misuse."""
        match = _CONDITION.fullmatch(text.strip().removesuffix(";").rstrip())
        if match is None:
            raise Misuse(f"{text!r} does not say which rows; write TABLE where CONDITION")
        table = match[1]
        if table.startswith('"'):
            table = table[1:-1].replace('""', '"')
        return cls(table, match[2] or "true")

    def __str__(self) -> str:
        """The text of the condition, in one line."""
        return f"{self.table} where {' '.join(self.condition.split())}"


@dataclass(slots=True)
class SelectedRows:
    """The selected rows of one table as NDJSON lines: ``asked`` for, or only ``referenced``.

    ``missing`` counts the references of the selected rows to rows that the version does not have.
    """

    table: Table
    asked: list[bytes] = field(default_factory=list)
    referenced: list[bytes] = field(default_factory=list)
    missing: int = 0

    @property
    def lines(self) -> list[bytes]:
        """All lines."""
        return [*self.asked, *self.referenced]


def select_rows(
    session: QuerySession, conditions: Sequence[RowCondition], *, references: bool
) -> dict[str, SelectedRows]:
    """Select rows of one version by table; with ``references`` also those that they reference.

    References are declared foreign keys, and are followed transitively. Raises UnknownName or
    Misuse if a condition is invalid, NotFound if one selects no row, and the errors of reading.
    """
    (version,) = session.versions
    selection = _Selection(session, version.sources)
    for condition in conditions:
        known = replace(condition, table=selection.known(condition.table))
        session.check_condition(known.table, f"({known.condition}\n)")
        selection.ask(known)
    if references:
        selection.follow()
    return selection.rows


@dataclass(slots=True)
class _Selection:
    session: QuerySession
    sources: Mapping[str, StoredRows]
    rows: dict[str, SelectedRows] = field(default_factory=dict)
    _looked_up: dict[tuple[str, tuple[str, ...]], set[Key]] = field(default_factory=dict)

    def known(self, name: str) -> str:
        """The table of that name, case-insensitively; raises UnknownName."""
        by_name = {known.casefold(): known for known in self.sources} | {n: n for n in self.sources}
        if found := by_name.get(name) or by_name.get(name.casefold()):
            return found
        raise UnknownName(
            f"{self.session.versions[0].version} has no table {name}; "
            + suggestion(name, self.sources)
        )

    def ask(self, condition: RowCondition) -> None:
        selected = self._selected(condition.table)
        if selected.asked:
            raise Misuse(f"{condition.table} has two conditions; write one condition with OR")
        found = self._read(condition.table, f"({condition.condition}\n)")
        if not found:
            version = self.session.versions[0].version
            raise NotFound(
                f"{version} has no row of {condition}; `mediatool history` shows which versions "
                "have a row"
            )
        selected.asked = found

    def follow(self) -> None:
        """Add the rows that the selected ones reference, until there are no more."""
        found = {name: selected.asked for name, selected in self.rows.items()}
        while found:
            wanted: dict[str, dict[tuple[str, ...], set[Key]]] = {}
            for name, lines in found.items():
                for key in followed_keys(self.sources[name].table, self.sources):
                    looked_up = self._looked_up.setdefault((key.table, key.target_columns), set())
                    values = set(self._keys(name, lines, key.columns)) - looked_up
                    looked_up |= values
                    wanted.setdefault(key.table, {}).setdefault(key.target_columns, set())
                    wanted[key.table][key.target_columns] |= values
            found = {}
            for name, keys in wanted.items():
                for columns, values in keys.items():
                    if values:
                        found.setdefault(name, []).extend(self._referenced(name, columns, values))
            found = {name: lines for name, lines in found.items() if lines}

    def _referenced(self, name: str, columns: tuple[str, ...], values: set[Key]) -> list[bytes]:
        """The rows with these keys that are not selected yet."""
        selected = self._selected(name)
        here = {key for key in self._keys(name, selected.lines, columns) if key in values}
        wanted = values - here
        if not wanted:
            return []
        texts = replace(self.sources[name], as_text=frozenset(columns))
        connection = self.session.connection
        table = pa.table(
            {str(n): [key[n] for key in wanted] for n in range(len(columns))},
            schema=pa.schema([(str(n), pa.string()) for n in range(len(columns))]),
        )
        connection.register(_KEYS, table)
        try:
            names = zip((c.name for c in texts.table.columns), texts.columns, strict=True)
            sql = {own: identifier(unique) for own, (unique, _) in names}
            key = ", ".join(
                f"lower({sql[c]})" if _is_caseless(texts, c) else sql[c] for c in columns
            )
            found = self._read(name, f"({key}) IN (FROM {identifier(_KEYS)})", texts)
        finally:
            connection.unregister(_KEYS)
        selected.missing += len(wanted - set(self._keys(name, found, columns)))
        selected.referenced.extend(found)
        return found

    def _keys(self, name: str, lines: list[bytes], columns: Sequence[str]) -> Iterator[Key]:
        """The values of these columns; rows with a null in one of them are left out."""
        keys = keys_of(self.session.connection, self.sources[name], lines, columns)
        return (key for key in keys if key is not None)

    def _selected(self, name: str) -> SelectedRows:
        return self.rows.setdefault(name, SelectedRows(self.sources[name].table))

    def _read(self, name: str, condition: str, rows: StoredRows | None = None) -> list[bytes]:
        rows = rows or self.sources[name]
        return rows.lines_where(
            self.session.connection,
            condition,
            MOST_BYTES,
            self.session.reporter(self.session.versions[0].version, rows.member),
        )


def keys_of(
    connection: duckdb.DuckDBPyConnection,
    rows: StoredRows,
    lines: list[bytes],
    columns: Sequence[str],
) -> Iterator[Key | None]:
    """The key of each row as text, equal for equal keys; None if it contains a null."""
    if not lines:
        return
    caseless = [_is_caseless(rows, column) for column in columns]
    for values in rows.texts(connection, lines, columns):
        key = [v.lower() if c and v else v for v, c in zip(values, caseless, strict=True)]
        yield None if None in key else tuple(key)


def _is_caseless(rows: StoredRows, column: str) -> bool:
    return rows.table.column(column).value_type == "citext"


def followed_keys(table: Table, tables: Collection[str]) -> Iterable[ForeignKey]:
    """The foreign keys of a table that can be looked up: those without PERIOD."""
    return (key for key in table.foreign_keys if key.table in tables and not key.period)


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
