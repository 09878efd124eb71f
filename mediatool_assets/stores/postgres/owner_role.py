"""The role that owns a restored database and executes the statements of its archive.

It may log in and has rights only on its database: not on files or programs of the server, other
databases or shared catalogs. So the archive's functions, defaults, checks, indexes and views run
with these rights, whatever role the restore's URL has, during the restore and later.

The URL's role creates it, with ``CREATEROLE``. A role that may only create databases is not a
superuser, and restores as itself.
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
    """Create the role of an empty database; None if the connection's role may not create one."""
    [(may,)] = connection.execute(
        "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
    )
    if not may:
        return None
    name = _PREFIX + token_hex(8)
    role, place = sql.Identifier(name), sql.Identifier(database)
    with connection.transaction():  # a role without a database belongs to no restore
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
    """The role that owns a restored database's objects; None if the restorer owns them."""
    found = connection.execute(_OF_DATABASE, (database, _PREFIX)).fetchone()
    return str(found[0]) if found is not None else None


def logged_in(connection: Connection, url: Url, role: str | None) -> Url:
    """The URL with this role instead of its own.

    The password is derived from the connection's, and set again each time: code that runs as the
    role may have changed it. If the server needs no password, there is none.
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


def drop_unused_roles(connection: Connection) -> None:
    """Drop the roles whose databases no longer exist."""
    with _alone(connection):
        for (name,) in connection.execute(_LEFT, (_PREFIX,)).fetchall():
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Take a lock: concurrent changes of the same roles fail in PostgreSQL."""
    connection.execute("SELECT pg_advisory_lock(hashtextextended('mediatool roles', 0))")
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(hashtextextended('mediatool roles', 0))")
