"""Sessions on the source with a fixed text form of values, and the translation of its errors.

Whole databases of a server: existence, comment, lock of a restore, rename, drop.

The role that owns a restored database and executes the statements of its archive.

It may log in and has rights only on its database: not on files or programs of the server, other
databases or shared catalogs. So the archive's functions, defaults, checks, indexes and views run
with these rights, whatever role the restore's URL has, during the restore and later.

The URL's role creates it, with ``CREATEROLE``. A role that may only create databases is not a
superuser, and restores as itself.

A source that is a hot standby: how far it is behind its primary.

Sessions on the server that versions are restored to, and the translation of its errors.
"""

import hmac
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from mediatool_assets.core.errors import (
    BadSettings,
    BadSource,
    CheckFailed,
    MediatoolError,
    RecoveryConflict,
    Refused,
    Unreachable,
)
from mediatool_assets.core.setting_values import leave_out
from mediatool_assets.core.texts import Url, is_this_machine

Connection = psycopg.Connection[tuple[Any, ...]]

OLDEST = 14
"""The oldest supported major version: it can scan ranges of ctid."""

STATEMENT_TIMEOUT = "2h"
"""The time limit of a statement. The longest is one scan of the largest table."""

_SESSION = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "quote_all_identifiers": "off",
    "search_path": "",  # so that every name is printed in full, and no one's function is called
    "row_security": "off",  # the server raises an error instead of hiding rows
    "statement_timeout": STATEMENT_TIMEOUT,
    "transaction_timeout": "0",  # since 17; the coordinator's session is idle while workers read
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "synchronize_seqscans": "off",  # read a table from its first block on
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}

_DEFAULTS = {"connect_timeout": "10", "application_name": "mediatool", "keepalives_idle": "60"}

CONFLICT = "conflict with recovery"
"""The message of a hot standby that cancels a query; in English, unless lc_messages is set."""

_FATAL_YET_PASSING = (
    "starting up",
    "not yet accepting",
    "shutting down",
    "in recovery mode",
    "too many clients",
)


def parameters(url: Url, variable: str = "MEDIATOOL_POSTGRES_URL") -> dict[str, str]:
    """The URL of ``variable`` as libpq's parameters, with our defaults; raises BadSettings."""
    try:
        given = conninfo_to_dict(url.reveal())
    except psycopg.ProgrammingError:  # its message may contain a part of the password
        raise BadSettings(
            [
                f"{variable} has a parameter that PostgreSQL does not know; write "
                "postgresql://user:password@host:port/database"
            ]
        ) from None
    named = {k: str(v) for k, v in given.items() if v is not None}
    return {**_DEFAULTS, **transport(named, os.environ), **named}


def transport(given: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """``sslmode`` for a server on another machine, unless the user has set one.

    ``verify-full`` if a root certificate is named, or is where libpq looks for it; else
    ``require``: encrypted, without a check of the server's identity. A service file has its own.
    """
    chosen = (
        "sslmode" in given,
        "PGSSLMODE" in environ,
        "service" in given,
        "PGSERVICE" in environ,
    )
    hosts = given.get("host") or given.get("hostaddr") or environ.get("PGHOST", "")
    if any(chosen) or all(is_this_machine(host) for host in hosts.split(",")):
        return {}
    certified = (
        given.get("sslrootcert")
        or environ.get("PGSSLROOTCERT")
        or Path(environ.get("HOME", ""), ".postgresql", "root.crt").is_file()
    )
    return {"sslmode": "verify-full" if certified else "require"}


def database_address(url: Url) -> str:
    """``host:port/database``: the server's name in messages and manifests."""
    given = parameters(url)
    return f"{given.get('host', 'localhost')}:{given.get('port', 5432)}/{given.get('dbname', '')}"


@contextmanager
def connected(url: Url, lock_timeout: str) -> Iterator[Connection]:
    """One session without an open transaction, closed at the end.

    Connecting is tried four times within some seconds; a refused login or an unknown database is
    not tried again. Raises Unreachable and, from the body, the errors of ``translated``.
    """
    with translated(database_address(url)), connect(parameters(url)) as connection:
        configure(connection, _SESSION | {"lock_timeout": lock_timeout})
        yield connection


def connect(given: dict[str, str]) -> Connection:
    """Connect, with retries while the server may still start; raises psycopg's own errors."""
    info = make_conninfo("", **given | {"client_encoding": "UTF8"})
    retrying = Retrying(
        retry=retry_if_exception(_passes),
        stop=stop_after_attempt(4),
        wait=wait_exponential(0.25),
        reraise=True,
    )
    return retrying(psycopg.connect, info, autocommit=True, prepare_threshold=None)


def configure(connection: Connection, settings: dict[str, str]) -> None:
    """Set those of the settings that this server knows."""
    connection.execute(
        "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) s (name, value)"
        " WHERE current_setting(name, true) IS NOT NULL",
        (list(settings), list(settings.values())),
    )


def _passes(error: BaseException) -> bool:
    """Whether connecting again may help; not if the server has refused."""
    text = str(error)
    return isinstance(error, psycopg.OperationalError) and (
        "FATAL" not in text or any(state in text for state in _FATAL_YET_PASSING)
    )


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Translate every psycopg error to BadSource or Unreachable, naming ``where``."""
    try:
        yield
    except errors.LockNotAvailable as error:
        raise BadSource(
            f"{where}: another session holds a lock that stops reading ({message_of(error)}); "
            "find it in pg_locks, end it or wait for it, and run again"
        ) from error
    except errors.QueryCanceled as error:
        raise BadSource(
            f"{where}: {message_of(error)}; the statement exceeded the limit of "
            f"{STATEMENT_TIMEOUT}: see what holds it up in pg_stat_activity, and run again"
        ) from error
    except errors.InsufficientPrivilege as error:
        raise BadSource(
            f"{where}: {message_of(error)}; GRANT the exporting role USAGE of the schema and "
            "SELECT on its tables and sequences, and BYPASSRLS where they have row policies "
            "(docs/how-to/access.md)"
        ) from error
    except (errors.OutOfMemory, errors.ConfigurationLimitExceeded) as error:
        raise BadSource(
            f"{where}: {message_of(error)}; raise max_locks_per_transaction on the server"
        ) from error
    except psycopg.OperationalError as error:
        # Serialization failures of read-only transactions happen only on a standby.
        if isinstance(error, errors.SerializationFailure) or CONFLICT in str(error):
            raise RecoveryConflict(where, message_of(error)) from error
        raise Unreachable(
            f"{where}: {message_of(error)}; check the server and MEDIATOOL_POSTGRES_URL"
        ) from error
    except psycopg.Error as error:
        raise BadSource(
            f"{where}: {message_of(error)}; correct it in the source, or exclude the table"
        ) from error


def message_of(error: psycopg.Error) -> str:
    """The server's message on one line."""
    return " ".join((error.diag.message_primary or str(error)).split()) or type(error).__name__


def begin(connection: Connection, snapshot: str | None = None) -> None:
    """Open a read-only transaction with a fixed snapshot: another session's if it is named."""
    statements = sql.SQL("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    if snapshot is None:
        connection.execute(statements)
    else:
        importing = sql.SQL("; SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot))
        connection.execute(statements + importing)


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
    drop_unused_roles(connection)


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


# A connected standby that has replayed all that it received is as new as its primary. Otherwise its
# largest possible lag is the age of the last transaction replayed.
_LAG = """
SELECT EXISTS (SELECT pid FROM pg_stat_wal_receiver),
       pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn(),
       ceil(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()))::bigint
WHERE pg_is_in_recovery()
"""


class Standby(NamedTuple):
    """``lag_seconds`` is the largest possible age of the newest rows; None if unknown."""

    is_connected: bool
    lag_seconds: int | None

    @property
    def facts(self) -> dict[str, str | int | None]:
        """The same in the fields of the metadata file."""
        state = "connected" if self.is_connected else "disconnected"
        return {"standby": state, "lag_seconds": self.lag_seconds}


def read_standby(connection: Connection) -> Standby | None:
    """The server's current lag; None if it is not a standby.

    In a transaction without a snapshot, this query takes it: the lag is that of its rows.
    """
    for is_connected, has_replayed, age in connection.execute(_LAG):
        current = is_connected and has_replayed
        return Standby(is_connected, 0 if current else None if age is None else max(age, 0))
    return None


VARIABLE = "MEDIATOOL_RESTORE_POSTGRES_URL"

_TARGET_SESSION = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "lc_monetary": "C",  # money is sent as 1234.50, whatever the server's locale
    "standard_conforming_strings": "on",
    "search_path": "",
    "check_function_bodies": "off",  # as in pg_dump's text: bodies may name later objects
    "xmloption": "content",
    "client_min_messages": "warning",
    "row_security": "off",
    "statement_timeout": "0",
    "transaction_timeout": "0",  # since 17
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",  # the session with the lock waits for the workers
    "maintenance_work_mem": "128MB",  # of the server's: builds most indexes without a file
}


@contextmanager
def session(url: Url, database: str | None = None, doing: str = "") -> Iterator[Connection]:
    """One session in ``database``, or in the URL's own; every statement is its own transaction.

    Raises Unreachable, CheckFailed or Misuse, naming the database and the action.
    """
    given = parameters(url, VARIABLE) | ({"dbname": database} if database is not None else {})
    where = f"{given.get('host', 'localhost')}:{given.get('port', 5432)}/{given.get('dbname', '')}"
    with restore_translated(f"{where}: {doing}" if doing else where), connect(given) as connection:
        configure(connection, _TARGET_SESSION)
        yield connection


@contextmanager
def restore_translated(where: str, making: str | None = None) -> Iterator[None]:
    """Translate every psycopg error to one of ours, naming ``where``.

    ``making`` is the object of the schema that is created (``VIEW totals``): if it fails, it fails
    for every version that has it.
    """
    try:
        yield
    except psycopg.Error as error:
        if making is not None and _is_its_own(error):
            raise CheckFailed(
                f"{where}: {making}: {message_of(error)}; {_hint(error)}{leave_out(making)}"
            ) from error
        raise _meaning(where if making is None else f"{where}: {making}", error) from error


_PLACE = re.compile(r"COPY .*?(, line \d+(?:, column .+?)?)(?::|$)", re.DOTALL)
_VALUE = re.compile(r': ".*', re.DOTALL)


def _without_values(error: psycopg.Error) -> str:
    """The server's message about refused rows, with their position instead of their values."""
    place = _PLACE.match(error.diag.context or "")
    return _VALUE.sub("", message_of(error)) + (place[1] if place else "")


def _is_its_own(error: psycopg.Error) -> bool:
    """Whether the object itself is the reason of a failure, and not a full or broken server."""
    state = error.sqlstate or ""
    limit = state.startswith(("54", "55")) and state != "55006"  # in use
    return not isinstance(error, psycopg.OperationalError) or limit


def _hint(error: psycopg.Error) -> str:
    """What may help besides leaving the object out."""
    match error:
        case errors.InsufficientPrivilege():
            return "an archive's objects have rights only on their own database; "
        case errors.UndefinedFile() | errors.FeatureNotSupported():
            return f"install it there, or name another server in {VARIABLE}; "
        case (
            errors.UndefinedTable()
            | errors.UndefinedObject()
            | errors.UndefinedFunction()
            | errors.InvalidSchemaName()
        ):
            return (
                "if that is in a schema that is not exported, add the schema to "
                "MEDIATOOL_POSTGRES_SCHEMA; "
            )
        case _:
            return ""


def _meaning(where: str, error: psycopg.Error) -> MediatoolError:
    words = message_of(error)
    match error:
        case errors.DiskFull():
            return CheckFailed(
                f"{where}: {words}; free space on the server or name a larger one in {VARIABLE}, "
                "and restore again"
            )
        case errors.InsufficientPrivilege():
            return Unreachable(
                f"{where}: {words}; the role in {VARIABLE} needs CREATEDB and CREATEROLE "
                "(docs/how-to/access.md)"
            )
        case errors.ObjectInUse():
            return CheckFailed(f"{where}: {words}; end the sessions in it, and restore again")
        case psycopg.OperationalError():
            return Unreachable(
                f"{where}: {words}; check that the server runs and {VARIABLE} is right"
            )
        case _:
            return CheckFailed(
                f"{where}: {_without_values(error)}; nothing was restored. Other versions with "
                "these rows fail too: correct the rows in the source, or restore the other tables "
                "with --tables"
            )
