"""The part of `mediatool check` for the source and the restore server; it changes nothing."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from mediatool_assets.domain.errors import MediatoolError, Misuse
from mediatool_assets.domain.postgres_release import Release
from mediatool_assets.domain.readiness import Reading, compare_clocks, ok, warning, wrong
from mediatool_assets.domain.schema import Schema, namespaces
from mediatool_assets.domain.settings import Settings
from mediatool_assets.domain.urls import Url
from mediatool_assets.stores.postgres.catalog import read_tables
from mediatool_assets.stores.postgres.connection import (
    OLDEST,
    Connection,
    database_address,
    message_of,
    parameters,
)
from mediatool_assets.stores.postgres.pg_dump import best, clients
from mediatool_assets.stores.postgres.standby import read_standby

SOURCE, TARGET = "source", "restores"
_PATIENCE = "5"  # seconds to connect, once, while the user waits

_SCHEMAS = """
SELECT n.nspname, has_schema_privilege(n.oid, 'USAGE') FROM pg_catalog.pg_namespace n
WHERE n.nspname = ANY (%s)
"""

_OTHER_SCHEMAS = """
SELECT DISTINCT n.nspname FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\\_%%' ORDER BY 1 LIMIT 20
"""

_RELATIONS = """
SELECT n.nspname, c.relname, c.relkind = 'S',
       CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'SELECT')
            ELSE has_table_privilege(c.oid, 'SELECT') END,
       c.relrowsecurity AND row_security_active(c.oid)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'S') AND n.nspname = ANY (%s) ORDER BY 1, 2
"""

_SIZE = """
SELECT coalesce(sum(pg_table_size(c.oid)), 0)::bigint
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname = ANY (%s)
"""


@dataclass(slots=True)
class SourceFound:
    """The readings, and the tables of the catalogs for later readings."""

    readings: list[Reading] = field(default_factory=list)
    schema: Schema | None = None
    bytes: int | None = None


def source_found(settings: Settings) -> SourceFound:
    """Connection, release, pg_dump, every missing right, and the schema if it can be read."""
    found = SourceFound()
    if settings.postgres_url is None:
        step = "mediatool init"
        found.readings = [wrong(SOURCE, "url", "MEDIATOOL_POSTGRES_URL is not set", step, code=2)]
        return found
    try:
        with closing(_connect(settings.postgres_url, "MEDIATOOL_POSTGRES_URL")) as connection:
            _look_at_source(connection, settings, found)
    except (psycopg.Error, MediatoolError) as error:
        url = settings.postgres_url
        found.readings.append(_unreachable(SOURCE, "MEDIATOOL_POSTGRES_URL", url, error))
    return found


def target_readings(settings: Settings) -> list[Reading]:
    """Of the server to restore to: connection, release, the rights to make databases and roles.

    Nothing if versions are not restored to PostgreSQL.
    """
    variable = "MEDIATOOL_RESTORE_POSTGRES_URL"
    if not settings.targets.postgres:
        return []
    if settings.restore_postgres_url is None:
        step = "set it, or leave postgres out of MEDIATOOL_TARGETS"
        return [wrong(TARGET, "url", f"{variable} is not set", step, code=2)]
    try:
        with closing(_connect(settings.restore_postgres_url, variable)) as connection:
            return list(_of_target(connection))
    except (psycopg.Error, MediatoolError) as error:
        return [_unreachable(TARGET, variable, settings.restore_postgres_url, error)]


def _connect(url: Url, variable: str) -> Connection:
    """Connect once, without waiting for a server that may still start."""
    given = parameters(url, variable) | {"connect_timeout": _PATIENCE, "client_encoding": "UTF8"}
    connection = psycopg.connect(make_conninfo("", **given), autocommit=True)
    connection.execute("SET search_path = ''")
    connection.execute("SET statement_timeout = '20s'")
    return connection


def _unreachable(area: str, variable: str, url: Url, error: Exception) -> Reading:
    if isinstance(error, psycopg.Error):
        says = f"{database_address(url)}: {message_of(error)}"
        fix = f"correct {variable}, or start the server and let this machine in (pg_hba.conf)"
        return wrong(area, "connection", says, fix, code=4)
    code = error.exit_code if isinstance(error, MediatoolError) else 4
    return wrong(area, "connection", str(error), code=code)


def _look_at_source(connection: Connection, settings: Settings, found: SourceFound) -> None:
    spaces = list(namespaces(settings.postgres_schema))
    role = connection.info.user
    found.readings += _of_server(SOURCE, connection)
    found.readings += _of_standby(connection, settings)
    found.readings.append(_pg_dump(connection))
    usable: dict[str, bool] = dict(connection.execute(_SCHEMAS, (spaces,)).fetchall())
    if missing := [space for space in spaces if space not in usable]:
        others = ", ".join(row[0] for row in connection.execute(_OTHER_SCHEMAS))
        says = f"there is no schema {', '.join(missing)}; with tables there are: {others or 'none'}"
        fix = "set MEDIATOOL_POSTGRES_SCHEMA (postgres_schema in mediatool.toml)"
        found.readings.append(wrong(SOURCE, "schema", says, fix, code=2))
    found.readings.append(_rights(connection, usable, role, settings.exclude_tables))
    if missing:
        return
    [(found.bytes,)] = connection.execute(_SIZE, (spaces,))
    everything = {row[1] for row in connection.execute(_RELATIONS, (spaces,)).fetchall()}
    everything |= {f"{row[0]}.{row[1]}" for row in connection.execute(_RELATIONS, (spaces,))}
    tables, _ = read_tables(connection, settings.postgres_schema, everything)
    found.schema = Schema(settings.postgres_schema, tuple(tables))


def _of_server(area: str, connection: Connection) -> Iterator[Reading]:
    release = Release.of(connection.info.server_version)
    where = f"{connection.info.host}:{connection.info.port}/{connection.info.dbname}"
    yield ok(area, "connection", f"{where} as {connection.info.user}")
    if release.major < OLDEST:
        says = f"PostgreSQL {release}: {OLDEST} or newer is needed"
        yield wrong(area, "version", says, f"upgrade the server to PostgreSQL {OLDEST} or newer")
    else:
        yield ok(area, "version", f"PostgreSQL {release}")
    before = datetime.now(UTC)
    [(there,)] = connection.execute("SELECT clock_timestamp()")
    yield compare_clocks(area, there, before + (datetime.now(UTC) - before) / 2)


def _of_standby(connection: Connection, settings: Settings) -> Iterator[Reading]:
    """Whether a hot standby may cancel an export, and how far it is behind its primary."""
    standby = read_standby(connection)
    if standby is None:
        return
    names = ("max_standby_streaming_delay", "hot_standby_feedback")
    delay, feedback = (connection.execute(f"SHOW {n}".encode()).fetchall()[0][0] for n in names)
    lag = "unknown" if standby.lag_seconds is None else f"{standby.lag_seconds} s"
    state = "connected" if standby.is_connected else "disconnected"
    says = f"{state}, lag {lag}; {names[0]} = {delay}, {names[1]} = {feedback}"
    if feedback == "off" and delay != "-1" and settings.postgres_primary_url is None:
        fix = "ALTER SYSTEM SET hot_standby_feedback = on; SELECT pg_reload_conf(); -- there"
        yield warning(SOURCE, "standby", f"{says}: it may cancel an export", fix)
    elif standby.lag_seconds is None or standby.lag_seconds > settings.postgres_max_lag_seconds:
        yield warning(SOURCE, "standby", says)
    else:
        yield ok(SOURCE, "standby", says)


def _pg_dump(connection: Connection) -> Reading:
    try:
        client = best(Release.of(connection.info.server_version), clients())
    except Misuse as error:
        major = connection.info.server_version // 10_000
        fix = f"apt-get install postgresql-client-{major}"
        return wrong(SOURCE, "pg_dump", str(error), fix, code=2)
    return ok(SOURCE, "pg_dump", f"{client.release} ({client.path})")


def _rights(
    connection: Connection, usable: dict[str, bool], role: str, exclude: frozenset[str]
) -> Reading:
    """One reading for all rights, with a statement to paste for each missing one."""

    def statement(text: str, *names: str) -> str:
        parts = [sql.Identifier(name) for name in names]
        made = sql.SQL(text).format(*parts, role=sql.Identifier(role))
        return made.as_string(connection)

    rows = connection.execute(_RELATIONS, (list(usable),)).fetchall()
    rows = [row for row in rows if not {row[1], f"{row[0]}.{row[1]}"} & exclude]
    fixes = [
        statement("GRANT USAGE ON SCHEMA {} TO {role};", space)
        for space, allowed in sorted(usable.items())
        if not allowed
    ]
    for space, name, is_sequence, readable, _ in rows:
        if not readable:
            kind = "SEQUENCE " if is_sequence else ""
            fixes.append(statement(f"GRANT SELECT ON {kind}{{}}.{{}} TO {{role}};", space, name))
    hidden = [f"{space}.{name}" for space, name, _, _, filtered in rows if filtered]
    if hidden:
        fixes.append(statement("ALTER ROLE {role} BYPASSRLS;"))
    tables = sum(not row[2] for row in rows)
    if fixes:
        policies = f"; row policies hide rows of {', '.join(hidden)}" if hidden else ""
        says = f"{role} lacks {len(fixes)} rights{policies}"
        return wrong(SOURCE, "rights", says, *fixes, code=3)
    says = f"{role} may read {tables} tables and {len(rows) - tables} sequences"
    return ok(SOURCE, "rights", says)


def _of_target(connection: Connection) -> Iterator[Reading]:
    yield from _of_server(TARGET, connection)
    [(databases, roles)] = connection.execute(
        "SELECT rolsuper OR rolcreatedb, rolsuper OR rolcreaterole FROM pg_catalog.pg_roles "
        "WHERE rolname = current_user"
    )
    role = connection.info.user
    missing = [n for n, has in (("CREATEDB", databases), ("CREATEROLE", roles)) if not has]
    if not missing:
        yield ok(TARGET, "rights", f"{role} may make databases and roles")
        return
    alter = sql.SQL("ALTER ROLE {} {};").format(
        sql.Identifier(role), sql.SQL(" ").join(map(sql.SQL, missing))
    )
    says = f"{role} lacks {' and '.join(missing)}"
    yield wrong(TARGET, "rights", says, alter.as_string(connection), code=4)
