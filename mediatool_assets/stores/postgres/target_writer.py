"""Writes rows, keys and indexes into a database that is being restored; for workers."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from psycopg import sql

from mediatool_assets.domain.copy_text import copied_columns
from mediatool_assets.domain.ddl.script import Statement
from mediatool_assets.domain.schema import Table, namespaces
from mediatool_assets.domain.urls import Url
from mediatool_assets.stores.postgres.target_session import session, translated

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
                with translated(self.database, makes):
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
                with translated(self.database, f"MATERIALIZED VIEW DATA {space}.{view}"):
                    connection.execute(
                        sql.SQL("REFRESH MATERIALIZED VIEW {} WITH {}").format(
                            sql.Identifier(space, view), data
                        )
                    )
