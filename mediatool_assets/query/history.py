"""The history of one row: the versions that contain it, and its changes.

Searches many versions for the row of one key; equal blocks are read once.

The history of a row as a page.

Writes the result of a query as CSV, JSON, NDJSON, Parquet or an Arrow stream, row by row.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import duckdb
import msgspec

from mediatool_assets.archive.reader import grouped, split_lines
from mediatool_assets.core.errors import Misuse, NotFound
from mediatool_assets.core.manifest import Block
from mediatool_assets.core.schema import Table
from mediatool_assets.core.texts import suggestion
from mediatool_assets.core.version import Version
from mediatool_assets.pages import Card, Grid, Page, Section, grid
from mediatool_assets.query.reading import BytesRead, StoredRows, nothing
from mediatool_assets.query.session import ParquetCache, QuerySession, refused_by_duckdb
from mediatool_assets.work.scratch import identifier, literal

Format = Literal["csv", "json", "ndjson", "parquet", "arrow"]

_ROWS = 10_000  # rows per batch
_EXACT = 1 << 53  # a double holds every integer up to this one


def write_result(relation: duckdb.DuckDBPyRelation, format_: Format, path: Path) -> None:
    """Write all rows to ``path``, replacing an existing file.

    Times are in UTC. In JSON, a number that a double cannot represent exactly is a string.
    """
    _WRITERS[format_](relation, path)


def json_rows(relation: duckdb.DuckDBPyRelation) -> Iterator[str | None]:
    """Each row as the text of a JSON object."""
    parts = (
        f"{literal(name)}, {_json(identifier(name), kind)}"
        for name, kind in zip(relation.columns, relation.types, strict=True)
    )
    texts = relation.project(f"CAST(json_object({', '.join(parts)}) AS VARCHAR)")
    for batch in texts.to_arrow_reader(_ROWS):
        yield from batch[0].to_pylist()


def text_rows(relation: duckdb.DuckDBPyRelation, most: int) -> list[tuple[str | None, ...]]:
    """At most the first ``most`` rows, as DuckDB prints their values."""
    texts = ", ".join(f"CAST({identifier(name)} AS VARCHAR)" for name in relation.columns)
    return relation.limit(most).project(texts).fetchall()


def _json(value: str, kind: Any) -> str:
    """SQL for a value as JSON without losing a digit."""
    match kind.id:
        case "decimal":
            return f"CAST({value} AS VARCHAR)"
        case "bigint" | "ubigint" | "hugeint" | "uhugeint":
            exact = f"{value} BETWEEN -{_EXACT} AND {_EXACT}"
            number = f"to_json(TRY_CAST({value} AS BIGINT))"
            return f"CASE WHEN {exact} THEN {number} ELSE to_json(CAST({value} AS VARCHAR)) END"
        case "float" | "double":
            text = f"to_json(CAST({value} AS VARCHAR))"
            return f"CASE WHEN isfinite({value}) THEN to_json({value}) ELSE {text} END"
        case _:
            return value


def _csv(relation: duckdb.DuckDBPyRelation, path: Path) -> None:
    relation.write_csv(str(path), header=True)


def _parquet(relation: duckdb.DuckDBPyRelation, path: Path) -> None:
    relation.write_parquet(str(path), compression="zstd")


def _ndjson(relation: duckdb.DuckDBPyRelation, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{row}\n" for row in json_rows(relation))


def _json_array(relation: duckdb.DuckDBPyRelation, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        separator = "["
        for row in json_rows(relation):
            file.write(f"{separator}\n{row}")
            separator = ","
        file.write("[]\n" if separator == "[" else "\n]\n")


def _arrow(relation: duckdb.DuckDBPyRelation, path: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415  # slow

    reader = relation.to_arrow_reader(_ROWS)
    with path.open("wb") as file, pa.ipc.new_stream(file, reader.schema) as stream:
        for batch in reader:
            stream.write_batch(batch)


_WRITERS: dict[str, Callable[[duckdb.DuckDBPyRelation, Path], None]] = {
    "csv": _csv,
    "json": _json_array,
    "ndjson": _ndjson,
    "parquet": _parquet,
    "arrow": _arrow,
}


RowValues = Mapping[str, str | None]
"""A row: each column's value as text; null is None."""

_AS_WRITTEN = frozenset(
    {"text", "character varying", "character", "uuid", "date", "smallint", "integer", "bigint"}
)
"""Types whose values an archive writes as DuckDB prints them."""
_PLAIN = re.compile(r"[A-Za-z0-9_.:@+\- ]+")  # characters that JSON never escapes
_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_THREADS = 2  # fetching, unpacking and hashing release the GIL
_SHARE_BYTES = 1 << 24  # bytes of rows per thread: at most six ranges are in memory
_SAME_KEY = 2  # stop after two rows: a second one is an error


@dataclass(slots=True)
class KeySearch:
    """Finds the rows with ``key`` in one version of a table at a time; values are text.

    A cached table is read from the cache. Otherwise each block is read, compared with its digest
    and searched, unless an earlier version had a block with the same digest. Blocks of format 1
    have no digest: such a table is put into the cache.
    """

    connection: duckdb.DuckDBPyConnection
    cache: ParquetCache
    key: Mapping[str, str]
    blocks: int = 0
    """Blocks searched in all versions, equal ones counted each time."""
    read: int = 0
    """Blocks that were read from an archive."""
    _seen: dict[str, list[bytes]] = field(default_factory=dict)
    """The rows with the key, by the digest of their block."""

    def rows(self, rows: StoredRows, progress: BytesRead = nothing) -> list[RowValues]:
        """The rows of this version; raises BadArchive if it does not match its manifest."""
        if not self.key.keys() <= {column.name for column in rows.table.columns}:
            return []
        proven = all(block.digest for block in rows.member.blocks)
        if self.cache.find(rows) or not proven or not self._is_plain(rows.table):
            return self._in_parquet(rows, progress)
        lines = self._in_blocks(rows, progress)
        names = [name for name, _ in rows.columns]
        values = rows.shown(self.connection, lines) if lines else []
        return [dict(zip(names, row, strict=True)) for row in values]

    def _is_plain(self, table: Table) -> bool:
        """True if the key is written in the archive's rows exactly as given here."""
        return all(
            value is not None and _PLAIN.fullmatch(value) and table.column(name).base in _AS_WRITTEN
            for name, value in self.key.items()
        )

    def _in_parquet(self, rows: StoredRows, progress: BytesRead) -> list[RowValues]:
        file = self.cache.file(self.connection, rows, progress)
        names = dict(zip((c.name for c in rows.table.columns), rows.columns, strict=True))
        condition = " AND ".join(
            f"CAST({identifier(names[column][0])} AS VARCHAR) = {literal(value)}"
            for column, value in self.key.items()
        )
        with refused_by_duckdb():
            matching = self.connection.read_parquet(str(file)).filter(condition)
            found = text_rows(matching, _SAME_KEY)
            return [dict(zip(matching.columns, row, strict=True)) for row in found]

    def _in_blocks(self, rows: StoredRows, progress: BytesRead) -> list[bytes]:
        blocks = rows.member.blocks
        unread = {block.digest: block for block in blocks if block.digest not in self._seen}
        shares = grouped([*unread.values()], lambda block: block.bytes, _SHARE_BYTES)
        for share, found in self._searched(rows, shares):
            self._seen |= zip((block.digest for block in share), found, strict=True)
            progress(sum(block.bytes for block in share))
        progress(rows.member.bytes - sum(block.bytes for block in unread.values()))
        self.blocks += len(blocks)
        self.read += len(unread)
        return [line for block in blocks for line in self._seen[block.digest]]

    def _searched(
        self, rows: StoredRows, shares: Iterator[list[Block]]
    ) -> Iterator[tuple[list[Block], list[list[bytes]]]]:
        """Groups of blocks with the matching rows of each block, in order."""

        def searched(share: list[Block]) -> list[list[bytes]]:
            return [self._matching(content) for content in rows.archive.blocks(share)]

        waiting: deque[tuple[list[Block], Future[list[list[bytes]]]]] = deque()
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="search") as pool:
            try:
                for share in shares:
                    waiting.append((share, pool.submit(searched, share)))
                    if len(waiting) > _THREADS:
                        done, future = waiting.popleft()
                        yield done, future.result()
                while waiting:
                    done, future = waiting.popleft()
                    yield done, future.result()
            finally:
                for _, future in waiting:
                    future.cancel()

    def _matching(self, content: bytes) -> list[bytes]:
        """The rows of a block with the key; only lines that contain its text are parsed."""
        wanted = {name: value.encode() for name, value in self.key.items()}
        rare = max(wanted, key=lambda name: len(wanted[name]))
        sample = content.partition(b"\n")[0]
        start = msgspec.json.encode(rare) + b":"
        if sample and start + bytes(_ROW.decode(sample)[rare]) in sample:
            value = wanted[rare]  # no space, as export writes rows
            ends = (value + b",", value + b"}", b'"' + value + b'"')
            lines = _lines_with(content, [start + end for end in ends])
        else:
            lines = iter(split_lines(content))
        return [
            line
            for line in lines
            if (row := _ROW.decode(line))
            and all(bytes(row[name]).strip(b'"') == value for name, value in wanted.items())
        ]


def _lines_with(content: bytes, texts: list[bytes]) -> Iterator[bytes]:
    """The lines that contain one of these texts, each once."""
    ends = set()
    for text in texts:
        at = content.find(text)
        while at >= 0:
            end = content.find(b"\n", at)
            if end not in ends:
                ends.add(end)
                yield content[content.rfind(b"\n", 0, at) + 1 : end]
            at = content.find(text, end)


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


def page(history: RowHistory) -> Page:
    """A section for each version in which the row appeared, changed or was removed."""
    key = ", ".join(f"{column} = {value}" for column, value in history.key.items())
    present, versions = len(history.present), len(history.versions)
    return Page(
        title=f"{history.table}: {key}",
        verdict="present" if history.versions[-1] in history.present else "removed",
        headline=f"In {present:,} of {versions:,} versions, from {history.versions[0]} to "
        f"{history.versions[-1]}.",
        cards=(
            Card("First version", history.present[0]),
            Card("Last version", history.present[-1]),
            Card("Changes", f"{sum(e.change == 'changed' for e in history.events):,}"),
        ),
        sections=tuple(
            Section(f"{event.version}: {event.change}", (_columns(event),))
            for event in history.events
        ),
    )


def _columns(event: RowEvent) -> Grid:
    if event.change == "changed":
        return grid(
            ("Column", "Before", "After"),
            ((name, _shown(old), _shown(new)) for name, (old, new) in event.columns.items()),
        )
    place = 0 if event.change == "removed" else 1
    return grid(
        ("Column", "Value"), ((name, _shown(v[place])) for name, v in event.columns.items())
    )


def _shown(value: str | None) -> str:
    return "null" if value is None else value
