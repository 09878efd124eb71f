"""Sessions on the server that versions are restored to, and the translation of its errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from mediatool_assets.domain.errors import CheckFailed, MediatoolError, Misuse, Unreachable
from mediatool_assets.domain.urls import Url
from mediatool_assets.stores.postgres.connection import (
    Connection,
    connect,
    parameters,
    said,
    settle,
)

VARIABLE = "MEDIATOOL_RESTORE_POSTGRES_URL"

_SESSION = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "lc_monetary": "C",  # money arrives as 1234.50, whatever the server's country
    "standard_conforming_strings": "on",
    "search_path": "",
    "check_function_bodies": "off",  # as pg_dump's text asks for: bodies may name later objects
    "xmloption": "content",
    "client_min_messages": "warning",
    "row_security": "off",
    "statement_timeout": "0",
    "transaction_timeout": "0",  # since 17
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",  # the session that holds the claim waits for the workers
    "maintenance_work_mem": "128MB",  # of the server's: builds most indexes without a file
}


@contextmanager
def session(url: Url, database: str | None = None, doing: str = "") -> Iterator[Connection]:
    """One session in ``database``, or in the URL's own; every statement is its own transaction.

    Raises Unreachable, CheckFailed or Misuse, naming the database and what was done.
    """
    given = parameters(url, VARIABLE) | ({"dbname": database} if database is not None else {})
    where = f"{given.get('host', 'localhost')}:{given.get('port', 5432)}/{given.get('dbname', '')}"
    with translated(f"{where}: {doing}" if doing else where), connect(given) as connection:
        settle(connection, _SESSION)
        yield connection


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise one of our errors, naming ``where``, for whatever psycopg raises."""
    try:
        yield
    except psycopg.Error as error:
        raise _meaning(where, error) from error


def _meaning(where: str, error: psycopg.Error) -> MediatoolError:
    words = said(error)
    match error:
        case errors.DiskFull():
            return CheckFailed(
                f"{where}: {words}; free space on the server or name a larger one in {VARIABLE}, "
                "and restore again"
            )
        case errors.InsufficientPrivilege():
            return Unreachable(
                f"{where}: {words}; the role in {VARIABLE} needs CREATEDB, and the right to create "
                "the extensions that schema.sql names"
            )
        case errors.ObjectInUse():
            return CheckFailed(f"{where}: {words}; end the sessions in it, and restore again")
        case errors.UndefinedFile() | errors.FeatureNotSupported():
            return Misuse(
                f"{where}: {words}; install it there, or name another server in {VARIABLE}"
            )
        case psycopg.OperationalError():
            return Unreachable(
                f"{where}: {words}; see that the server runs and {VARIABLE} is right"
            )
        case _:
            return CheckFailed(f"{where}: {words}; nothing was restored: take another version")
