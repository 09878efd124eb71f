"""What a restore executes of ``schema.sql``, and what it leaves out.

An archive may come from an untrusted source. Every statement that is executed must be of a kind
that creates the object of its entry; otherwise the archive is refused. Owners, tablespaces,
grants and policies are left to the target server. Objects that cannot be restored, and options that
no server knows, are left out and reported.

pg_dump orders its entries into two sections: pre-data and post-data. The text does not mark where
pre-data ends, but some kinds are only in post-data: the data is loaded before the first entry of
these kinds. Entries are never reordered.

Features of a server that a schema needs when it is restored there.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

from google.protobuf.message import Message
from postgast import pg_query_pb2 as pg

from mediatool_assets.core import ddl
from mediatool_assets.core.ddl import BadStatement, DumpEntry, entries, left_out_options
from mediatool_assets.core.schema import Schema
from mediatool_assets.core.setting_values import MADE_BY

_AFTER_DATA = frozenset(
    {
        "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "INDEX", "INDEX ATTACH", "STATISTICS",
        "RULE", "TRIGGER",
    }
)  # fmt: skip

_ACCESS = frozenset({"ACL", "DEFAULT ACL", "POLICY", "SECURITY LABEL"})
"""Kinds that name roles of the source's server."""

_FOREIGN = "foreign servers and their objects are not restored"
_NEVER_MADE = {"FOREIGN TABLE": _FOREIGN, "FOREIGN DATA WRAPPER": _FOREIGN, "SERVER": _FOREIGN}

_DEFINED = {
    "TYPE": "OBJECT_TYPE",
    "SHELL TYPE": "OBJECT_TYPE",
    "AGGREGATE": "OBJECT_AGGREGATE",
    "OPERATOR": "OBJECT_OPERATOR",
    "COLLATION": "OBJECT_COLLATION",
    "TEXT SEARCH PARSER": "OBJECT_TSPARSER",
    "TEXT SEARCH TEMPLATE": "OBJECT_TSTEMPLATE",
    "TEXT SEARCH DICTIONARY": "OBJECT_TSDICTIONARY",
    "TEXT SEARCH CONFIGURATION": "OBJECT_TSCONFIGURATION",
}

_COMMENTED = frozenset(
    {
        "OBJECT_AGGREGATE", "OBJECT_COLLATION", "OBJECT_COLUMN", "OBJECT_CONVERSION",
        "OBJECT_DOMAIN", "OBJECT_DOMCONSTRAINT", "OBJECT_FUNCTION", "OBJECT_INDEX",
        "OBJECT_MATVIEW", "OBJECT_OPCLASS", "OBJECT_OPERATOR", "OBJECT_OPFAMILY",
        "OBJECT_PROCEDURE", "OBJECT_RULE", "OBJECT_SCHEMA", "OBJECT_SEQUENCE",
        "OBJECT_STATISTIC_EXT", "OBJECT_TABCONSTRAINT", "OBJECT_TABLE", "OBJECT_TRIGGER",
        "OBJECT_TSCONFIGURATION", "OBJECT_TSDICTIONARY", "OBJECT_TSPARSER",
        "OBJECT_TSTEMPLATE", "OBJECT_TYPE", "OBJECT_VIEW",
    }
)  # fmt: skip

_COMMENTED_ELSEWHERE = frozenset({"OBJECT_EXTENSION", "OBJECT_FOREIGN_TABLE", "OBJECT_POLICY"})
"""What is not created, or not by the restore."""

_ALTERED = frozenset(
    {
        "AT_AddConstraint", "AT_AddIdentity", "AT_AddInherit", "AT_AttachPartition",
        "AT_ClusterOn", "AT_ColumnDefault", "AT_DisableRule", "AT_DisableTrig",
        "AT_EnableAlwaysRule", "AT_EnableAlwaysTrig", "AT_EnableReplicaRule",
        "AT_EnableReplicaTrig", "AT_EnableRowSecurity", "AT_ReplicaIdentity",
        "AT_SetCompression", "AT_SetExpression", "AT_SetIdentity", "AT_SetNotNull",
        "AT_SetOptions", "AT_SetStatistics", "AT_SetStorage", "AT_ForceRowSecurity",
    }
)  # fmt: skip

_LANGUAGES = frozenset({"sql", "plpgsql"})

_SERVER_S = re.compile(
    r"lo_\w+|pg_(?:read|ls|file|stat_file|reload|rotate|terminate|cancel|promote|switch|backup|wal|"
    r"create_|drop_|copy_|logical|replication|import_system|log_backend|hba|ident)\w*|dblink\w*"
)
"""Functions that act on the server's files, sessions and settings; no schema needs them."""


class ScriptExtension(NamedTuple):
    """An extension, and the schema of its objects."""

    name: str
    schema: str


class RestoreScript(NamedTuple):
    """The entries in order, those before the data and those after it, and what was left out.

    Extensions come first. They only need their schemas, which are created with them. ``skipped``
    are the entries that were left out on request; ``left_out`` also has their reasons, except for
    comments.
    """

    extensions: tuple[ScriptExtension, ...]
    before: tuple[DumpEntry, ...]
    after: tuple[DumpEntry, ...]
    left_out: tuple[str, ...]
    skipped: tuple[DumpEntry, ...] = ()


def read(text: str, skip: Callable[[DumpEntry], str | None] = lambda _: None) -> RestoreScript:
    """The entries of ``schema.sql`` that a restore executes, each with single statements.

    ``skip`` returns the reason to leave an entry out, or None. Raises BadStatement if the text was
    not written by pg_dump, or does more than create objects.
    """
    left_out: list[str] = []
    skipped: list[DumpEntry] = []
    extensions: list[ScriptExtension] = []

    def wanted() -> Iterator[DumpEntry]:
        for entry in entries(text):
            if reason := skip(entry):
                skipped.append(entry)
                if entry.kind != "COMMENT":
                    left_out.append(f"{entry}: {reason}")
            else:
                yield entry

    made = list(_made(wanted(), extensions, left_out))
    theirs = {"public", *(extension.schema for extension in extensions)}
    made = [entry for entry in made if entry.kind != "SCHEMA" or entry.name not in theirs]
    before = tuple(takewhile(lambda entry: entry.kind not in _AFTER_DATA, made))
    after = tuple(made[len(before) :])
    return RestoreScript(tuple(extensions), before, after, tuple(left_out), tuple(skipped))


def _made(
    wanted: Iterable[DumpEntry], extensions: list[ScriptExtension], left_out: list[str]
) -> Iterator[DumpEntry]:
    for entry in wanted:
        if entry.kind in _ACCESS:
            continue
        if reason := _NEVER_MADE.get(entry.kind):
            left_out.append(f"{entry}: {reason}")
            continue
        # The caller decides whether an extension is created at all.
        languages = _LANGUAGES | {extension.name for extension in extensions}
        kept, reasons = _kept(entry, languages)
        left_out += [f"{entry}: {reason}" for reason in reasons]
        if entry.kind == "EXTENSION":
            extensions += map(_extension, kept)
        else:
            yield entry._replace(statements=kept)


def _extension(statement: str) -> ScriptExtension:
    node = ddl.inner(ddl.parse(statement))
    options = {each.def_elem.defname: each.def_elem.arg.string.sval for each in node.options}
    return ScriptExtension(node.extname, options.get("schema", "public"))


def _kept(entry: DumpEntry, languages: Collection[str]) -> tuple[tuple[str, ...], list[str]]:
    """The statements to execute, and reasons for what was left out; raises BadStatement."""
    kept: list[str] = []
    reasons: list[str] = []
    for text in entry.statements:
        node = ddl.parse(text)
        statement = ddl.inner(node)
        if _is_the_target_s(statement):
            continue
        try:
            _check(entry.kind, statement, languages)
        except BadStatement as error:
            raise BadStatement(f"{entry}: {error}", of=str(entry)) from None
        said = left_out_options(statement)
        reasons += said
        if not said:
            kept.append(text)
        elif statement.DESCRIPTOR.name != "AlterTableStmt" or statement.cmds:
            kept.append(ddl.deparse(node))
    return tuple(kept), reasons


def _is_the_target_s(node: Message) -> bool:
    """Whether it sets an owner or a tablespace, or comments on an object of an extension."""
    match node.DESCRIPTOR.name:
        case "AlterOwnerStmt":
            return True
        case "AlterTableStmt":
            return all(_subtype(command) == "AT_ChangeOwner" for command in node.cmds)
        case "VariableSetStmt":
            return bool(node.name == "default_tablespace")
        case "CommentStmt":
            return _object_type(node.objtype) in _COMMENTED_ELSEWHERE
    return False


def _check(kind: str, node: Message, languages: Collection[str]) -> None:
    """Raise BadStatement for a statement that does not create an object of the kind."""
    name = node.DESCRIPTOR.name
    if name not in (*MADE_BY.get(kind, "").split(), "VariableSetStmt"):
        raise BadStatement(f"it has a {name}, which does not create a {kind}")
    if said := _objection(kind, node, languages):
        raise BadStatement(said)
    for inside, _ in ddl.walk(node):
        if inside.DESCRIPTOR.name == "FuncCall" and _is_the_server_s(inside):
            raise BadStatement(f"it calls {inside.funcname[-1].string.sval}, a server's function")


def _objection(kind: str, node: Message, languages: Collection[str]) -> str | None:
    """What a statement of an allowed kind does beyond creating its object; None if nothing."""
    said: str | None = None
    match node.DESCRIPTOR.name:
        case "VariableSetStmt" if node.name != "default_table_access_method":
            said = f"it sets {node.name}"
        case "CreateSchemaStmt" if node.schema_elts or node.HasField("authrole"):
            said = "it creates more than a schema"
        case "CreateExtensionStmt" if any(o.def_elem.defname != "schema" for o in node.options):
            said = "it has options"
        case "CreateTableAsStmt" if not _is_empty_view(node):
            said = "it also inserts rows"
        case "DefineStmt" if _object_type(node.kind) != _DEFINED.get(kind):
            said = f"it makes {_object_type(node.kind)}"
        case "CommentStmt" if _object_type(node.objtype) not in _COMMENTED:
            said = f"it is on {_object_type(node.objtype)}"
        case "RuleStmt" if node.event == pg.CMD_SELECT:
            said = "it turns a table into a view"
        case "CreateFunctionStmt" if odd := _languages_of(node) - {*languages}:
            said = f"its language is {min(odd)}"
        case "AlterTableStmt" if odd := {*map(_subtype, node.cmds)} - _ALTERED:
            said = f"it has {min(odd)}"
    return said


def _is_empty_view(node: Message) -> bool:
    return _object_type(node.objtype) == "OBJECT_MATVIEW" and bool(node.into.skip_data)


def _languages_of(node: Message) -> set[str]:
    named = [each.def_elem for each in node.options if each.def_elem.defname == "language"]
    return {each.arg.string.sval.lower() for each in named}


def _is_the_server_s(call: Message) -> bool:
    *space, name = (part.string.sval for part in call.funcname)
    return space in ([], ["pg_catalog"]) and _SERVER_S.fullmatch(name) is not None


def _subtype(command: Message) -> str:
    return str(pg.AlterTableType.Name(command.alter_table_cmd.subtype))


def _object_type(number: int) -> str:
    return str(pg.ObjectType.Name(number))


_COLLATED = re.compile(r'\bCOLLATE pg_catalog\."((?:[^"]|"")+)"')
_LZ4 = re.compile(r"\bSET COMPRESSION lz4\b")
_ICU = re.compile(r"\bprovider = icu\b")


@dataclass(frozen=True, slots=True)
class ServerFeatures:
    """The features needed, or those of a server; ``collations`` are those of ``pg_catalog``."""

    major: int
    extensions: frozenset[str] = frozenset()
    collations: frozenset[str] = frozenset()
    icu: bool = False
    lz4: bool = False
    xml: bool = False

    def lacking(self, has: "ServerFeatures") -> Iterator[str]:
        """The needed features that a server does not have."""
        if has.major < self.major:
            yield f"PostgreSQL {self.major} or newer (it has {has.major})"
        for extension in sorted(self.extensions - has.extensions):
            yield f"the extension {extension}"
        for collation in sorted(self.collations - has.collations):
            yield f"the collation {collation}"
        if self.icu and not has.icu:
            yield "ICU (collations)"
        if self.lz4 and not has.lz4:
            yield "lz4 (compressed columns)"
        if self.xml and not has.xml:
            yield "libxml (columns of type xml)"


def needs(major: int, schema: Schema, script: RestoreScript) -> ServerFeatures:
    """The features that ``schema.sql``, as a restore reads it, and ``schema.json`` need."""
    collations, icu, lz4 = set[str](), False, False
    for entry in (*script.before, *script.after):
        for text in entry.statements:
            collations.update(name.replace('""', '"') for name in _COLLATED.findall(text))
            lz4 = lz4 or bool(_LZ4.search(text))
            icu = icu or (entry.kind == "COLLATION" and bool(_ICU.search(text)))
    bases = {column.element or column.base for table in schema.tables for column in table.columns}
    return ServerFeatures(
        major,
        frozenset(extension.name for extension in script.extensions),
        frozenset(collations),
        icu or any(name.endswith("-x-icu") for name in collations),
        lz4,
        "xml" in bases,
    )
