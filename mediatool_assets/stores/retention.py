"""Lists and drops databases of versions on PostgreSQL, for retention."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from psycopg import errors, sql

from mediatool_assets.domain.errors import CheckFailed, Refused
from mediatool_assets.domain.keys import AS_DESCRIBED, version_of_database
from mediatool_assets.domain.marks import ProtectionCheck, never_protected
from mediatool_assets.domain.quantities import quantity
from mediatool_assets.domain.restore_record import Marker
from mediatool_assets.domain.retention_inventory import DatabaseState, FoundDatabase
from mediatool_assets.domain.settings import Settings
from mediatool_assets.domain.urls import Url
from mediatool_assets.stores.postgres import owner_role
from mediatool_assets.stores.postgres.connection import Connection
from mediatool_assets.stores.postgres.databases import claimed
from mediatool_assets.stores.postgres.target import REPLACED, WORKING, PostgresTarget
from mediatool_assets.stores.postgres.target_session import session

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
                        _state(name, comment),
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
                owner_role.drop_unused_roles(connection)
            except errors.ObjectInUse as error:
                raise CheckFailed(
                    f"{self.server}/{database} is in use; end the sessions in it, or prune later"
                ) from error


def _final(name: str) -> str:
    """The name without the suffix of a running restore."""
    return name.removesuffix(WORKING).removesuffix(REPLACED)


def _state(name: str, comment: str | None) -> DatabaseState:
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
