"""A DuckDB session over versions: every table is declared, and read when a query names it."""

# ruff: noqa: S608  # every name in a query is quoted by identifier or literal, or our own

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain.errors import Misuse
from mediatool_assets.domain.manifest import Member
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import Progress, silent
from mediatool_assets.flows.query.parquet_cache import ParquetCache
from mediatool_assets.flows.query.reading import (
    BytesRead,
    StoredRows,
    check_room,
    duckdb_message,
    text_columns,
    unique_names,
)
from mediatool_assets.flows.workers.duckdb_session import (
    DUCKDB_ERRORS,
    duckdb_session,
    identifier,
    interruptible,
    literal,
)

MEMORY = "512MB"
"""DuckDB's memory limit; data beyond it is spilled into scratch."""

_WORD = re.compile(r"[^\W\d][\w$]*")

Sources = Mapping[str, StoredRows]
"""The tables or collections of one version, by name."""


@dataclass(frozen=True, slots=True)
class QueryableVersion:
    """A version, with its tables or collections."""

    version: Version
    sources: Sources
    schema: str = ""
    """The PostgreSQL schema of the tables without a schema in their name."""


@dataclass(slots=True)
class QuerySession:
    """A DuckDB database in which every table or collection of the versions is a view.

    A table is read when the first query names it. With several versions, each view has the rows of
    all of them and a column with the version: ``version``, or ``export_version`` in a table with an
    own column ``version``. A column that one version lacks is null there.
    """

    connection: duckdb.DuckDBPyConnection
    versions: Sequence[QueryableVersion]
    cache: ParquetCache
    progress: Progress = silent
    views: dict[str, str] = field(default_factory=dict)
    """The view of each table, as SQL."""
    _spoken: dict[str, str] = field(default_factory=dict)
    """Tables by their name in queries: without schema, case-insensitive."""
    _unread: set[str] = field(default_factory=set)
    """Tables that are only declared, not read yet."""
    _done: int = 0
    _total: int = 0

    def declare(self) -> None:
        """Create an empty view of each table, so that a query can be bound before rows are read."""
        names = sorted({name for each in self.versions for name in each.sources})
        dotted = [name.partition(".") for name in names]
        several = all(separator for _, separator, _ in dotted)  # several PostgreSQL schemas
        spaces = unique_names(iter(sorted({space for space, _, _ in dotted}))) if several else []
        for space in spaces:
            self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(space)}")
        if spaces:
            path = ",".join(identifier(space) for space in spaces)
            self.connection.execute(f"SET search_path = {literal(path)}")
        self._unread.update(names)
        for name, unique in zip(names, unique_names(iter(names)), strict=True):
            space, _, table = unique.partition(".")
            view = f"{identifier(space)}.{identifier(table)}" if several else identifier(unique)
            self.views[name] = view
            self._spoken[(table if several else unique).casefold()] = name
            empty = dict.fromkeys(_empty(rows) for _, rows in self._having(name))
            self._create_view(name, [("", select) for select in empty])

    def run(self, statement: str) -> duckdb.DuckDBPyRelation | None:
        """Run one statement over the tables that it names; None if it has no result.

        Raises Misuse if DuckDB rejects the statement.
        """
        with refused_by_duckdb():
            self.read(self._named(statement))
            return self.connection.sql(statement)

    def run_all(self, script: str) -> duckdb.DuckDBPyRelation | None:
        """Run every statement of a script; the result is that of the last one."""
        with refused_by_duckdb():
            statements = self.connection.extract_statements(script)
        if not statements:
            raise Misuse("the query is empty; write a SELECT")
        result = None
        for statement in statements:
            result = self.run(statement.query)
        return result

    def check_condition(self, table: str, condition: str) -> None:
        """Raise Misuse unless ``condition`` is valid SQL for rows of ``table``.

        Tables that it names in subqueries are read.
        """
        with refused_by_duckdb():
            self.connection.sql(f"SELECT 1 FROM {self.views[table]} WHERE {condition}")
            self.read(self._named(f"SELECT 1 WHERE {condition}"))

    def read(self, tables: Iterable[str]) -> None:
        """Load the rows of these tables into DuckDB."""
        unread = sorted(self._unread.intersection(tables))
        having = {table: list(self._having(table)) for table in unread}
        known = {
            self.cache.key(rows): (self.cache.find(rows), version, rows.member)
            for table in unread
            for version, rows in having[table]
        }
        files = {key: path for key, (path, *_) in known.items() if path is not None}
        reporters = {
            key: self.reporter(version, member)
            for key, (path, version, member) in known.items()
            if path is None
        }
        for table in unread:
            selects = []
            for version, rows in having[table]:
                key = self.cache.key(rows)
                if key not in files:
                    files[key] = self.cache.file(self.connection, rows, reporters[key])
                path = files[key]
                select = f"SELECT * FROM read_parquet({literal(str(path))})"
                selects.append((str(version), select))
            self._create_view(table, selects)
            self._unread.discard(table)

    def _named(self, statement: str) -> set[str]:
        """The tables that a statement may read.

        DuckDB's parser finds them in a SELECT. For other statements, every table whose name is a
        word of the text is returned.
        """
        ((text,),) = self.connection.execute("SELECT json_serialize_sql(?)", [statement]).fetchall()
        tree = msgspec.json.decode(text)
        if tree["error"]:
            words = {word.casefold() for word in _WORD.findall(statement)}
        else:
            words = {name.casefold() for name in _base_tables(tree)}
        return {table for spoken, table in self._spoken.items() if spoken in words}

    def _create_view(self, table: str, selects: Sequence[tuple[str, str]]) -> None:
        """Create the view of a table over versions, each with its SELECT."""
        bodies = [select for _, select in selects]
        if len(self.versions) > 1:
            columns = {
                name.casefold() for _, rows in self._having(table) for name, _ in rows.columns
            }
            own = "export_version" if "version" in columns else "version"
            bodies = [
                f"SELECT {literal(version)} AS {own}, * FROM ({select})"
                for version, select in selects
            ]
        body = " UNION ALL BY NAME ".join(bodies)
        self.connection.execute(f"CREATE OR REPLACE VIEW {self.views[table]} AS {body}")

    def _having(self, table: str) -> Iterator[tuple[Version, StoredRows]]:
        return (
            (each.version, each.sources[table]) for each in self.versions if table in each.sources
        )

    def reporter(self, version: Version, member: Member) -> BytesRead:
        """A callback for the bytes read of a member; the member is added to the total.

        Progress refers to the bytes of all members for which this was called.
        """
        if self._done >= self._total:  # the previous members are finished
            self._done = self._total = 0
        self._total += member.bytes

        def read(length: int) -> None:
            self._done += length
            name = f"{version} {member.table or member.collection}"
            self.progress(name, self._done, self._total, "bytes")

        return read


@contextmanager
def query_session(
    versions: Sequence[QueryableVersion],
    cache: ParquetCache,
    scratch: Path,
    progress: Progress = silent,
) -> Iterator[QuerySession]:
    """A session over these versions; it needs MEMORY and two blocks."""
    with cache.in_use(), duckdb_session(scratch, MEMORY) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        # a name in a query is always a table, never a Python variable
        connection.execute("SET python_enable_replacements = false")
        session = QuerySession(connection, versions, cache, progress)
        session.declare()
        yield session


def tables_of(archive: ArchiveReader, as_text: Sequence[str] = ()) -> QueryableVersion:
    """The tables of a raw archive that have columns; raises BadArchive."""
    members, schema = archive.manifest.tables(), archive.schema()
    return QueryableVersion(
        Version.parse(archive.manifest.version),
        {
            table.name: StoredRows(
                archive, members[table.name], table, text_columns(table, as_text)
            )
            for table in schema.tables
            if table.columns and table.name in members
        },
        schema.name,
    )


def collections_of(archive: ArchiveReader, as_text: Sequence[str] = ()) -> QueryableVersion:
    """The collections of a transformed archive; raises BadArchive."""
    from mediatool_assets.flows.query.collection_rows import collection_rows  # noqa: PLC0415  # slow

    sources = {}
    for name, member in archive.manifest.collections().items():
        rows = collection_rows(archive, member)
        rows.as_text = text_columns(rows.table, as_text)
        sources[name] = rows
    return QueryableVersion(Version.parse(archive.manifest.version), sources)


@contextmanager
def refused_by_duckdb() -> Iterator[None]:
    """Translate DuckDB's errors to Misuse, with their message; stop at Ctrl-C."""
    try:
        with interruptible():
            yield
    except DUCKDB_ERRORS as error:
        check_room(error)
        message = duckdb_message(error)
        raise Misuse(f"{message}; correct the query{_hint(message)}") from error


def _hint(message: str) -> str:
    """A hint for a query that DuckDB rejected, or an empty text."""
    if message.startswith("Parser Error"):
        return " (a name that is a keyword needs double quotes)"
    return " (SHOW TABLES lists the tables)" if message.startswith("Catalog Error: Table") else ""


def _empty(rows: StoredRows) -> str:
    """SQL for an empty table with these columns."""
    columns = [f"CAST(NULL AS {kind}) AS {identifier(name)}" for name, kind in rows.columns]
    return f"SELECT {', '.join(columns) or '1'} WHERE false"


def _base_tables(tree: Any) -> Iterator[str]:
    """The names of the tables in DuckDB's JSON syntax tree."""
    match tree:
        case {"type": "BASE_TABLE", "table_name": str(name)}:
            yield name
        case dict():
            yield from chain.from_iterable(map(_base_tables, tree.values()))
        case list():
            yield from chain.from_iterable(map(_base_tables, tree))
