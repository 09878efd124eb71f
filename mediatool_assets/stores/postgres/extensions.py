"""What a restore creates as the role of its URL: extensions, and operator classes.

Everything else is created by a role that only owns its database. Extensions are created first,
while the database contains nothing of the archive. Allowed are those that the server trusts any
owner of a database with, and those in an allow list.
"""

from collections.abc import Iterable

from psycopg import sql

from mediatool_assets.domain.ddl.kinds import leave_out
from mediatool_assets.domain.ddl.restorable import ScriptExtension
from mediatool_assets.domain.errors import CheckFailed, Refused
from mediatool_assets.stores.postgres.connection import Connection
from mediatool_assets.stores.postgres.target_session import VARIABLE, translated

_PACKAGES = {
    "": "postgresql-{}",  # contrib's
    **dict.fromkeys(("postgis", "postgis_raster", "postgis_topology"), "postgresql-{}-postgis-3"),
    "vector": "postgresql-{}-pgvector",
}
"""Debian's packages of extensions."""

_AVAILABLE = """
SELECT v.name, bool_or(v.trusted AND v.version = e.default_version)
FROM pg_available_extension_versions v JOIN pg_available_extensions e USING (name) GROUP BY 1
"""

# For B-tree and hash indexes, PostgreSQL itself checks the types of functions.
_STRANGE_MEMBERS = """
SELECT p.amproc::regprocedure::text
FROM pg_amproc p JOIN pg_opfamily f ON f.oid = p.amprocfamily JOIN pg_am a ON a.oid = f.opfmethod
JOIN pg_proc c ON c.oid = p.amproc
WHERE p.xmin = pg_current_xact_id()::xid AND a.amname NOT IN ('btree', 'hash')
  AND c.pronamespace <> 'pg_catalog'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass
                  AND objid = p.amproc AND deptype = 'e')
"""

_MADE = """
SELECT 'CLASS', opcname, nspname, amname FROM pg_opclass o
JOIN pg_namespace n ON n.oid = opcnamespace JOIN pg_am a ON a.oid = opcmethod
WHERE o.xmin = pg_current_xact_id()::xid
UNION ALL
SELECT 'FAMILY', opfname, nspname, amname FROM pg_opfamily o
JOIN pg_namespace n ON n.oid = opfnamespace JOIN pg_am a ON a.oid = opfmethod
WHERE o.xmin = pg_current_xact_id()::xid
"""


def check_extensions(
    connection: Connection, wanted: Iterable[ScriptExtension], allowed: frozenset[str]
) -> None:
    """Raise CheckFailed if the server lacks extensions, Refused if one is not allowed."""
    names = sorted({extension.name for extension in wanted})
    if not names:
        return
    trusted: dict[str, bool] = dict(connection.execute(_AVAILABLE).fetchall())
    if missing := [name for name in names if name not in trusted]:
        major = connection.info.server_version // 10_000
        packages = sorted({_PACKAGES.get(name, _PACKAGES[""]).format(major) for name in missing})
        objects = "; ".join(f"EXTENSION {name}" for name in missing)
        raise CheckFailed(
            f"{connection.info.host}:{connection.info.port} does not have {objects}; nothing was "
            f"restored: install it there (on Debian: {', '.join(packages)}), or name another "
            f"server in {VARIABLE}; {leave_out(objects)}"
        )
    if strange := [name for name in names if not trusted[name] and name not in allowed]:
        raise Refused(
            f"the archive needs the extension {', '.join(strange)}, which PostgreSQL does not "
            "trust; add it to MEDIATOOL_RESTORE_EXTENSIONS if the archive is yours"
        )


def add_extensions(
    connection: Connection, wanted: Iterable[ScriptExtension], role: str | None
) -> None:
    """Create extensions in their schemas."""
    for extension in wanted:
        space = sql.Identifier(extension.schema)
        if extension.schema not in ("pg_catalog", "public"):
            owner = sql.SQL("CURRENT_USER") if role is None else sql.Identifier(role)
            query = sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}")
            connection.execute(query.format(space, owner))
        query = sql.SQL("CREATE EXTENSION IF NOT EXISTS {} WITH SCHEMA {}")
        with translated(connection.info.dbname, f"EXTENSION {extension.name}"):
            connection.execute(query.format(sql.Identifier(extension.name), space))


def add_operator_class(connection: Connection, statement: str, role: str | None) -> None:
    """Create one operator class or family, owned by the role of the database's objects.

    An index calls its functions without checking their types. Functions from the archive itself are
    therefore refused.
    """
    with connection.transaction():
        connection.execute(statement.encode(), binary=True)
        for (function,) in connection.execute(_STRANGE_MEMBERS).fetchall():
            raise Refused(
                f"an operator class of the archive calls {function}, which belongs to no "
                "extension; leave the class out with --skip 'OPERATOR CLASS NAME'"
            )
        made = connection.execute(_MADE).fetchall() if role is not None else []
        for kind, name, space, method in made:
            connection.execute(
                sql.SQL("ALTER OPERATOR {} {} USING {} OWNER TO {}").format(
                    sql.SQL(kind),
                    sql.Identifier(space, name),
                    sql.Identifier(method),
                    sql.Identifier(role or ""),
                )
            )
