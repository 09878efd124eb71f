"""Sessions on the source with a fixed text form of values, and the translation of its errors."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from mediatool_assets.domain.errors import BadSettings, BadSource, RecoveryConflict, Unreachable
from mediatool_assets.domain.urls import Url, is_this_machine

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
