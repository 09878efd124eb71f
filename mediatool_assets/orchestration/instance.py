"""Dagster's compute logs in S3, uploaded by threads that end with the step that they follow.

Dagster's own thread sleeps to the end of its interval. At the end of a process, a sleeping thread
keeps modules alive: DuckDB then prints sixty lines about leaked objects.

Dagster's storage in PostgreSQL, over connections that are kept, with pools recorded once.

By default dagster-postgres opens a connection for every event, which takes longer than the event
itself. A version has about a thousand events.

Dagster records a pool at its first use. After a conflict it continues in the same transaction,
which PostgreSQL has aborted. So if two processes do this at the same time, one would fail.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from threading import Event, Thread
from time import monotonic
from typing import Any

from dagster_aws.s3.compute_log_manager import S3ComputeLogManager
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.storage import DagsterPostgresStorage
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry


class BucketLogs(S3ComputeLogManager):
    """Dagster's manager, with another thread."""

    @contextmanager
    def _poll_for_local_upload(self, log_key: Sequence[str]) -> Iterator[None]:
        ended = Event()

        def upload() -> None:
            while not ended.wait(self.upload_interval):
                self.on_progress(log_key)  # type: ignore[no-untyped-call]  # Dagster's own

        thread = Thread(target=upload, name="upload-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


_IDLE_SECONDS = 1.0
_USED = "used"
_LOCK = 0x6D65646961  # any number that is not locked for another purpose in this database


class EventLog(PostgresEventLogStorage):
    """Records each pool once."""

    def initialize_concurrency_limit_to_default(self, concurrency_key: str) -> bool:
        """Record the pool with the default limit, one process after the other."""
        with self.index_connection() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            try:
                if concurrency_key in self.get_concurrency_keys():
                    return True
                return bool(super().initialize_concurrency_limit_to_default(concurrency_key))
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})


class PostgresStorage(DagsterPostgresStorage):
    """Runs, events and schedules in one database."""

    def __init__(self, url: str, inst_data: Any = None) -> None:
        """``url`` names psycopg2 as its driver; missing tables are made."""
        super().__init__(url, inst_data=inst_data)
        self._pooled = EventLog(url, should_autocreate_tables=True)
        for store in (self._pooled, self._run_storage, self._schedule_storage):
            store._engine = _engine(url)  # their constructors take none

    @property
    def event_log_storage(self) -> PostgresEventLogStorage:
        """The events, and the pools."""
        return self._pooled


@cache
def _engine(url: str) -> Engine:
    """A process's connections, for all of its instances: each request to a code server has one."""
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",  # as dagster-postgres has it
        pool_size=2,
        max_overflow=20,
    )
    event.listen(engine, "checkin", _note)
    event.listen(engine, "checkout", partial(_ask, engine.dialect))
    return engine


def _note(_: object, record: ConnectionPoolEntry) -> None:
    """Note when a connection was used last."""
    record.info[_USED] = monotonic()


def _ask(
    dialect: Dialect, connection: DBAPIConnection, record: ConnectionPoolEntry, _: object
) -> None:
    """Replace the connections if the server does not answer, since it may have restarted.

    One that was used just now is not tried: that would take a third of the time of an event.
    """
    if monotonic() - record.info.get(_USED, monotonic()) < _IDLE_SECONDS:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError from error
