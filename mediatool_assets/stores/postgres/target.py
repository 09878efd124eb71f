"""PostgreSQL as the target: a version in a database of its own, which has its name only when whole.

A restore works in ``{database}.restoring``. The last step, one transaction, puts the marker on it
and gives it its name; the one that had it is ``{database}.replaced`` from then on, and dropped. So
a killed restore leaves nothing under that name, and what it did leave is removed by the next one.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from mediatool_assets.domain.copy_text import copied_columns
from mediatool_assets.domain.ddl.restorable import ScriptExtension
from mediatool_assets.domain.ddl.script import Statement
from mediatool_assets.domain.errors import AlreadyExists, Misuse, Refused
from mediatool_assets.domain.restored import Marker
from mediatool_assets.domain.schema import Schema, Table, namespaces
from mediatool_assets.domain.server_needs import ServerFeatures
from mediatool_assets.domain.settings import HARMLESS_EXTENSIONS, Settings
from mediatool_assets.domain.urls import Url
from mediatool_assets.stores.postgres import owner_role
from mediatool_assets.stores.postgres.connection import Connection, parameters
from mediatool_assets.stores.postgres.privileged import (
    add_extensions,
    add_operator_class,
)
from mediatool_assets.stores.postgres.source import PostgresSource
from mediatool_assets.stores.postgres.target_session import (
    VARIABLE,
    session,
    translated,
)

WORKING = ".restoring"
"""What the name of a database that is being restored ends with."""
REPLACED = ".replaced"
"""What the name of a database ends with whose place another has taken, until it is dropped."""
_LONGEST = 63 - len(WORKING)  # bytes: PostgreSQL cuts a longer name

# Without ICU initdb knows one or two collations that have its provider, with it hundreds.
_FEATURES = """
SELECT ARRAY(SELECT name::text FROM pg_available_extensions),
       ARRAY(SELECT collname::text FROM pg_collation WHERE collencoding IN (-1, 6)),
       (SELECT count(*) > 9 FROM pg_collation WHERE collprovider = 'i'),
       (SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression')
"""

# In the order in which they were made: one that reads another comes after it. One that stays empty
# is filled for as long as others read it.
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


@dataclass(frozen=True)
class PostgresTarget:
    """A server that versions are restored to, each into a database of its own.

    No database is ever replaced but one that carries a restore's marker. ``source`` is the URL of
    the source, whose name no restore may take. ``extensions`` may be made though the server does
    not trust them.
    """

    url: Url = field(repr=False)
    source: Url | None = field(default=None, repr=False)
    extensions: frozenset[str] = HARMLESS_EXTENSIONS

    @classmethod
    def of(cls, settings: Settings) -> "PostgresTarget":
        """The server of ``MEDIATOOL_RESTORE_POSTGRES_URL``; raises BadSettings without it."""
        return cls(
            settings.required_url("restore_postgres_url"),
            settings.postgres_url,
            settings.restore_extensions,
        )

    @property
    def server(self) -> str:
        """``host:port``, for messages and evidence."""
        given = parameters(self.url, VARIABLE)
        return f"{given.get('host', 'localhost')}:{given.get('port', 5432)}"

    def facts(self) -> dict[str, str | int | None]:
        """The server's version."""
        with session(self.url) as connection:
            return {"server_version": connection.info.parameter_status("server_version")}

    def features(self) -> ServerFeatures:
        """What a restore to this server can count on."""
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
            return Marker.read(_comment(connection, database))

    def exists(self, database: str) -> bool:
        """Whether there is a database of that name."""
        with session(self.url) as connection:
            return _is_there(connection, database)

    def database(self, database: str, schema: str) -> PostgresSource:
        """A schema of one of the server's databases, read as a source is by the role that owns it.

        Raises Unreachable.
        """
        with session(self.url) as connection:
            role = owner_role.of_database(connection, database)
            url = owner_role.logged_in(connection, self.url, role)
        return PostgresSource(url.to(database), schema)

    def drop(self, database: str) -> None:
        """Remove a restored database, if it is there; raises Refused for any other."""
        with session(self.url, doing="drop") as connection, claimed(connection, database):
            if _is_there(connection, database):
                if Marker.read(_comment(connection, database)) is None:
                    raise Refused(f"no restore made {self.server}/{database}; drop it by hand")
                _drop(connection, database)

    @contextmanager
    def restoration(self, database: str, *, replace: bool) -> Iterator["PostgresRestoration"]:
        """An empty database to fill, which becomes ``database`` when it is marked, or goes away.

        Raises AlreadyExists for a restored one unless ``replace``, Refused for any other that has
        the name, and where another restore of it is under way.
        """
        self._check_name(database)
        with session(self.url, doing="restore") as connection:
            _claim(connection, database)
            self.check_free(connection, database, replace)
            self.check_free(connection, database + REPLACED, replace=True)
            working = database + WORKING
            for left in (database + REPLACED, working):
                _drop(connection, left)
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(
                    sql.Identifier(working)
                )
            )
            try:
                yield self._restoration(connection, database, working, replace)
            except BaseException as error:
                try:
                    _drop(connection, working)
                except psycopg.Error as second:
                    error.add_note(
                        f"{working} was left behind ({second}); the next restore drops it"
                    )
                raise

    def _restoration(
        self, connection: Connection, database: str, working: str, replace: bool
    ) -> "PostgresRestoration":
        """An empty database, and the role that fills it."""
        role = owner_role.create(connection, working)
        if role is not None:
            with session(self.url, working) as inside:
                query = sql.SQL("ALTER SCHEMA public OWNER TO {}")
                inside.execute(query.format(sql.Identifier(role)))
        url = owner_role.logged_in(connection, self.url, role)
        return PostgresRestoration(self, connection, database, working, replace, url, role)

    def _check_name(self, database: str) -> None:
        if not database or "\0" in database or len(database.encode()) > _LONGEST:
            raise Misuse(
                f"{database!r} cannot be a database's name here; use 1 to {_LONGEST} bytes of UTF-8"
            )
        if self.source is not None and parameters(self.source).get("dbname") == database:
            raise Refused(
                f"{database} is the name of the source's own database; restore under another name"
            )

    def check_free(self, connection: Connection, database: str, replace: bool) -> None:
        """Raise AlreadyExists or Refused as ``restoration`` does."""
        there = _is_there(connection, database)
        marker = Marker.read(_comment(connection, database))
        if there and marker is None:
            raise Refused(
                f"{self.server}/{database} is there and no restore made it; it is never replaced: "
                "restore under another name with --database, or drop it by hand"
            )
        if marker is not None and not replace:
            raise AlreadyExists(
                f"the restored database {database}",
                "restore it again with --replace if you mean it",
            )


@dataclass(frozen=True)
class PostgresRestoration:
    """One restore under way; ``working`` is what its database is called until it is marked."""

    target: PostgresTarget
    connection: Connection = field(repr=False)
    database: str
    working: str
    replace: bool
    url: Url = field(repr=False)
    role: str | None = None

    @property
    def writer(self) -> "PostgresWriter":
        """What workers write rows with."""
        return PostgresWriter(self.url, self.working)

    def source(self, schema: str) -> PostgresSource:
        """What has been restored, to be read as a source is."""
        return PostgresSource(self.url.to(self.working), schema)

    def add_extensions(self, wanted: Iterable[ScriptExtension]) -> None:
        """Make extensions, and the schemas they are in, before all else and as the URL's role."""
        with session(self.target.url, self.working, "CREATE EXTENSION") as connection:
            add_extensions(connection, wanted, self.target.extensions, self.role)

    def add_operator_classes(self, statements: Iterable[Statement]) -> None:
        """Make operator classes and families, which only superusers may, as the URL's role."""
        with session(self.target.url, self.working) as connection:
            for makes, text in statements:
                with translated(self.database, makes):
                    add_operator_class(connection, text, self.role)

    def run(self, statements: Iterable[Statement]) -> None:
        """Execute statements, in order, in one session."""
        self.writer.run(statements)

    def set_sequences(self, schema: Schema) -> None:
        """Put its sequences where they stood."""
        with session(self.url, self.working) as connection:
            for sequence in schema.sequences:
                space = sequence.namespace or schema.name
                name = sql.Identifier(space, sequence.relation).as_string()
                with translated(self.database, f"SEQUENCE {sequence.name}"):
                    connection.execute(
                        "SELECT pg_catalog.setval(%s, %s, %s)",
                        (name, sequence.last_value, sequence.called),
                    )

    def mark(self, marker: Marker) -> None:
        """Put the marker on the database and give it its name, both or neither: the last step.

        Raises as ``restoration`` does where somebody has made a database of that name meanwhile.
        """
        connection, replaced = self.connection, self.database + REPLACED
        self.target.check_free(connection, self.database, self.replace)
        with connection.transaction():
            if _is_there(connection, self.database):
                _rename(connection, self.database, replaced)
            connection.execute(
                sql.SQL("COMMENT ON DATABASE {} IS {}").format(
                    sql.Identifier(self.working), sql.Literal(str(marker))
                )
            )
            _rename(connection, self.working, self.database)
        _drop(connection, replaced)


@dataclass(frozen=True)
class PostgresWriter:
    """Writes into the database of a restoration; for workers."""

    url: Url = field(repr=False)
    database: str

    def copy(self, schema: str, table: Table, lines: Iterable[bytes], *, whole: bool) -> int:
        """COPY lines of the text format, each with its newline, as one transaction; count them.

        A partitioned table puts each row where it belongs. A ``whole`` table is emptied in the same
        transaction: then its rows are written as seen by all (FREEZE), so that nothing has to come
        back to them, and without a log of them where the server keeps none for replicas.
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
            if whole:
                cursor.execute(sql.SQL("TRUNCATE ONLY {}").format(name))
            with cursor.copy(query) as copy:
                for data in lines:
                    copy.write(data)
            return cursor.rowcount

    def run(self, statements: Iterable[Statement]) -> None:
        """Execute statements, in order, in one session.

        Each is one for the server too: results in binary are asked for by the extended protocol,
        which takes one statement at a time.
        """
        with session(self.url, self.database) as connection:
            for makes, text in statements:
                with translated(self.database, makes):
                    connection.execute(text.encode(), binary=True)

    def settle(self, schema: str, empty: Collection[str]) -> None:
        """Gather statistics, and refresh the materialized views but those that stay ``empty``."""
        with session(self.url, self.database, "ANALYZE") as connection:
            connection.execute("ANALYZE")
            given = {"schemas": list(namespaces(schema)), "empty": list(empty)}
            views = connection.execute(_MATERIALIZED, given).fetchall()
            filled = [(space, view, sql.SQL("DATA")) for space, view, _ in views]
            emptied = [(space, view, sql.SQL("NO DATA")) for space, view, stays in views if stays]
            for space, view, data in filled + emptied:
                with translated(self.database, f"MATERIALIZED VIEW DATA {space}.{view}"):
                    connection.execute(
                        sql.SQL("REFRESH MATERIALIZED VIEW {} WITH {}").format(
                            sql.Identifier(space, view), data
                        )
                    )


def _is_there(connection: Connection, database: str) -> bool:
    query = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = %s)"
    [(there,)] = connection.execute(query, (database,))
    return bool(there)


def _comment(connection: Connection, database: str) -> str | None:
    row = connection.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
        (database,),
    ).fetchone()
    return row[0] if row is not None else None


@contextmanager
def claimed(connection: Connection, database: str) -> Iterator[None]:
    """Hold the right to restore to ``database`` for a while; raises Refused where others do."""
    _claim(connection, database)
    try:
        yield
    finally:
        connection.execute(
            "SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (f"mediatool restore {database}",)
        )


def _claim(connection: Connection, database: str) -> None:
    """Hold the right to restore to ``database`` as long as the session lasts; raises Refused."""
    [(free,)] = connection.execute(
        "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (f"mediatool restore {database}",)
    )
    if not free:
        raise Refused(f"another restore of {database} is under way; wait for it to end")


def _rename(connection: Connection, database: str, name: str) -> None:
    _end_sessions(connection, database)
    connection.execute(
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
            sql.Identifier(database), sql.Identifier(name)
        )
    )


def _drop(connection: Connection, database: str) -> None:
    _end_sessions(connection, database)
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(database)))
    owner_role.sweep(connection)


def _end_sessions(connection: Connection, database: str) -> None:
    """End the sessions of clients that the role may end: workers keep theirs for the next chunk.

    What drops or renames the database waits 5 s for all others, and ends autovacuum's by itself,
    which a role that is not a superuser may not: so there is no FORCE.
    """
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s "
        "AND backend_type = 'client backend' AND pg_has_role(usesysid, 'USAGE')",
        (database,),
    )
