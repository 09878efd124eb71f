"""``schema.sql`` and ``schema.json`` of a sanitized copy."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from postgast.pg_query_pb2 import Node

from mediatool_assets.domain.ddl import tree
from mediatool_assets.domain.ddl.script import DumpEntry, entries
from mediatool_assets.domain.errors import BadRules
from mediatool_assets.domain.masking.ddl.known import Denied, Known, Name, NeedsLeftOut
from mediatool_assets.domain.masking.ddl.literals import Literals
from mediatool_assets.domain.masking.ddl.statements import Statements
from mediatool_assets.domain.masking.masker import Masker
from mediatool_assets.domain.masking.rules import Rules
from mediatool_assets.domain.schema import Column, Index, Schema, Sequence, Table, namespaces

_ACCESS = frozenset({"ACL", "DEFAULT ACL", "POLICY", "SECURITY LABEL"})
_FOREIGN = frozenset({"FOREIGN TABLE", "FOREIGN DATA WRAPPER", "SERVER", "USER MAPPING"})
_NEEDED = frozenset({"TABLE", "TYPE", "DOMAIN", "SCHEMA", "SEQUENCE", "EXTENSION", "TABLE ATTACH"})
_HOLDERS = frozenset({"A_Const", "CreateEnumStmt", "DefElem", "CreateTrigStmt"})
_NAMED_BY_PARTS = {"CreateFunctionStmt": "funcname", "DefineStmt": "defnames"}
_SETTINGS = """\
--
-- PostgreSQL database dump
--

-- Made from the syntax trees of pg_dump's statements, with what the masking rules allow.

SET statement_timeout = 0;
SET lock_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

"""
_END = "--\n-- PostgreSQL database dump complete\n--\n\n"


class KeptLiterals(msgspec.Struct, frozen=True):
    """Literals of an object of the schema that were kept: how many, and why."""

    object: str
    why: str
    literals: int


class SanitizedDdl(NamedTuple):
    """The two files. ``kept`` and ``left_out`` are for the report, and contain no value.

    ``texts`` are the literals that come from the data, ``names`` all other texts of the two files.
    """

    sql: str
    schema: Schema
    texts: frozenset[str]
    names: frozenset[str]
    kept: tuple[KeptLiterals, ...]
    replaced: int
    left_out: tuple[str, ...]


def sanitized_ddl(text: str, schema: Schema, rules: Rules, masker: Masker) -> SanitizedDdl:
    """The DDL that the rules allow; raises tree.BadStatement, BadRules.

    The pseudonyms are made by the masker, which records them like those of rows.
    """
    return _ScriptSanitizer(schema, rules, masker).all_of(text)


class _ScriptSanitizer:
    def __init__(self, schema: Schema, rules: Rules, masker: Masker) -> None:
        self._known = Known(schema, rules, masker)
        self._statements = Statements(self._known)
        self._rules = rules
        self._kept: Counter[tuple[str, str]] = Counter()
        self._gone: Counter[str] = Counter()
        self._lines: list[str] = []
        self._indexes: dict[Name, dict[str, str]] = {}
        self._replaced = 0
        self._texts: set[str] = set()
        self._names: set[str] = set()

    def all_of(self, text: str) -> SanitizedDdl:
        """Every entry, and the schema that these entries create."""
        parsed = [(e, [tree.parse(s) for s in e.statements]) for e in entries(text)] if text else []
        self._statements.look_ahead(tree.inner(n) for _, nodes in parsed for n in nodes)
        made = [sql for entry, nodes in parsed for sql in self._entry(entry, nodes)]
        schema = self._schema()
        sequences = "".join(_position(s.namespace or schema.name, s) for s in schema.sequences)
        sql = _SETTINGS + "".join(made) + _END + sequences
        kept = tuple(KeptLiterals(*what, n) for what, n in sorted(self._kept.items()))
        gone = (f"{what}: {count} left out" for what, count in sorted(self._gone.items()))
        lines = tuple(sorted({*self._lines, *self._statements.lines, *gone}))
        said = json.loads(schema.to_json())
        names = frozenset({*self._names, *_strings(said), *lines})
        texts = frozenset(self._texts)
        return SanitizedDdl(sql if text else "", schema, texts, names, kept, self._replaced, lines)

    def _entry(self, entry: DumpEntry, nodes: list[Node]) -> Iterator[str]:
        about = f"{entry.kind.lower()} {entry.name}"
        is_kept = about in self._rules.kept_ddl
        if entry.kind in _ACCESS | _FOREIGN:
            self._gone["grants, policies, labels and foreign objects"] += 1
            return
        if entry.kind == "COMMENT" and "comments" not in self._rules.kept_ddl:
            self._gone["comments"] += 1
            return
        literals = Literals(self._known)
        statements: list[str] = []
        try:
            for node in nodes:
                inner = tree.inner(node)
                if inner.DESCRIPTOR.name in ("AlterOwnerStmt", "VariableSetStmt"):
                    continue
                if is_kept or entry.kind == "COMMENT":
                    literals.texts |= (found := set(_literals(inner)))
                    literals.kept["kept by `ddl:`"] += len(found)
                elif not self._statements.sanitize(inner, about, literals):
                    continue
                statements.append(tree.deparse(node))
                self._names.update(_names(inner))
        except Denied as error:
            self._leave_out(entry, nodes, about, error)
            return
        for why, count in literals.kept.items():
            self._kept[about, why] += count
        self._replaced += len(literals.replaced)
        self._texts |= literals.texts
        self._names.add(entry.name)
        if entry.kind == "INDEX":
            self._indexes[Name(entry.namespace, entry.name)] = literals.replaced
        if statements:
            header = f"Name: {entry.name}; Type: {entry.kind}; Schema: {entry.namespace}; Owner: -"
            yield f"--\n-- {header}\n--\n\n" + "".join(f"{s};\n\n" for s in statements) + "\n"

    def _leave_out(self, entry: DumpEntry, nodes: list[Node], about: str, error: Denied) -> None:
        made = [*map(self._made, map(tree.inner, nodes))]
        follows = all(name is None or self._known.left_out & {name} for name in made)
        if entry.kind in _NEEDED and not (follows or isinstance(error, NeedsLeftOut)):
            raise BadRules(
                [
                    f"{self._rules.source}: {about} of schema.sql: {error}; take it out of the "
                    f"source, or look at it and write `ddl: {{keep: [{about}]}}`"
                ]
            )
        self._known.left_out |= {name for name in made if name is not None}
        self._known.left_out |= set(self._constraints(nodes))
        if isinstance(error, NeedsLeftOut):
            self._gone["objects that depend on one that is left out"] += 1
        else:
            self._lines.append(f"{about} is left out: {error}")

    def _made(self, node: Message) -> Name | None:
        """The object that a statement creates."""
        kind = node.DESCRIPTOR.name
        if kind == "IndexStmt":
            return Name(self._known.relation(node.relation).namespace, node.idxname)
        if kind in _NAMED_BY_PARTS:
            return self._known.named(
                [part.string.sval for part in getattr(node, _NAMED_BY_PARTS[kind])]
            )
        if kind == "CreateTableAsStmt":
            return self._known.relation(node.into.rel)
        if kind in ("CreateStmt", "ViewStmt"):
            return self._known.relation(node.relation if kind == "CreateStmt" else node.view)
        return None

    def _constraints(self, nodes: list[Node]) -> Iterator[Name]:
        """The indexes of keys that are left out; they have the keys' names."""
        for node in map(tree.inner, nodes):
            if node.DESCRIPTOR.name == "AlterTableStmt":
                space = self._known.relation(node.relation).namespace
                for command in node.cmds:
                    added = tree.inner(getattr(command.alter_table_cmd, "def"))
                    if added.DESCRIPTOR.name == "Constraint":
                        yield Name(space, added.conname)

    def _schema(self) -> Schema:
        """The schema that a restore of the statements creates."""
        schema, gone = self._known.schema, self._known.left_out

        def there(names: tuple[str, ...]) -> tuple[str, ...]:
            parts = len(namespaces(schema.name)) > 1
            return tuple(
                n for n in names if self._known.named(n.split(".", 1) if parts else [n]) not in gone
            )

        enums = tuple(
            msgspec.structs.replace(
                enum,
                labels=tuple(
                    dict.fromkeys(new for old in enum.labels for new in self._labels(name, old))
                ),
            )
            for name, enum in zip(self._known.enums(), schema.enums, strict=True)
        )
        return msgspec.structs.replace(
            schema,
            tables=tuple(self._table(name, table) for name, table in self._known.tables.items()),
            enums=enums,
            views=there(schema.views),
            unpopulated=there(schema.unpopulated),
            foreign_tables=(),
        )

    def _labels(self, enum: Name, label: str) -> list[str]:
        return self._known.labels_of[enum][label]

    def _table(self, name: Name, table: Table) -> Table:
        is_flat = name in self._known.flat
        keeps = "comments" in self._rules.kept_ddl
        return msgspec.structs.replace(
            table,
            columns=tuple(self._column(name, column, keeps=keeps) for column in table.columns),
            indexes=tuple(
                _rewritten(index, self._indexes.get(Name(name.namespace, index.name), {}), is_flat)
                for index in table.indexes
                if Name(name.namespace, index.name) not in self._known.left_out
            ),
            partitions=() if is_flat else table.partitions,
            comment=table.comment if keeps else None,
        )

    def _column(self, table: Name, column: Column, *, keeps: bool) -> Column:
        if not keeps:
            column = msgspec.structs.replace(column, comment=None)
        replaced = self._statements.defaults.get((table, column.name), {})
        if replaced is None:
            return msgspec.structs.replace(column, default=None, generated=False)
        if column.default is not None:
            default = _with_literals(column.default, replaced)
            column = msgspec.structs.replace(column, default=default)
        return column


def _literals(node: Message) -> Iterator[str]:
    """The texts of a statement that are not names."""
    for found, parent in tree.walk(node):
        if found.DESCRIPTOR.name == "CommentStmt":
            yield found.comment
        elif (
            found.DESCRIPTOR.name == "String"
            and parent is not None
            and parent.DESCRIPTOR.name in _HOLDERS
        ):
            yield found.sval


def _names(node: Message) -> Iterator[str]:
    """Every text of a statement."""
    for found, _ in tree.walk(node):
        for field, value in found.ListFields():
            if field.type == FieldDescriptor.TYPE_STRING:
                yield from [value] if isinstance(value, str) else value
            elif field.name == "ival" and isinstance(value, int):
                yield str(value)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


def _rewritten(index: Index, replaced: dict[str, str], is_flat: bool) -> Index:
    definition = _with_literals(index.definition, replaced)
    if is_flat:
        definition = definition.replace(" ON ONLY ", " ON ", 1)
    columns = tuple(_with_literals(column, replaced) for column in index.columns)
    return msgspec.structs.replace(index, definition=definition, columns=columns)


def _with_literals(text: str, replaced: dict[str, str]) -> str:
    """PostgreSQL's text of an expression, with other literals."""
    if not replaced:
        return text
    quoted = {_quoted(old): _quoted(new) for old, new in replaced.items()}
    plain = {old: new for old, new in replaced.items() if old.lstrip("-").isdigit()}
    either = [*map(re.escape, quoted), *(rf"(?<![\w.]){re.escape(old)}(?![\w.])" for old in plain)]
    return re.sub("|".join(either), lambda found: (quoted | plain)[found[0]], text)


def _quoted(text: str) -> str:
    escape = "E" if "\\" in text else ""
    return escape + "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _position(namespace: str, found: Sequence) -> str:
    name = ".".join('"' + part.replace('"', '""') + '"' for part in (namespace, found.relation))
    called = str(found.called).lower()
    return f"SELECT pg_catalog.setval({_quoted(name)}, {found.last_value}, {called});\n"
