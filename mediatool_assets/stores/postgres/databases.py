"""Whole databases of a server: existence, comment, lock of a restore, rename, drop."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from mediatool_assets.domain.errors import Refused
from mediatool_assets.stores.postgres import owner_role
from mediatool_assets.stores.postgres.connection import Connection


def exists(connection: Connection, database: str) -> bool:
    """Whether there is a database of that name."""
    query = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = %s)"
    [(there,)] = connection.execute(query, (database,))
    return bool(there)


def comment_of(connection: Connection, database: str) -> str | None:
    """The comment on a database, which is the marker of a restored one."""
    row = connection.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
        (database,),
    ).fetchone()
    return row[0] if row is not None else None


@contextmanager
def claimed(connection: Connection, database: str) -> Iterator[None]:
    """Hold the lock for restoring ``database`` in the context; raises Refused if it is taken.

    It is released before the session ends: the server ends a session after the client has gone on,
    and until then the next restore would be refused.
    """
    lock = (f"mediatool restore {database}",)
    [(free,)] = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", lock)
    if not free:
        raise Refused(f"another restore or removal of {database} is under way; wait for it to end")
    try:
        yield
    finally:
        if not connection.closed:  # a lost session holds no lock
            connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", lock)


def rename(connection: Connection, database: str, name: str) -> None:
    """Rename a database, after ending its clients' sessions."""
    _end_sessions(connection, database)
    connection.execute(
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
            sql.Identifier(database), sql.Identifier(name)
        )
    )


def drop(connection: Connection, database: str) -> None:
    """Drop a database if it exists, and the roles whose databases no longer exist."""
    _end_sessions(connection, database)
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(database)))
    owner_role.drop_unused_roles(connection)


def _end_sessions(connection: Connection, database: str) -> None:
    """End the clients' sessions that the role may end: idle workers keep theirs open.

    The command that drops or renames the database waits 5 s for all others. It ends autovacuum
    itself, which a role without superuser rights may not do: hence no FORCE.
    """
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s "
        "AND backend_type = 'client backend' AND pg_has_role(usesysid, 'USAGE')",
        (database,),
    )
