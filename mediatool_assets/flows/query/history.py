"""The history of one row: the versions that contain it, and its changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mediatool_assets.domain.errors import Misuse, NotFound
from mediatool_assets.domain.schema import Table
from mediatool_assets.domain.suggestions import suggestion
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.query.key_search import KeySearch, RowValues
from mediatool_assets.flows.query.session import QuerySession


@dataclass(frozen=True, slots=True)
class RowEvent:
    """A change of a row in a version: ``change`` is ``appeared``, ``changed`` or ``removed``.

    ``columns`` has the value before and after of each column that differs; for a row that appeared
    or was removed, of all columns. A column that a version lacks is left out.
    """

    version: str
    change: str
    columns: Mapping[str, tuple[str | None, str | None]]


@dataclass(frozen=True, slots=True)
class RowHistory:
    """The events of one row over ``versions``, oldest first; ``present`` lists those with the row.

    ``blocks`` is the number of blocks searched, and ``blocks_read`` the number read: the others are
    equal to a block of an earlier version. Both are 0 if the rows came from the cache.
    """

    table: str
    key: RowValues
    versions: tuple[str, ...]
    present: tuple[str, ...]
    events: tuple[RowEvent, ...]
    blocks: int
    blocks_read: int


def row_history(session: QuerySession, table: str, key: str) -> RowHistory:
    """Return the history of the row with that key: ``VALUE``, or ``COLUMN=VALUE,…`` for several.

    Raises NotFound if no version has the table or the row; Misuse if ``key`` does not name the
    columns of its primary key.
    """
    described = [
        (each.version, each.sources[table]) for each in session.versions if table in each.sources
    ]
    if not described:
        known = {name for each in session.versions for name in each.sources}
        raise NotFound(f"no version has a table {table}; {suggestion(table, known)}")
    wanted = _key(described[-1][1].table, key)
    search = KeySearch(session.connection, session.cache, wanted)
    found: dict[Version, RowValues] = {}
    reporters = [session.reporter(version, rows.member) for version, rows in described]
    for (version, rows), reporter in zip(described, reporters, strict=True):
        matching = search.rows(rows, reporter)
        if len(matching) > 1:
            raise Misuse(
                f"{table} has several rows with {key} in {version}; see them with `mediatool sql`"
            )
        if matching:
            found[version] = matching[0]
    if not found:
        raise NotFound(
            f"{table} has no row {key} in these {len(session.versions)} versions; name others with "
            "--versions"
        )
    return RowHistory(
        table,
        wanted,
        tuple(str(each.version) for each in session.versions),
        tuple(map(str, found)),
        tuple(_events([each.version for each in session.versions], found)),
        search.blocks,
        search.read,
    )


def _key(table: Table, text: str) -> dict[str, str]:
    columns = table.primary_key or next(iter(table.identifying_keys), ())
    if not columns:
        raise Misuse(f"{table.name} has no primary key; query it with `mediatool sql`")
    given = dict(part.partition("=")[::2] for part in text.split(","))
    if len(columns) == 1 and not text.startswith(f"{columns[0]}="):
        given = {columns[0]: text}
    if given.keys() != set(columns):
        raise Misuse(f"{text!r} is not a key of {table.name}; write {'=…,'.join(columns)}=…")
    return {
        name: given[name].lower() if table.column(name).base == "uuid" else given[name]
        for name in columns
    }


def _events(versions: Sequence[Version], found: Mapping[Version, RowValues]) -> Iterator[RowEvent]:
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
