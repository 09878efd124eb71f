"""Objects that a restore is asked to leave out: ``VIEW totals``, as ``schema.sql`` names them.

The parts of such an object are left out with it: its comments, a table's keys and triggers, a
materialized view's indexes.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from mediatool_assets.domain.ddl import tree
from mediatool_assets.domain.ddl.kinds import MADE_BY, ROWS_OF_VIEW
from mediatool_assets.domain.ddl.script import DumpEntry
from mediatool_assets.domain.schema import Schema, Table

_RELATIONS = ("TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE", "SEQUENCE")
_OF_RELATIONS = frozenset(
    {"CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "TRIGGER", "RULE", "DEFAULT"}
)
_SAME_NAME = {
    "SEQUENCE OWNED BY": "SEQUENCE",
    "INDEX ATTACH": "INDEX",
    "TABLE ATTACH": "TABLE",
    "ROW SECURITY": "TABLE",
    "SHELL TYPE": "TYPE",
}


@dataclass(frozen=True, slots=True)
class Skips:
    """What to leave out, and the reason for each; a kind alone means all objects of that kind."""

    reasons: Mapping[str, str] = field(default_factory=dict)

    def named(self, found: Iterable[DumpEntry]) -> "Skips":
        """The same, with each kind replaced by the names of all its objects."""
        by_kind = {str(e): self.reasons[e.kind] for e in found if e.kind in self.reasons}
        return Skips(by_kind | {n: r for n, r in self.reasons.items() if n not in MADE_BY})

    def reason(self, entry: DumpEntry) -> str | None:
        """Why an entry is left out, by itself or as a part of another; None if it is created."""
        return next((self.reasons[n] for n in _names(entry) if n in self.reasons), None)

    def unfilled(self, schema: Schema) -> dict[str, str]:
        """The materialized views that are created but not filled, and how each was named."""
        names = {f"{ROWS_OF_VIEW} {view}": view for view in schema.views}
        names |= {f"{ROWS_OF_VIEW} {schema.name}.{view}": view for view in schema.views}
        return {names[name]: name for name in self.reasons if name in names}

    def others(self, schema: Schema, skipped: Collection[DumpEntry]) -> Iterator[str]:
        """Messages beside ``skipped``: views that stay empty, and names that match nothing."""
        unfilled = set(self.unfilled(schema).values())
        named = {name for entry in skipped for name in _names(entry)}
        for name, reason in self.reasons.items():
            if name in unfilled:
                yield f"{name}: {reason}"
            elif name not in named:
                yield f"{name}: {reason}, and the version has none"


def _names(entry: DumpEntry) -> Iterator[str]:
    """How an entry can be named: by its own name, and by the objects that it is a part of."""
    for kind, name in _goes_with(entry):
        yield f"{kind} {name}"
        yield f"{kind} {entry.namespace}.{name}"


def _goes_with(entry: DumpEntry) -> Iterator[tuple[str, str]]:
    yield entry.kind, entry.name
    if entry.kind in _SAME_NAME:
        yield _SAME_NAME[entry.kind], entry.name
    if entry.kind in _OF_RELATIONS:
        yield from _on_relation(_before_space(entry.name))
    if entry.kind in ("INDEX", "STATISTICS", "SEQUENCE OWNED BY"):
        yield from _on_relation(_relations_of(entry))
    if entry.kind == "COMMENT":
        yield from _commented(entry.name)


def _commented(name: str) -> Iterator[tuple[str, str]]:
    """The object of a comment: ``VIEW v``, ``COLUMN v.c``, ``TRIGGER t ON v``."""
    kind = max((k for k in MADE_BY if name.startswith(f"{k} ")), key=len, default="")
    rest = name.removeprefix(f"{kind} ")
    yield kind, rest
    if name.startswith("COLUMN "):
        column = name.removeprefix("COLUMN ")
        yield from _on_relation(column[:i] for i, c in enumerate(column) if c == ".")
    part, on, relation = rest.rpartition(" ON ")
    if on and kind in _OF_RELATIONS:
        for each in ("FK CONSTRAINT", "CHECK CONSTRAINT") if kind == "CONSTRAINT" else ():
            yield each, f"{relation} {part}"
        yield kind, f"{relation} {part}"
        yield from _on_relation([relation])


def _on_relation(names: Collection[str] | Iterator[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        yield from ((kind, name) for kind in _RELATIONS)


def _before_space(name: str) -> Iterator[str]:
    """``t key`` belongs to ``t``; both may have spaces in them."""
    return (name[:i] for i, c in enumerate(name) if c == " ")


def _relations_of(entry: DumpEntry) -> Iterator[str]:
    for text in entry.statements[:1]:
        nodes = [node for node, _ in tree.walk(tree.inner(tree.parse(text)))]
        yield from (str(n.relname) for n in nodes if n.DESCRIPTOR.name == "RangeVar")
        if entry.kind == "SEQUENCE OWNED BY":
            *_, table, _ = (str(n.sval) for n in nodes if n.DESCRIPTOR.name == "String")
            yield table


def schema_without(schema: Schema, skipped: Collection[str]) -> Schema:
    """The schema without these entries, each given as ``KIND name``."""

    def is_made(kind: str, name: str) -> bool:
        return f"{kind} {name}" not in skipped

    return msgspec.structs.replace(
        schema,
        tables=tuple(_without(t, skipped) for t in schema.tables if is_made("TABLE", t.name)),
        enums=tuple(enum for enum in schema.enums if is_made("TYPE", enum.name)),
        sequences=tuple(each for each in schema.sequences if is_made("SEQUENCE", each.name)),
        views=tuple(
            view
            for view in schema.views
            if is_made("VIEW", view) and is_made("MATERIALIZED VIEW", view)
        ),
    )


def _without(table: Table, skipped: Collection[str]) -> Table:
    def is_made(kind: str, part: str) -> bool:
        return f"{kind} {table.name} {part}" not in skipped

    space = f"{table.namespace}." if table.namespace else ""
    indexes = tuple(
        index
        for index in table.indexes
        if is_made("CONSTRAINT", index.name) and f"INDEX {space}{index.name}" not in skipped
    )
    gone = {index.columns for index in table.indexes if index not in indexes}
    return msgspec.structs.replace(
        table,
        columns=tuple(
            c if is_made("DEFAULT", c.name) else msgspec.structs.replace(c, default=None)
            for c in table.columns
        ),
        primary_key=() if table.primary_key in gone else table.primary_key,
        unique_keys=tuple(key for key in table.unique_keys if key not in gone),
        foreign_keys=tuple(k for k in table.foreign_keys if is_made("FK CONSTRAINT", k.name)),
        indexes=indexes,
    )
