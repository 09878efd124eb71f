"""The servers for retention: those of the two that are set.

Lists and drops databases of versions on MongoDB, for retention.

Lists and drops databases of versions on PostgreSQL, for retention.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from psycopg import errors, sql

from mediatool_assets.core.errors import CheckFailed, Refused
from mediatool_assets.core.inventory import DatabaseState, FoundDatabase
from mediatool_assets.core.metadata import Marker, ProtectionCheck, never_protected
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url, quantity
from mediatool_assets.core.version import AS_DESCRIBED, version_of_database
from mediatool_assets.stores import postgres
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.postgres import Connection, claimed, session
from mediatool_assets.stores.postgres_target import REPLACED, WORKING, PostgresTarget


@dataclass(frozen=True, slots=True)
class MongoDatabases:
    """A DatabaseServer over MongoDB; it touches only databases with the name of a version."""

    documents: MongoDocuments
    kind: Literal["mongodb"] = "mongodb"

    @property
    def server(self) -> str:
        """``host:port``."""
        return self.documents.server

    def databases(self) -> Iterator[FoundDatabase]:
        """The databases of versions, in order of name."""
        prefix = self.documents.database_names.mongodb
        for name in self.documents.names():
            if (named := version_of_database(name, prefix)) is not None:
                version, sanitized = named
                label = self.documents.label(name)
                began = (label or {}).get("began")
                archive = (label or {}).get("archive")
                yield FoundDatabase(
                    "mongodb",
                    name,
                    version,
                    _mongodb_state(label),
                    made=began if isinstance(began, datetime) else None,
                    archive=archive if isinstance(archive, str) else None,
                    sanitized=sanitized,
                )

    def remove(self, database: str, protection: ProtectionCheck = never_protected) -> None:
        """Remove a database of a version."""
        self.documents.drop(database, protection)


def _mongodb_state(label: dict[str, object] | None) -> DatabaseState:
    if label is None:
        return "foreign"
    if "dropping" in label:
        return "unfinished"
    if label.get("complete") is True:
        return "complete"
    return "partial" if "archive" in label else "unfinished"


# Sessions of clients only: the server's own, as autovacuum's, give way by themselves.
_DATABASES = """
SELECT d.datname, shobj_description(d.oid, 'pg_database'),
    (SELECT count(*) FROM pg_stat_activity a
     WHERE a.datid = d.oid AND a.backend_type = 'client backend')
FROM pg_database d WHERE starts_with(d.datname, %s) ORDER BY d.datname
"""


@dataclass(frozen=True, slots=True)
class PostgresDatabases:
    """A DatabaseServer over PostgreSQL; it touches only databases that a restore made."""

    url: Url = field(repr=False)
    kind: Literal["postgres"] = "postgres"
    prefix: str = AS_DESCRIBED.postgres

    @classmethod
    def of(cls, settings: Settings) -> "PostgresDatabases":
        """The server of ``MEDIATOOL_RESTORE_POSTGRES_URL``; raises BadSettings without it."""
        return cls(PostgresTarget.of(settings).url, prefix=settings.postgres_prefix)

    @property
    def server(self) -> str:
        """``host:port``."""
        return PostgresTarget(self.url).server

    def databases(self) -> Iterator[FoundDatabase]:
        """The databases of versions, and those that restores of them left, in order of name."""
        with session(self.url, doing="list databases") as connection:
            rows = connection.execute(_DATABASES, [self.prefix]).fetchall()
            for name, comment, sessions in rows:
                if (named := version_of_database(_final(name), self.prefix)) is not None:
                    version, sanitized = named
                    yield FoundDatabase(
                        "postgres",
                        name,
                        version,
                        _postgres_state(name, comment),
                        busy=_busy(connection, name, sessions),
                        sanitized=sanitized,
                    )

    def remove(self, database: str, protection: ProtectionCheck = never_protected) -> None:
        """Remove a database of a version; raises CheckFailed if it is in use."""
        found = {each.name: each for each in self.databases()}.get(database)
        if found is None:
            return
        if found.state == "foreign":
            raise Refused(
                f"{self.server}/{database} was not made by a restore, so it is not dropped"
            )
        with (
            session(self.url, doing="prune") as connection,
            claimed(connection, _final(database)),
        ):
            if (reason := protection()) is not None:
                raise Refused(f"{self.server}/{database} is not dropped: {reason}")
            try:
                connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(database)))
                postgres.drop_unused_roles(connection)
            except errors.ObjectInUse as error:
                raise CheckFailed(
                    f"{self.server}/{database} is in use; end the sessions in it, or prune later"
                ) from error


def _final(name: str) -> str:
    """The name without the suffix of a running restore."""
    return name.removesuffix(WORKING).removesuffix(REPLACED)


def _postgres_state(name: str, comment: str | None) -> DatabaseState:
    if name.endswith(WORKING):
        return "unfinished"
    marker = Marker.read(comment)
    if marker is None:
        return "foreign"
    if name.endswith(REPLACED):
        return "unfinished"
    return "complete" if marker.complete or marker.content else "partial"


def _busy(connection: Connection, name: str, sessions: int) -> str | None:
    if sessions:
        return f"in use: {quantity(sessions, 'session')}"
    if _final(name) == name:
        return None
    try:
        with claimed(connection, _final(name)):
            return None
    except Refused:
        return "a restore is under way"


def database_servers(settings: Settings) -> tuple[MongoDatabases | PostgresDatabases, ...]:
    """MongoDB and PostgreSQL, each if its URL (such as ``MEDIATOOL_MONGODB_URL``) is set."""
    found: list[MongoDatabases | PostgresDatabases] = []
    if settings.mongodb_url:
        found.append(MongoDatabases(MongoDocuments.of(settings)))
    if settings.restore_postgres_url:
        found.append(PostgresDatabases.of(settings))
    return tuple(found)
