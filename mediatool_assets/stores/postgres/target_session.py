"""Sessions on the server that versions are restored to, and the translation of its errors."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from mediatool_assets.domain.ddl.kinds import leave_out
from mediatool_assets.domain.errors import CheckFailed, MediatoolError, Unreachable
from mediatool_assets.domain.urls import Url
from mediatool_assets.stores.postgres.connection import (
    Connection,
    configure,
    connect,
    message_of,
    parameters,
)

VARIABLE = "MEDIATOOL_RESTORE_POSTGRES_URL"

_SESSION = {
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
    with translated(f"{where}: {doing}" if doing else where), connect(given) as connection:
        configure(connection, _SESSION)
        yield connection


@contextmanager
def translated(where: str, making: str | None = None) -> Iterator[None]:
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
