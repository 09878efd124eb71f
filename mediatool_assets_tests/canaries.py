"""What no archive may reach when it is restored: files, programs, databases, roles, settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql

_SHARED = """
SELECT 'role', rolname::text, r::text FROM pg_authid r WHERE NOT starts_with(rolname, %(own)s)
UNION ALL
SELECT 'database', datname::text, concat(datdba, datallowconn, datistemplate, datconnlimit, datacl)
FROM pg_database WHERE datname = ANY (%(databases)s)
UNION ALL
SELECT 'setting', s.setdatabase::text, concat(s.setrole, s.setconfig) FROM pg_db_role_setting s
LEFT JOIN pg_roles r ON r.oid = s.setrole WHERE r.oid IS NULL OR NOT starts_with(r.rolname, %(own)s)
UNION ALL
SELECT 'file setting', name, setting FROM pg_file_settings
UNION ALL
SELECT 'comment', d.datname::text, shobj_description(d.oid, 'pg_database') FROM pg_database d
WHERE d.datname = ANY (%(databases)s)
UNION ALL
SELECT 'tablespace', spcname::text, '' FROM pg_tablespace
UNION ALL
SELECT 'canary', note, '' FROM canary
ORDER BY 1, 2, 3
"""


@dataclass(frozen=True)
class Canaries:
    """A folder in which no file may appear, and a database that nothing may touch."""

    folder: Path
    database: str
    admin: psycopg.Connection[Any]
    before: list[Any]

    def now(self) -> list[Any]:
        """What the server's shared catalogs and the database say."""
        own = {"own": "mediatool_restored_", "databases": [self.database, "postgres", "template1"]}
        return self.admin.execute(_SHARED, own).fetchall()

    def harmed(self) -> list[Any]:
        """What is no longer as it was."""
        files = [path.name for path in self.folder.iterdir()]
        return [*files, *({*self.now()} ^ {*self.before})]


@contextmanager
def canaries(server: str, folder: Path) -> Iterator[Canaries]:
    """Set them out on a server, by a superuser's URL, and in a new folder."""
    folder.mkdir()
    folder.chmod(0o777)  # whoever runs the server may write there
    for parent in folder.parents:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o001)
    name = f"canary_{uuid4().hex[:8]}"
    url = f"{server.rpartition('/')[0]}/{name}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            with psycopg.connect(url, autocommit=True) as admin:
                admin.execute(
                    "CREATE TABLE canary (note text); INSERT INTO canary VALUES ('alive')"
                )
                found = Canaries(folder, name, admin, [])
                yield Canaries(folder, name, admin, found.now())
        finally:
            query = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(query.format(sql.Identifier(name)))


def attacks(canaries: Canaries) -> list[str]:
    """Statements that harm a canary when somebody with the rights executes them."""
    folder, name = canaries.folder, canaries.database
    return [
        f"COPY (SELECT 1) TO PROGRAM 'cat > {folder}/program'",
        f"COPY (SELECT 1) TO '{folder}/file'",
        f"SELECT pg_catalog.lo_export(pg_catalog.lo_from_bytea(0, '\\x41'), '{folder}/object')",
        "DO $x$ BEGIN PERFORM pg_read_file('/etc/passwd'); UPDATE pg_database SET"
        " datallowconn = false; END $x$",
        f"UPDATE pg_catalog.pg_database SET datconnlimit = 0 WHERE datname = '{name}'",  # noqa: S608
        f"ALTER DATABASE {name} RENAME TO gone",
        f"ALTER DATABASE {name} SET work_mem = '1MB'",
        f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false",
        f"COMMENT ON DATABASE {name} IS 'mine'",
        "ALTER DATABASE postgres CONNECTION LIMIT 0",
        "CREATE ROLE thief SUPERUSER LOGIN PASSWORD 'x'",
        "ALTER ROLE postgres PASSWORD 'x'",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        "GRANT pg_execute_server_program TO CURRENT_USER",
        "ALTER SYSTEM SET archive_command = 'true'",
        "SET SESSION AUTHORIZATION postgres",
        "SET ROLE postgres",
        "CREATE TABLESPACE t LOCATION '/tmp'",
        f"DROP DATABASE {name}",
    ]
