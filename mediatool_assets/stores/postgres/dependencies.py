"""Dependencies of some schemas on extensions and on objects of other schemas.

PostgreSQL records dependencies in pg_depend, but not those in the text of a function's body. The
names in such bodies are compared with those of the extensions' members.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import LiteralString, NamedTuple

from psycopg import sql

from mediatool_assets.domain.gaps import OutsideDependency
from mediatool_assets.stores.postgres.connection import Connection

# ``ours``: the objects of the schemas and their parts (defaults, indexes, constraints, triggers,
# partitions, owned sequences). Members of an extension belong to it, and no restore creates the
# ``unmade`` objects: policies, and tables on other servers.
# ``needed``: what these refer to elsewhere; for an array its element, for a row type its table.
_CLOSURE = """
WITH RECURSIVE spaces (oid) AS (SELECT oid FROM pg_namespace WHERE nspname = ANY (%(schemas)s)),
member (classid, objid, extension) AS MATERIALIZED (
    SELECT classid, objid, refobjid FROM pg_depend
    WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
),
unmade (classid, objid) AS (
    SELECT d.classid, d.objid FROM pg_depend d JOIN pg_class c ON c.oid = d.classid
    WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relname IN
        ('pg_default_acl', 'pg_policy', 'pg_publication_rel', 'pg_publication_namespace')
    UNION SELECT 'pg_class'::regclass, oid FROM pg_class WHERE relkind = 'f'
),
ours (classid, objid) AS (
    SELECT d.classid, d.objid FROM pg_depend d
    WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid IN (TABLE spaces)
      AND d.deptype = 'n'
      AND (d.classid, d.objid) NOT IN (TABLE unmade)
      AND NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = (d.classid, d.objid))
    UNION
    SELECT d.classid, d.objid FROM ours
    JOIN pg_depend d ON d.refclassid = ours.classid AND d.refobjid = ours.objid
    WHERE d.deptype IN ('a', 'i', 'P', 'S')
      AND (d.classid, d.objid) NOT IN (TABLE unmade)
),
needed (classid, objid, byclass, byobj) AS (
    SELECT d.refclassid, d.refobjid, d.classid, d.objid
    FROM ours JOIN pg_depend d USING (classid, objid)
    WHERE d.refobjid >= 16384 AND d.refclassid <> 'pg_namespace'::regclass
      AND (d.refclassid, d.refobjid) NOT IN (TABLE ours)
    UNION
    SELECT d.refclassid, d.refobjid, n.byclass, n.byobj
    FROM needed n JOIN pg_depend d USING (classid, objid)
    WHERE d.refobjid >= 16384 AND d.refclassid <> 'pg_namespace'::regclass
      AND (d.deptype = 'i' OR n.classid = 'pg_extension'::regclass)
      AND (d.refclassid, d.refobjid) NOT IN (TABLE ours)
)
"""

_EXTENSIONS = """, wanted (oid) AS (
    SELECT objid FROM ours WHERE classid = 'pg_extension'::regclass
    UNION SELECT objid FROM needed WHERE classid = 'pg_extension'::regclass
    UNION SELECT m.extension FROM needed JOIN member m USING (classid, objid)
    UNION SELECT e.oid FROM pg_extension e WHERE e.extname = ANY (%(also)s)
),
required (oid) AS (
    SELECT oid FROM wanted
    UNION
    SELECT d.refobjid FROM required JOIN pg_depend d ON d.objid = required.oid
     AND d.classid = 'pg_extension'::regclass AND d.refclassid = 'pg_extension'::regclass
)
SELECT e.extname, n.nspname FROM required JOIN pg_extension e USING (oid)
JOIN pg_namespace n ON n.oid = e.extnamespace ORDER BY 1
"""

_GAPS = """, found (classid, objid, byclass, byobj) AS (
    SELECT * FROM needed n WHERE n.classid <> 'pg_extension'::regclass
      AND NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = (n.classid, n.objid))
      AND NOT EXISTS (SELECT FROM pg_depend d  -- of a part, what it is a part of is named
                      WHERE (d.classid, d.objid) = (n.classid, n.objid) AND d.deptype = 'i'
                        AND d.refobjid >= 16384)
    UNION
    SELECT o.classid, o.objid, o.classid, o.objid FROM ours o
    JOIN pg_class c ON o.classid = 'pg_class'::regclass AND c.oid = o.objid
    WHERE c.relkind IN ('r', 'p', 'f', 'S') AND c.relnamespace NOT IN (TABLE spaces)
)
SELECT DISTINCT by.type, by.identity, needs.type, needs.identity, needs.schema
FROM found
LEFT JOIN pg_rewrite w ON byclass = 'pg_rewrite'::regclass AND w.oid = byobj
LEFT JOIN pg_attrdef f ON byclass = 'pg_attrdef'::regclass AND f.oid = byobj
LEFT JOIN pg_type t ON byclass = 'pg_type'::regclass AND t.oid = byobj AND t.typrelid <> 0
CROSS JOIN pg_identify_object(
    CASE WHEN coalesce(w.oid, f.oid, t.oid) IS NULL THEN byclass ELSE 'pg_class'::regclass END,
    coalesce(w.ev_class, f.adrelid, t.typrelid, byobj), 0) by
CROSS JOIN pg_identify_object(found.classid, found.objid, 0) needs
WHERE by.type IS NOT NULL AND needs.type <> 'table constraint'  -- of a key, its target is named
ORDER BY 1, 2, 3, 4
"""

_BODIES = """
SELECT p.prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
WHERE n.nspname = ANY (%(schemas)s) AND l.lanname NOT IN ('c', 'internal')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
                  AND d.objid = p.oid AND d.deptype = 'e')
"""

# Names of PostgreSQL, of SQL keywords or of objects in the schemas mean those, not a member's.
_MEMBERS = """
SELECT e.extname, m.classid::regclass::text, coalesce(p.proname, t.typname, c.relname)::text
FROM pg_depend m JOIN pg_extension e ON e.oid = m.refobjid
LEFT JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
LEFT JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid AND t.typtype <> 'p'
LEFT JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
    AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
WHERE m.deptype = 'e' AND m.refclassid = 'pg_extension'::regclass AND e.oid >= 16384
  AND coalesce(p.proname, t.typname, c.relname) IS NOT NULL
  AND NOT EXISTS (SELECT FROM pg_get_keywords() k
                  WHERE k.word = coalesce(p.proname, t.typname, c.relname))
  AND NOT EXISTS (
    SELECT FROM pg_proc other JOIN pg_namespace n ON n.oid = other.pronamespace
    WHERE other.proname = p.proname AND (n.nspname = 'pg_catalog' OR n.nspname = ANY (%(schemas)s)
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
                      AND d.objid = other.oid AND d.deptype = 'e')))
"""

_CALLED = re.compile(r'([\w$]+)"?\s*\(')
_TYPED = re.compile(
    r'(?:::|\b(?:as|returns|declare|[\w$]+"?)\s)\s*(?:"?[\w$]+"?\.)?"?([\w$]+)"?\s*'
    r"(?=[\[(;,):]|:=|\bdefault\b|\bnot\s+null\b|$)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[\w$]+")


class RequiredExtension(NamedTuple):
    """An extension that the schemas need, and the schema of its objects."""

    name: str
    schema: str


def extensions(connection: Connection, schemas: Sequence[str]) -> list[RequiredExtension]:
    """The extensions that the schemas' objects need, and the extensions that these require."""
    given = {"schemas": list(schemas), "also": _named_in_bodies(connection, schemas)}
    return [RequiredExtension(*row) for row in connection.execute(_closed(_EXTENSIONS), given)]


def gaps(connection: Connection, schemas: Sequence[str]) -> list[OutsideDependency]:
    """The objects that the schemas' objects need outside of the schemas and of extensions."""
    found = connection.execute(_closed(_GAPS), {"schemas": list(schemas)})
    return [OutsideDependency(*row) for row in found]


def _closed(query: LiteralString) -> sql.Composed:
    return sql.SQL(_CLOSURE) + sql.SQL(query)


def _named_in_bodies(connection: Connection, schemas: Sequence[str]) -> list[str]:
    given = {"schemas": list(schemas)}
    bodies = [body for (body,) in connection.execute(_BODIES, given)]
    if not bodies:
        return []
    called, typed, words = (set(_all(bodies, p)) for p in (_CALLED, _TYPED, _WORD))
    named = {"pg_proc": called, "pg_type": typed, "pg_class": words}
    members = connection.execute(_MEMBERS, given)
    return sorted({extension for extension, kind, name in members if name in named[kind]})


def _all(bodies: Iterable[str], pattern: re.Pattern[str]) -> Iterator[str]:
    for body in bodies:
        for match in pattern.finditer(body):
            yield match[match.lastindex or 0].lower()
