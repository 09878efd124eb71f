"""A snapshot of PostgreSQL schemas, held by the coordinator and shared with workers."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise

import psycopg
from psycopg import errors, sql

from mediatool_assets.domain.chunk import Chunk
from mediatool_assets.domain.errors import BadSource, Misuse, RecoveryConflict, Unreachable
from mediatool_assets.domain.not_carried import NotCarried
from mediatool_assets.domain.postgres_release import Release
from mediatool_assets.domain.schema import Schema, Table, namespaces
from mediatool_assets.domain.settings import Settings
from mediatool_assets.domain.settings.source import MAX_LAG_SECONDS
from mediatool_assets.domain.urls import Url
from mediatool_assets.stores.postgres.catalog import Relation, SourceTables, read_catalog, tables_of
from mediatool_assets.stores.postgres.connection import (
    OLDEST,
    Connection,
    begin,
    connected,
    database_address,
    message_of,
    translated,
)
from mediatool_assets.stores.postgres.ddl import dump_ddl
from mediatool_assets.stores.postgres.dependencies import extensions
from mediatool_assets.stores.postgres.not_carried import read_not_carried
from mediatool_assets.stores.postgres.pg_dump import best, clients
from mediatool_assets.stores.postgres.rows import PostgresRows
from mediatool_assets.stores.postgres.standby import Standby, read_standby

CHUNK_ROWS = 16_384
"""Rows of a chunk. At 4 KB a row, a worker's share is some 70 MB and half a second: small enough
that workers finish together, large enough for the cost of a connection.
"""

LOCK_TIMEOUT = "60s"


@dataclass(frozen=True)
class PostgresSource:
    """A schema of a server, or a list of schemas with commas, to be exported.

    ``lock_timeout`` is PostgreSQL's setting, with its unit. ``exclude`` names tables that are not
    read: it is no error if they cannot be read. A hot standby that is more than ``max_lag`` seconds
    behind gets a warning.
    """

    url: Url = field(repr=False)
    schema: str
    instance: str | None = None
    lock_timeout: str = LOCK_TIMEOUT
    chunk_rows: int = CHUNK_ROWS
    exclude: frozenset[str] = frozenset()
    max_lag: int = MAX_LAG_SECONDS
    primary_url: Url | None = field(default=None, repr=False)

    @classmethod
    def of(cls, settings: Settings) -> "PostgresSource":
        """The source of these settings; raises BadSettings without ``MEDIATOOL_POSTGRES_URL``."""
        return cls(
            settings.required_url("postgres_url"),
            settings.postgres_schema,
            settings.rds_instance,
            exclude=settings.exclude_tables,
            max_lag=settings.postgres_max_lag_seconds,
            primary_url=settings.postgres_primary_url,
        )

    @property
    def primary(self) -> "PostgresSource | None":
        """The same schema on the primary, if this is its hot standby and the primary is named."""
        url = self.primary_url
        return None if url is None else replace(self, url=url, primary_url=None)

    @contextmanager
    def snapshot(self) -> Iterator["PostgresSnapshot"]:
        """Open a snapshot. Its tables are locked first, so that none can be altered or truncated.

        Raises RecoveryConflict if a hot standby has cancelled it.
        """
        with connected(self.url, self.lock_timeout) as connection:
            if connection.info.server_version < OLDEST * 10_000:
                raise BadSource(
                    f"{database_address(self.url)} is PostgreSQL "
                    f"{connection.info.server_version // 10_000}; export needs {OLDEST} or newer"
                )
            catalog, standby = self._lock(connection)
            [(name,)] = connection.execute("SELECT pg_export_snapshot()")
            try:
                yield PostgresSnapshot(self, connection, catalog, name, standby)
            except (BadSource, Unreachable, psycopg.OperationalError) as error:
                # In a worker or pg_dump, a conflict may only show as a missing snapshot.
                if standby is not None and (words := _ended(connection)) is not None:
                    raise RecoveryConflict(database_address(self.url), words) from error
                raise

    def _lock(self, connection: Connection) -> tuple[SourceTables, Standby | None]:
        """Begin a transaction whose tables were locked before its snapshot was taken.

        A rewrite (TRUNCATE, ALTER TABLE) between snapshot and lock would show an empty table.
        """
        for _ in range(5):
            wanted = tables_of(connection, self.schema)
            begin(connection)
            try:
                for relation in wanted:
                    table = sql.Identifier(*relation)
                    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(table))
            except errors.UndefinedTable:  # dropped in the meantime: read the list again
                connection.execute("ROLLBACK")
                continue
            standby = read_standby(connection)
            if tables_of(connection, self.schema) == wanted:
                return read_catalog(connection, self.schema, self.exclude), standby
            connection.execute("ROLLBACK")
        raise BadSource(
            f"schema {self.schema}: its tables change faster than they can be locked; "
            "run again when the migration has ended"
        )


@dataclass(frozen=True)
class PostgresSnapshot:
    """The open snapshot; workers import it by its ``name``."""

    source: PostgresSource
    connection: Connection = field(repr=False)
    catalog: SourceTables = field(repr=False)
    name: str
    standby: Standby | None = None

    @property
    def schema(self) -> Schema:
        """Every table of the schema, in order of name."""
        return self.catalog.schema

    @property
    def facts(self) -> dict[str, str | int | None]:
        """The source, in the fields of the metadata file."""
        [(large,)] = self.connection.execute("SELECT count(*) FROM pg_largeobject_metadata")
        return {
            "type": "postgres",
            "instance": self.source.instance or database_address(self.source.url),
            "snapshot_id": self.name,
            "server_version": self.connection.info.parameter_status("server_version"),
            "pg_dump": self._pg_dump(),
            "schema": self.source.schema,
            "database": self.connection.info.dbname,
            "system_identifier": _system_identifier(self.connection),
            **({"large_objects": large} if large else {}),
            **(self.standby.facts if self.standby is not None else {}),
            **({"max_lag_seconds": self.source.max_lag} if self.standby is not None else {}),
        }

    def _pg_dump(self) -> str | None:
        """The release of the client that writes the DDL; None if no client can."""
        with suppress(Misuse):
            return str(best(Release.of(self.connection.info.server_version), clients()).release)
        return None

    @property
    def reader(self) -> PostgresRows:
        """The reader for workers."""
        return PostgresRows(self.source.url, self.name, self.source.lock_timeout)

    def ddl(self) -> bytes:
        """The schema as pg_dump writes it, and the positions of its sequences."""
        source = self.source
        return dump_ddl(self.connection, source.url, self.schema, self.name, source.lock_timeout)

    def not_carried(self) -> tuple[NotCarried, ...]:
        """The objects of the database that no archive contains, by its catalogs."""
        spaces = namespaces(self.schema.name)
        carried = [extension.name for extension in extensions(self.connection, spaces)]
        return read_not_carried(self.connection, spaces, carried)

    def chunks(self, table: Table) -> list[Chunk]:
        """The table in chunks, in order, with their exact row counts; none for an empty one."""
        chunks: list[Chunk] = []
        first = 0
        for relation in self.catalog.relations[table.name]:
            for rows, bounds in self._scan(relation):
                chunks.append(Chunk(table.name, len(chunks), first, rows, (*relation, *bounds)))
                first += rows
        return chunks

    def _scan(self, relation: Relation) -> Iterator[tuple[int, tuple[str, str]]]:
        """Row count and bounds of each share of a relation, from one scan in the order of blocks.

        The last bound is after every row.
        """
        query = sql.SQL(
            "SELECT count(*), array_agg(ctid::text ORDER BY n) FILTER (WHERE n % {rows} = 1) "
            "FROM (SELECT ctid, row_number() OVER () AS n FROM ONLY {relation}) s"
        ).format(rows=self.source.chunk_rows, relation=sql.Identifier(*relation))
        with translated(".".join(relation)), self.connection.transaction():  # a savepoint
            [(total, starts)] = self.connection.execute(query)
        starts = [*(starts or ()), "(4294967295,0)"]
        for index, (first, end) in enumerate(pairwise(starts)):
            yield min(self.source.chunk_rows, total - index * self.source.chunk_rows), (first, end)


def _ended(connection: Connection) -> str | None:
    """The error that ended a session; None while it is alive."""
    try:
        connection.execute("SELECT 1")
    except errors.InFailedSqlTransaction:
        return None
    except psycopg.OperationalError as error:
        return message_of(error)
    return None


def _system_identifier(connection: Connection) -> str | None:
    """The unique identifier of the cluster; None if the role may not read it."""
    function = "pg_control_system()"
    query = "SELECT has_function_privilege(%s, 'EXECUTE')"
    [(allowed,)] = connection.execute(query, (function,))
    if not allowed:
        return None
    [(found,)] = connection.execute("SELECT system_identifier::text FROM pg_control_system()")
    return str(found)
