"""A restore to PostgreSQL: a new database, which is renamed when it is complete.

A restore works in ``{database}.restoring``. Its last step is one transaction that sets the marker
and renames the database; one that had the name becomes ``{database}.replaced``, and is dropped. So
a killed restore leaves nothing under that name, and the next restore removes its remains.

Writes rows, keys and indexes into a database that is being restored; for workers.

Lists and drops databases of versions, for retention.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import psycopg
from psycopg import errors, sql

from mediatool_assets.core.ddl import Statement
from mediatool_assets.core.errors import AlreadyExists, CheckFailed, Misuse, Refused
from mediatool_assets.core.inventory import DatabaseState, FoundDatabase
from mediatool_assets.core.metadata import Marker, ProtectionCheck, never_protected
from mediatool_assets.core.restorable_ddl import ScriptExtension, ServerFeatures
from mediatool_assets.core.rows import copied_columns
from mediatool_assets.core.schema import Schema, Table, namespaces
from mediatool_assets.core.settings import HARMLESS_EXTENSIONS, Settings
from mediatool_assets.core.texts import Url, quantity
from mediatool_assets.core.version import AS_DESCRIBED, DatabaseNames, version_of_database
from mediatool_assets.stores import postgres
from mediatool_assets.stores.postgres import (
    VARIABLE,
    Connection,
    claimed,
    parameters,
    restore_translated,
    session,
)
from mediatool_assets.stores.postgres_catalog import (
    add_extensions,
    add_operator_class,
    check_extensions,
)
from mediatool_assets.stores.postgres_source import PostgresSource

# In the order of their creation: a view that reads another comes after it. A view that stays empty
# is filled as long as others read it.
_MATERIALIZED = """
WITH RECURSIVE views (oid, space, name, stays) AS (
    SELECT c.oid, n.nspname, c.relname,
           CASE WHEN cardinality(%(schemas)s::text[]) > 1 THEN n.nspname || '.' ELSE '' END
           || c.relname
           = ANY (%(empty)s::text[])
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'm' AND n.nspname = ANY (%(schemas)s)
),
read (oid) AS (
    SELECT oid FROM views WHERE NOT stays
    UNION
    SELECT d.refobjid FROM read JOIN pg_rewrite w ON w.ev_class = read.oid
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
    WHERE d.refclassid = 'pg_class'::regclass
)
SELECT space, name, stays FROM views WHERE oid IN (TABLE read) ORDER BY oid
"""

_LZ4 = """
SELECT set_config(name, 'lz4', false) FROM pg_settings
WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)
"""


@dataclass(frozen=True)
class PostgresWriter:
    """Writes into the database of a restoration; for workers."""

    url: Url = field(repr=False)
    database: str

    def copy(self, schema: str, table: Table, lines: Iterable[bytes], *, whole: bool) -> int:
        """COPY lines of the text format, each with its newline, in one transaction; their number.

        Large values are packed with LZ4 if the server has it, unless their column says otherwise:
        that takes a fraction of the time of PostgreSQL's own pglz, and as much space.
        A partitioned table routes each row to its partition. A ``whole`` table is truncated in the
        same transaction: then its rows are written frozen (FREEZE), which saves a later vacuum, and
        without WAL if the server's wal_level is minimal.
        """
        name = sql.Identifier(table.namespace or schema, table.relation)
        columns = sql.SQL(", ").join(sql.Identifier(c.name) for c in copied_columns(table))
        listed = sql.SQL("({})").format(columns) if copied_columns(table) else sql.SQL("")
        query = sql.SQL("COPY {} {} FROM STDIN" + (" (FREEZE)" if whole else "")).format(
            name, listed
        )
        with (
            session(self.url, self.database, f"COPY {table.name}") as connection,
            connection.transaction(),
            connection.cursor() as cursor,
        ):
            cursor.execute(_LZ4)
            if whole:
                cursor.execute(sql.SQL("TRUNCATE ONLY {}").format(name))
            with cursor.copy(query) as copy:
                for data in lines:
                    copy.write(data)
            return cursor.rowcount

    def run(self, statements: Iterable[Statement]) -> None:
        """Execute statements, in order, in one session.

        Each is sent alone: binary results need the extended protocol, which takes one statement at
        a time.
        """
        with session(self.url, self.database) as connection:
            for makes, text in statements:
                with restore_translated(self.database, makes):
                    connection.execute(text.encode(), binary=True)

    def analyze_and_refresh(self, schema: str, empty: Collection[str]) -> None:
        """Gather statistics, and refresh the materialized views except the ``empty`` ones."""
        with session(self.url, self.database, "ANALYZE") as connection:
            connection.execute("ANALYZE")
            given = {"schemas": list(namespaces(schema)), "empty": list(empty)}
            views = connection.execute(_MATERIALIZED, given).fetchall()
            filled = [(space, view, sql.SQL("DATA")) for space, view, _ in views]
            emptied = [(space, view, sql.SQL("NO DATA")) for space, view, stays in views if stays]
            for space, view, data in filled + emptied:
                with restore_translated(self.database, f"MATERIALIZED VIEW DATA {space}.{view}"):
                    connection.execute(
                        sql.SQL("REFRESH MATERIALIZED VIEW {} WITH {}").format(
                            sql.Identifier(space, view), data
                        )
                    )


WORKING = ".restoring"
"""The suffix of the name of a database that is being restored."""
REPLACED = ".replaced"
"""The suffix of the name of a replaced database, until it is dropped."""
_LONGEST = 63 - len(WORKING)  # bytes: PostgreSQL truncates a longer name

# Without ICU, initdb creates one or two collations with its provider, with ICU hundreds.
_FEATURES = """
SELECT ARRAY(SELECT name::text FROM pg_available_extensions),
       ARRAY(SELECT collname::text FROM pg_collation WHERE collencoding IN (-1, 6)),
       (SELECT count(*) > 9 FROM pg_collation WHERE collprovider = 'i'),
       (SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression')
"""


@dataclass(frozen=True)
class PostgresTarget:
    """A server that versions are restored to, each into a database of its own.

    Only a database with a restore's marker is ever replaced. ``source`` is the URL of the source;
    no restore may use its name. ``extensions`` may be created although the server does not trust
    them.
    """

    url: Url = field(repr=False)
    source: Url | None = field(default=None, repr=False)
    extensions: frozenset[str] = HARMLESS_EXTENSIONS
    database_names: DatabaseNames = AS_DESCRIBED

    @classmethod
    def of(cls, settings: Settings) -> "PostgresTarget":
        """The server of ``MEDIATOOL_RESTORE_POSTGRES_URL``; raises BadSettings without it."""
        return cls(
            settings.required_url("restore_postgres_url"),
            settings.postgres_url,
            settings.restore_extensions,
            settings.database_names,
        )

    @property
    def server(self) -> str:
        """``host:port``, for messages and records."""
        given = parameters(self.url, VARIABLE)
        return f"{given.get('host', 'localhost')}:{given.get('port', 5432)}"

    def facts(self) -> dict[str, str | int | None]:
        """The server's version."""
        with session(self.url) as connection:
            return {"server_version": connection.info.parameter_status("server_version")}

    def features(self) -> ServerFeatures:
        """The features of this server that a restore may need."""
        with session(self.url) as connection:
            [(extensions, collations, icu, lz4)] = connection.execute(_FEATURES)
            major = connection.info.server_version // 10_000
            try:
                connection.execute("SELECT xmlparse(CONTENT '')")
            except psycopg.errors.FeatureNotSupported:
                xml = False
            else:
                xml = True
        return ServerFeatures(major, frozenset(extensions), frozenset(collations), icu, lz4, xml)

    def marker(self, database: str) -> Marker | None:
        """The marker of a restored database; None if there is none, or it is not ours."""
        with session(self.url) as connection:
            return Marker.read(postgres.comment_of(connection, database))

    def exists(self, database: str) -> bool:
        """Whether there is a database of that name."""
        with session(self.url) as connection:
            return postgres.exists(connection, database)

    def database(self, database: str, schema: str) -> PostgresSource:
        """A schema of one of the server's databases, read like a source by the role that owns it.

        Raises Unreachable.
        """
        with session(self.url) as connection:
            role = postgres.of_database(connection, database)
            url = postgres.logged_in(connection, self.url, role)
        return PostgresSource(url.to(database), schema)

    def drop(self, database: str) -> None:
        """Remove a restored database, if it exists; raises Refused for any other."""
        with session(self.url, doing="drop") as connection, postgres.claimed(connection, database):
            if postgres.exists(connection, database):
                if Marker.read(postgres.comment_of(connection, database)) is None:
                    raise Refused(
                        f"{self.server}/{database} was not made by a restore; name another"
                    )
                postgres.drop(connection, database)

    @contextmanager
    def restoration(
        self, database: str, *, replace: bool, extensions: Iterable[ScriptExtension] = ()
    ) -> Iterator["PostgresRestoration"]:
        """A database with these extensions, to be filled. Marking it renames it to ``database``.

        Raises AlreadyExists for a restored database unless ``replace``, Refused for any other with
        the name, and while another restore of it is running. Before anything is created:
        CheckFailed and Refused for an extension that the server lacks or that is not allowed.
        Without a mark, the database is dropped.
        """
        extensions = tuple(extensions)
        self._check_name(database)
        with (
            session(self.url, doing="restore") as connection,
            postgres.claimed(connection, database),
        ):
            self.check_free(connection, database, replace)
            self.check_free(connection, database + REPLACED, replace=True)
            check_extensions(connection, extensions, self.extensions)
            working = database + WORKING
            for left in (database + REPLACED, working):
                postgres.drop(connection, left)
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(
                    sql.Identifier(working)
                )
            )
            try:
                made = self._restoration(connection, database, working, replace)
                with session(self.url, working, "CREATE EXTENSION") as inside:
                    add_extensions(inside, extensions, made.role)
                yield made
            except BaseException as error:
                try:
                    postgres.drop(connection, working)
                except psycopg.Error as second:
                    error.add_note(
                        f"{working} was left behind ({second}); the next restore drops it"
                    )
                raise

    def _restoration(
        self, connection: Connection, database: str, working: str, replace: bool
    ) -> "PostgresRestoration":
        """An empty database, and the role that fills it."""
        role = postgres.create(connection, working)
        if role is not None:
            with session(self.url, working) as inside:
                query = sql.SQL("ALTER SCHEMA public OWNER TO {}")
                inside.execute(query.format(sql.Identifier(role)))
        url = postgres.logged_in(connection, self.url, role)
        return PostgresRestoration(self, connection, database, working, replace, url, role)

    def _check_name(self, database: str) -> None:
        if not database or "\0" in database or len(database.encode()) > _LONGEST:
            raise Misuse(
                f"{database!r} cannot be a database's name here; use 1 to {_LONGEST} bytes of UTF-8"
            )
        if self.source is not None and parameters(self.source).get("dbname") == database:
            raise Refused(
                f"{database} is the name of the source database; restore under another name"
            )

    def check_free(self, connection: Connection, database: str, replace: bool) -> None:
        """Raise AlreadyExists or Refused like ``restoration``."""
        there = postgres.exists(connection, database)
        marker = Marker.read(postgres.comment_of(connection, database))
        if there and marker is None:
            raise Refused(
                f"{self.server}/{database} was not made by a restore, so it is never replaced; "
                "name another database with --database"
            )
        if marker is not None and not replace:
            raise AlreadyExists(
                f"the restored database {database}",
                "to replace it, restore again with --replace",
            )


@dataclass(frozen=True)
class PostgresRestoration:
    """A running restore; ``working`` is the name of its database until it is marked."""

    target: PostgresTarget
    connection: Connection = field(repr=False)
    database: str
    working: str
    replace: bool
    url: Url = field(repr=False)
    role: str | None = None

    @property
    def writer(self) -> PostgresWriter:
        """The writer for workers."""
        return PostgresWriter(self.url, self.working)

    def source(self, schema: str) -> PostgresSource:
        """The restored schema, to be read like a source."""
        return PostgresSource(self.url.to(self.working), schema)

    def add_operator_classes(self, statements: Iterable[Statement]) -> None:
        """Create operator classes and families as the URL's role: only superusers may."""
        with session(self.target.url, self.working) as connection:
            for makes, text in statements:
                with restore_translated(self.database, makes):
                    add_operator_class(connection, text, self.role)

    def run(self, statements: Iterable[Statement]) -> None:
        """Execute statements, in order, in one session."""
        self.writer.run(statements)

    def set_sequences(self, schema: Schema) -> None:
        """Set its sequences to their positions."""
        with session(self.url, self.working) as connection:
            for sequence in schema.sequences:
                space = sequence.namespace or schema.name
                name = sql.Identifier(space, sequence.relation).as_string()
                with restore_translated(self.database, f"SEQUENCE {sequence.name}"):
                    connection.execute(
                        "SELECT pg_catalog.setval(%s, %s, %s)",
                        (name, sequence.last_value, sequence.called),
                    )

    def mark(self, marker: Marker) -> None:
        """Set the marker and rename the database, both or neither: the last step.

        Raises like ``restoration`` if somebody has created a database with that name in the
        meantime.
        """
        connection, replaced = self.connection, self.database + REPLACED
        self.target.check_free(connection, self.database, self.replace)
        with connection.transaction():
            if postgres.exists(connection, self.database):
                postgres.rename(connection, self.database, replaced)
            connection.execute(
                sql.SQL("COMMENT ON DATABASE {} IS {}").format(
                    sql.Identifier(self.working), sql.Literal(str(marker))
                )
            )
            postgres.rename(connection, self.working, self.database)
        postgres.drop(connection, replaced)


# Sessions of clients only: the server's own, as autovacuum's, give way by themselves.
_DATABASES = """
SELECT d.datname, shobj_description(d.oid, 'pg_database'),
    (SELECT count(*) FROM pg_stat_activity a
     WHERE a.datid = d.oid AND a.backend_type = 'client backend')
FROM pg_database d WHERE starts_with(d.datname, %s) ORDER BY d.datname
"""


@dataclass(frozen=True, slots=True)
class PostgresDatabases:
    """A DatabaseServer over PostgreSQL; it touches only databases that a restore made."""

    url: Url = field(repr=False)
    kind: Literal["postgres"] = "postgres"
    prefix: str = AS_DESCRIBED.postgres

    @classmethod
    def of(cls, settings: Settings) -> "PostgresDatabases":
        """The server of ``MEDIATOOL_RESTORE_POSTGRES_URL``; raises BadSettings without it."""
        return cls(PostgresTarget.of(settings).url, prefix=settings.postgres_prefix)

    @property
    def server(self) -> str:
        """``host:port``."""
        return PostgresTarget(self.url).server

    def databases(self) -> Iterator[FoundDatabase]:
        """The databases of versions, and those that restores of them left, in order of name."""
        with session(self.url, doing="list databases") as connection:
            rows = connection.execute(_DATABASES, [self.prefix]).fetchall()
            for name, comment, sessions in rows:
                if (named := version_of_database(_final(name), self.prefix)) is not None:
                    version, sanitized = named
                    yield FoundDatabase(
                        "postgres",
                        name,
                        version,
                        _postgres_state(name, comment),
                        busy=_busy(connection, name, sessions),
                        sanitized=sanitized,
                    )

    def remove(self, database: str, protection: ProtectionCheck = never_protected) -> None:
        """Remove a database of a version; raises CheckFailed if it is in use."""
        found = {each.name: each for each in self.databases()}.get(database)
        if found is None:
            return
        if found.state == "foreign":
            raise Refused(
                f"{self.server}/{database} was not made by a restore, so it is not dropped"
            )
        with (
            session(self.url, doing="prune") as connection,
            claimed(connection, _final(database)),
        ):
            if (reason := protection()) is not None:
                raise Refused(f"{self.server}/{database} is not dropped: {reason}")
            try:
                connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(database)))
                postgres.drop_unused_roles(connection)
            except errors.ObjectInUse as error:
                raise CheckFailed(
                    f"{self.server}/{database} is in use; end the sessions in it, or prune later"
                ) from error


def _final(name: str) -> str:
    """The name without the suffix of a running restore."""
    return name.removesuffix(WORKING).removesuffix(REPLACED)


def _postgres_state(name: str, comment: str | None) -> DatabaseState:
    if name.endswith(WORKING):
        return "unfinished"
    marker = Marker.read(comment)
    if marker is None:
        return "foreign"
    if name.endswith(REPLACED):
        return "unfinished"
    return "complete" if marker.complete or marker.content else "partial"


def _busy(connection: Connection, name: str, sessions: int) -> str | None:
    if sessions:
        return f"in use: {quantity(sessions, 'session')}"
    if _final(name) == name:
        return None
    try:
        with claimed(connection, _final(name)):
            return None
    except Refused:
        return "a restore is under way"
