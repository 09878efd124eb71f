"""The history of one row: in which versions it is, and what each of them changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mediatool_assets.domain.errors import Misuse, NotFound
from mediatool_assets.domain.schema import Table
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.query.output import text_rows
from mediatool_assets.flows.query.session import QuerySession, refused_by_duckdb
from mediatool_assets.flows.workers.duckdb_session import identifier, literal

Values = Mapping[str, str | None]
"""A row: each column's value as text, null as None."""


@dataclass(frozen=True, slots=True)
class RowEvent:
    """What a version did to a row: ``change`` is ``appeared``, ``changed`` or ``removed``.

    ``columns`` has each column whose value differs, with its value before and after: all columns
    of a row that appeared or was removed. A column that a version lacks is left out.
    """

    version: str
    change: str
    columns: Mapping[str, tuple[str | None, str | None]]


@dataclass(frozen=True, slots=True)
class RowHistory:
    """The events of one row over ``versions``, oldest first; ``present`` are those that have it."""

    table: str
    key: Values
    versions: tuple[str, ...]
    present: tuple[str, ...]
    events: tuple[RowEvent, ...]


def row_history(session: QuerySession, table: str, key: str) -> RowHistory:
    """The history of the row with that key: ``VALUE``, or ``COLUMN=VALUE,…`` for several columns.

    Raises NotFound where no version has the table or the row; Misuse where ``key`` does not name
    the columns of its primary key.
    """
    described = [
        (each.version, each.sources[table]) for each in session.versions if table in each.sources
    ]
    if not described:
        raise NotFound(f"no version has a table {table}; `mediatool show` lists the tables")
    wanted = _key(described[-1][1].table, key)
    session.read({table})
    found: dict[Version, Values] = {}
    for version, rows in described:
        file = session.cache.file(session.connection, rows)
        condition = " AND ".join(
            f"CAST({identifier(column)} AS VARCHAR) = {literal(value or '')}"
            for column, value in wanted.items()
        )
        with refused_by_duckdb():
            matching = session.connection.read_parquet(str(file)).filter(condition)
            names = matching.columns
            for values in text_rows(matching):
                if version in found:
                    raise Misuse(f"{table} has several rows with {key} in {version}")
                found[version] = dict(zip(names, values, strict=True))
    if not found:
        raise NotFound(f"{table} has no row {key} in these {len(session.versions)} versions")
    return RowHistory(
        table,
        wanted,
        tuple(str(each.version) for each in session.versions),
        tuple(map(str, found)),
        tuple(_events([each.version for each in session.versions], found)),
    )


def _key(table: Table, text: str) -> dict[str, str | None]:
    columns = table.primary_key or next(iter(table.identifying_keys), ())
    if not columns:
        raise Misuse(f"{table.name} has no primary key; query it with `mediatool sql`")
    if len(columns) == 1 and not text.startswith(f"{columns[0]}="):
        return {columns[0]: text}
    given = dict(part.partition("=")[::2] for part in text.split(","))
    if given.keys() != set(columns):
        raise Misuse(f"{text!r} is no key of {table.name}; write {'=…,'.join(columns)}=…")
    return {column: given[column] for column in columns}


def _events(versions: Sequence[Version], found: Mapping[Version, Values]) -> Iterator[RowEvent]:
    for before, after in pairwise([None, *versions]):
        assert after is not None  # noqa: S101  # only the first of all is None
        old = found.get(before) if before is not None else None
        new = found.get(after)
        if old is None and new is None:
            continue
        names = [*(new or {}), *(name for name in old or {} if name not in (new or {}))]
        columns = {
            name: ((old or {}).get(name), (new or {}).get(name))
            for name in names
            if old is None or new is None or old.get(name) != new.get(name)
        }
        if columns:
            change = "appeared" if old is None else "removed" if new is None else "changed"
            yield RowEvent(str(after), change, columns)
