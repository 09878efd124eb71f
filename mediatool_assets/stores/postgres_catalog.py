"""The schema of the source, read from pg_catalog in the snapshot.

Dependencies of some schemas on extensions and on objects of other schemas.

PostgreSQL records dependencies in pg_depend, but not those in the text of a function's body. The
names in such bodies are compared with those of the extensions' members.

What a restore creates as the role of its URL: extensions, and operator classes.

Everything else is created by a role that only owns its database. Extensions are created first,
while the database contains nothing of the archive. Allowed are those that the server trusts any
owner of a database with, and those in an allow list.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, NamedTuple

from psycopg import sql

from mediatool_assets.core.errors import BadSource, CheckFailed, Refused
from mediatool_assets.core.restorable_ddl import ScriptExtension
from mediatool_assets.core.schema import (
    Column,
    Enum,
    ForeignKey,
    Index,
    OutsideDependency,
    Schema,
    Table,
    namespaces,
)
from mediatool_assets.core.schema import Sequence as DatabaseSequence
from mediatool_assets.core.setting_values import leave_out
from mediatool_assets.stores.postgres import VARIABLE, Connection, restore_translated

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


class Relation(NamedTuple):
    """A table that stores rows itself: an ordinary table or a leaf of a partitioned one."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class SourceTables:
    """The schema, and the relations that store each table's rows, in order."""

    schema: Schema
    relations: dict[str, tuple[Relation, ...]]


# Both read pg_inherits, which obeys the snapshot; pg_partition_tree would show the present state.
# Partitions of a table of the schema belong to that table, in whatever schema they are.
_TABLES = """
WITH RECURSIVE schema AS (SELECT oid, nspname FROM pg_namespace WHERE nspname = ANY (%s)),
below (oid) AS (
    SELECT i.inhrelid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent, schema
    WHERE c.relkind = 'p' AND c.relnamespace = schema.oid
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN below ON below.oid = i.inhparent
)
SELECT c.oid, schema.nspname, c.relname, c.relkind = 'p', obj_description(c.oid, 'pg_class')
FROM pg_class c JOIN schema ON c.relnamespace = schema.oid
WHERE c.relkind IN ('r', 'p') AND c.oid NOT IN (SELECT oid FROM below)
"""

_LEAVES = """
WITH RECURSIVE tree (root, oid) AS (
    SELECT oid, oid FROM unnest(%s::oid[]) root (oid)
    UNION ALL
    SELECT tree.root, i.inhrelid FROM pg_inherits i JOIN tree ON tree.oid = i.inhparent
)
SELECT tree.root, n.nspname, c.relname, c.relkind::text
FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind <> 'p'
"""

_TYPES = """
SELECT t.oid, format_type(t.oid, NULL), t.typtype::text, t.typcategory::text, t.typbasetype,
       coalesce(e.oid, 0)
FROM pg_type t LEFT JOIN pg_type e ON e.typarray = t.oid
"""

_COLUMNS = """
SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), a.atttypid, a.attnotnull,
       pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> '', nullif(a.attidentity::text, ''),
       col_description(a.attrelid, a.attnum)
FROM pg_attribute a
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = ANY (%s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""

_FOREIGN_KEYS = """
SELECT k.conrelid, k.conname,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u (n, i)
             JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.i),
       n.nspname, t.relname::text,
       CASE WHEN t.relnamespace = s.relnamespace THEN t.relname::text
            ELSE t.relnamespace::regnamespace || '.' || t.relname END,
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u (n, i)
             JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n ORDER BY u.i),
       CASE k.confdeltype WHEN 'c' THEN 'cascade' WHEN 'n' THEN 'set null'
                          WHEN 'd' THEN 'set default' END,
       k.convalidated, temporal,
       NOT EXISTS (
           SELECT FROM unnest(k.conpfeqop, k.conkey, k.confkey) WITH ORDINALITY u (equal, m, n, i)
           JOIN pg_operator o ON o.oid = u.equal JOIN pg_type y ON y.oid = o.oprleft
           JOIN pg_attribute own ON own.attrelid = k.conrelid AND own.attnum = u.m
           JOIN pg_attribute key ON key.attrelid = k.confrelid AND key.attnum = u.n
           LEFT JOIN pg_collation l ON l.oid = key.attcollation
           WHERE NOT (temporal AND u.i = cardinality(k.conkey))
             AND NOT (y.typname = ANY (%s) AND coalesce(l.collisdeterministic, true)
                      AND (o.oprleft = o.oprright OR y.typcategory = 'N')
                      AND (y.typname <> 'bpchar' OR own.atttypid = key.atttypid)))
FROM pg_constraint k
CROSS JOIN coalesce((to_jsonb(k) ->> 'conperiod')::boolean, false) temporal  -- since 18
JOIN pg_class s ON s.oid = k.conrelid
JOIN pg_class t ON t.oid = k.confrelid JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE k.conrelid = ANY (%s) AND k.contype = 'f'
  AND NOT EXISTS (SELECT FROM pg_constraint up WHERE up.oid = k.conparentid
                  AND up.conrelid = k.conrelid)  -- copies for partitions of the target
"""

_EXACT = [
    *("bool", "int2", "int4", "int8", "numeric", "float4", "float8", "money", "oid", "uuid"),
    *("text", "bpchar", "char", "name", "citext", "bytea", "bit", "varbit", "anyenum"),
    *("date", "time", "timestamp", "timestamptz", "inet", "macaddr", "macaddr8", "pg_lsn"),
]
"""Types whose equality can be decided (docs/reference/archive-format.md)."""

_INDEXES = """
SELECT i.indrelid, c.relname, i.indisunique, i.indisprimary,
       i.indpred IS NULL AND i.indexprs IS NULL AND i.indisvalid AND i.indimmediate,
       ARRAY(SELECT coalesce(a.attname::text, pg_get_indexdef(i.indexrelid, k, true))
             FROM generate_series(1, i.indnkeyatts) k
             LEFT JOIN pg_attribute a
                    ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k - 1] AND a.attnum > 0
             ORDER BY k),
       pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY (%s)
"""

_ENUMS = """
SELECT n.nspname, t.typname, array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid
JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = ANY (%s) GROUP BY n.nspname, t.typname
"""

_OTHERS = """
SELECT n.nspname, c.relname, c.relkind::text, c.relispopulated
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (%s)
  AND (c.relkind IN ('v', 'm', 'S') OR c.relkind = 'f' AND NOT c.relispartition)
"""


def tables_of(connection: Connection, name: str) -> list[Relation]:
    """The tables of the schema ``name`` in order; partitions follow their parents."""
    found = connection.execute(_TABLES, (list(namespaces(name)),))
    return sorted(Relation(row[1], row[2]) for row in found)


def read_catalog(
    connection: Connection, name: str, exclude: Collection[str] = frozenset[str]()
) -> SourceTables:
    """Read the schema ``name``, or a list of schemas; raises BadSource if there is no table.

    Tables of ``exclude`` may have partitions on other servers, which no snapshot covers.
    """
    found, relations = read_tables(connection, name, exclude)
    return SourceTables(_schema(connection, name, found, _Naming(namespaces(name))), relations)


def read_tables(
    connection: Connection, name: str, exclude: Collection[str] = frozenset[str]()
) -> tuple[list[Table], dict[str, tuple[Relation, ...]]]:
    """The tables of a catalog, by name, and the relations of their rows; needs no rights."""
    naming = _Naming(namespaces(name))
    _require_there(connection, naming.spaces)
    tables = connection.execute(_TABLES, (list(naming.spaces),)).fetchall()
    if not tables:
        raise BadSource(
            f"schema {name} has no table; fill it (`mediatool seed` fills the local one), "
            "or set MEDIATOOL_POSTGRES_SCHEMA to another"
        )
    oids = [row[0] for row in tables]
    leaves = _grouped(connection.execute(_LEAVES, ([row[0] for row in tables if row[3]],)))
    columns = _columns(connection, oids)
    foreign_keys = _grouped(connection.execute(_FOREIGN_KEYS, (_EXACT, oids)))
    indexes = _grouped(connection.execute(_INDEXES, (oids,)))
    relations: dict[str, tuple[Relation, ...]] = {}
    found = []
    for oid, space, relation, partitioned, comment in tables:
        table = naming.of(space, relation)
        if table in relations:
            raise BadSource(
                f"two tables of the schemas {name}: both would be exported as {table}; "
                "export these schemas separately"
            )
        relations[table] = (
            _leaves(space, relation, leaves[oid], refusing=table not in exclude)
            if partitioned
            else (Relation(space, relation),)
        )
        keys = sorted(indexes[oid])
        found.append(
            Table(
                table,
                columns[oid],
                primary_key=next((tuple(key[4]) for key in keys if key[2]), ()),
                unique_keys=tuple(tuple(k[4]) for k in keys if k[1] and k[3] and not k[2]),
                foreign_keys=tuple(sorted(map(naming.key, foreign_keys[oid]), key=_name)),
                indexes=tuple(Index(k[0], k[1], tuple(k[4]), k[5]) for k in keys),
                partitions=tuple(
                    leaf.name if leaf.namespace == space else f"{leaf.namespace}.{leaf.name}"
                    for leaf in (relations[table] if partitioned else ())
                ),
                comment=comment,
                namespace=naming.space(space),
            )
        )
    return sorted(found, key=_name), relations


def _name(thing: Table | ForeignKey) -> str:
    return thing.name


@dataclass(frozen=True, slots=True)
class _Naming:
    """The names of objects: with several schemas, prefixed with their schema's name."""

    spaces: tuple[str, ...]

    def space(self, namespace: str) -> str | None:
        """The namespace to record."""
        return namespace if len(self.spaces) > 1 else None

    def of(self, namespace: str, relation: str) -> str:
        """The name of an object of that schema."""
        return f"{namespace}.{relation}" if len(self.spaces) > 1 else relation

    def key(self, row: tuple[Any, ...]) -> ForeignKey:
        """A row of _FOREIGN_KEYS."""
        name, own, space, relation, seen, theirs, *rest = row
        ours = len(self.spaces) > 1 and space in self.spaces
        table = self.of(space, relation) if ours else seen
        return ForeignKey(name, tuple(own), table, tuple(theirs), *rest)


def _require_there(connection: Connection, names: tuple[str, ...]) -> None:
    query = "SELECT nspname FROM pg_namespace WHERE nspname = ANY (%s)"
    there = {row[0] for row in connection.execute(query, (list(names),))}
    for name in names:
        if name not in there:
            raise BadSource(
                f"there is no schema {name}; set MEDIATOOL_POSTGRES_SCHEMA to one of the source"
            )


def _grouped(rows: Iterable[tuple[Any, ...]]) -> defaultdict[int, list[tuple[Any, ...]]]:
    """Rows grouped by their first field, without it."""
    groups: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for first, *others in rows:
        groups[first].append(tuple(others))
    return groups


def _leaves(
    schema: str, table: str, leaves: list[tuple[Any, ...]], *, refusing: bool
) -> tuple[Relation, ...]:
    """The leaves of a partitioned table: those of its own schema first, by name."""
    for namespace, name, kind in leaves:
        if kind == "f" and refusing:
            raise BadSource(
                f"{schema}.{table}: its partition {namespace}.{name} is a foreign table, whose "
                "rows no snapshot covers; detach it, or exclude the table"
            )
    return tuple(sorted((Relation(n, r) for n, r, _ in leaves), key=lambda r: (r[0] != schema, r)))


class _Type(NamedTuple):
    name: str
    kind: str
    category: str
    below: int
    element: int


class _Types:
    """The content of pg_type, with domains resolved."""

    def __init__(self, connection: Connection) -> None:
        self._types = {row[0]: _Type(*row[1:]) for row in connection.execute(_TYPES)}

    def base(self, oid: int) -> _Type:
        """The type below all domains."""
        found = self._types[oid]
        while found.kind == "d":
            found = self._types[found.below]
        return found


def _columns(connection: Connection, oids: list[int]) -> dict[int, tuple[Column, ...]]:
    types = _Types(connection)
    columns: dict[int, list[Column]] = {oid: [] for oid in oids}
    for row in connection.execute(_COLUMNS, (oids,)):
        oid, name, full, type_oid, not_null, default, generated, identity, comment = row
        base = types.base(type_oid)
        element = types.base(base.element) if base.element else None
        columns[oid].append(
            Column(
                name,
                full,
                base.name,
                base.kind,
                base.category,
                nullable=not not_null,
                element=element and element.name,
                element_kind=element and element.kind,
                default=default,
                generated=generated,
                identity=identity,
                comment=comment,
            )
        )
    return {oid: tuple(found) for oid, found in columns.items()}


def _schema(connection: Connection, name: str, tables: list[Table], naming: _Naming) -> Schema:
    spaces = list(naming.spaces)
    enums = connection.execute(_ENUMS, (spaces,)).fetchall()
    kinds: defaultdict[str, list[Relation]] = defaultdict(list)
    unpopulated = []
    for space, relation, kind, full in sorted(connection.execute(_OTHERS, (spaces,)).fetchall()):
        kinds["v" if kind == "m" else kind].append(Relation(space, relation))
        if kind == "m" and not full:
            unpopulated.append(naming.of(space, relation))
    return Schema(
        name,
        tuple(tables),
        enums=tuple(
            sorted((Enum(naming.of(s, e), tuple(ls)) for s, e, ls in enums), key=lambda e: e.name)
        ),
        sequences=tuple(_sequence(connection, relation, naming) for relation in kinds["S"]),
        views=tuple(naming.of(*relation) for relation in kinds["v"]),
        unpopulated=tuple(unpopulated),
        foreign_tables=tuple(naming.of(*relation) for relation in kinds["f"]),
        gaps=tuple(gaps(connection, naming.spaces)),
    )


def _sequence(connection: Connection, relation: Relation, naming: _Naming) -> DatabaseSequence:
    query = sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(*relation))
    [(last, called)] = connection.execute(query)
    return DatabaseSequence(naming.of(*relation), last, called, naming.space(relation.namespace))


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
        with restore_translated(connection.info.dbname, f"EXTENSION {extension.name}"):
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
