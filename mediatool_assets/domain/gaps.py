"""Objects of the exported schemas that depend on objects outside of them."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec


class NamedEntry(Protocol):
    """An entry of ``schema.sql``."""

    @property
    def name(self) -> str:
        """Its name; for a trigger, its table's name, a space, and its own name."""

    @property
    def namespace(self) -> str:
        """Its schema."""


def _names(entry: NamedEntry) -> Iterator[str]:
    """The names by which PostgreSQL identifies the object: ``s.v``, ``trigger on s.t``."""
    yield f"{entry.namespace}.{entry.name}"
    relation, space, part = entry.name.partition(" ")
    if space:
        yield f"{part} on {entry.namespace}.{relation}"


class OutsideDependency(msgspec.Struct, frozen=True, omit_defaults=True):
    """An object of the exported schemas that needs an object outside of them.

    Kinds and names are PostgreSQL's own (``pg_identify_object``). ``schema`` is the schema of the
    needed object; None if it is in no schema, like a foreign server.
    """

    kind: str
    name: str
    needs_kind: str
    needs: str
    schema: str | None = None

    @property
    def stops_restore(self) -> bool:
        """Whether the object cannot be created without it; a foreign key is left out instead."""
        return self.kind != "table constraint"

    def is_of(self, entries: Iterable[NamedEntry]) -> bool:
        """Whether one of these entries of ``schema.sql`` creates the object."""
        return self.name.replace('"', "") in {name for each in entries for name in _names(each)}

    def __str__(self) -> str:
        if self.kind == "table constraint":
            fate = "restores leave it out"
            what = f"the foreign key {self.name} refers to {self.needs}"
        else:
            fate = "a restore fails"
            what = f"the {self.kind} {self.name} needs the {self.needs_kind} {self.needs}"
        if self.name == self.needs:
            what = f"the {self.kind} {self.name} has rows of a table in an exported schema, and is"
        if self.schema is None or self.needs_kind == "foreign table":
            return f"{what}, which no version carries: {fate}; {_SKIP}"
        fix = f"add {self.schema} to MEDIATOOL_POSTGRES_SCHEMA"
        where = f"in a schema that is not exported: {fate}; {fix}"
        if self.name == self.needs:
            return f"{what} {where}"
        return f"{what}, {where}, or {_SKIP}" if self.stops_restore else f"{what}, {where}"


_SKIP = "leave it out of restores with MEDIATOOL_RESTORE_SKIP"
