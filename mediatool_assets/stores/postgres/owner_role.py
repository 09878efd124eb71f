"""The role that owns a restored database and executes the statements of its archive.

It may log in and has rights on nothing but its database: no files and programs of the server, no
other database, no shared catalog. So an archive's functions, defaults, checks, indexes and views
run with these rights, whatever role the restore's URL has, during the restore and later.

The URL's role makes it, with ``CREATEROLE``. A role that may create databases only is no superuser,
and restores as itself.
"""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex

from psycopg import sql

from mediatool_assets.domain.urls import Url
from mediatool_assets.stores.postgres.connection import Connection

_PREFIX = "mediatool_restored_"

_OF_DATABASE = """
SELECT r.rolname FROM pg_shdepend s
JOIN pg_database d ON d.oid = s.objid JOIN pg_roles r ON r.oid = s.refobjid
WHERE s.classid = 'pg_database'::regclass AND s.refclassid = 'pg_authid'::regclass
  AND d.datname = %s AND starts_with(r.rolname, %s)
"""
_LEFT = """
SELECT rolname FROM pg_roles r WHERE starts_with(rolname, %s) AND pg_has_role(oid, 'MEMBER')
  AND NOT EXISTS (
      SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = r.oid)
"""


def create(connection: Connection, database: str) -> str | None:
    """Make the role of an empty database; None where the connection's own may make none."""
    [(may,)] = connection.execute(
        "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
    )
    if not may:
        return None
    name = _PREFIX + token_hex(8)
    role, place = sql.Identifier(name), sql.Identifier(database)
    with connection.transaction():  # a role that has no database is none of a restore
        connection.execute(
            sql.SQL(
                "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
            ).format(role)
        )
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
        connection.execute(
            sql.SQL("GRANT CREATE, CONNECT, TEMPORARY ON DATABASE {} TO {}").format(place, role)
        )
    return name


def of_database(connection: Connection, database: str) -> str | None:
    """The role that owns what is in a restored database; None where it is the restorer's own."""
    found = connection.execute(_OF_DATABASE, (database, _PREFIX)).fetchone()
    return str(found[0]) if found is not None else None


def logged_in(connection: Connection, url: Url, role: str | None) -> Url:
    """The URL with the role in place of its own.

    The password follows from that of the connection, and is given anew each time: what runs as the
    role may have changed it. A server that asks for no password gets none.
    """
    if role is None:
        return url
    secret = connection.info.password
    password = (
        hmac.digest(secret.encode(), role.encode(), "sha256").hex() if secret else token_hex()
    )
    verifier = connection.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    ).decode()
    name = sql.Identifier(role)
    with _alone(connection):
        connection.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(name))
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(verifier)))
    return url.by(role, password if secret else "")


def _derived(secret: str, role: str) -> str:
    return hmac.digest(secret.encode(), role.encode(), "sha256").hex()


def sweep(connection: Connection) -> None:
    """Drop the roles whose databases are gone."""
    with _alone(connection):
        for (name,) in connection.execute(_LEFT, (_PREFIX,)).fetchall():
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """PostgreSQL refuses two changes of roles at once where they meet."""
    connection.execute("SELECT pg_advisory_lock(hashtextextended('mediatool roles', 0))")
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(hashtextextended('mediatool roles', 0))")
