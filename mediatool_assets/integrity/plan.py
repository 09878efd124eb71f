"""What a report checks for one schema and model: rows, references, copies."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from mediatool_assets.domain.model import AdditionVerb
from mediatool_assets.domain.resolution import Resolution
from mediatool_assets.domain.schema import ForeignKey, Schema, Table
from mediatool_assets.domain.shapes import AddedField, DocumentShape
from mediatool_assets.flows.integrity.row_layout import RowLayout, layouts
from mediatool_assets.flows.integrity.table_needs import TableNeeds, Take

Counted = tuple[Literal["unresolved", "orphans"], str]
"""A fact that the transformed archive records, and a name in it."""


@dataclass(frozen=True, slots=True)
class CopiedField:
    """A field of documents that is derived from other rows; ``slot`` is ``collection.field``."""

    slot: str
    owner: Table
    added: AddedField


@dataclass(frozen=True, slots=True)
class CheckedReference:
    """Columns of ``owner`` that reference rows of ``target``.

    ``declared`` is true if the database allows no orphans. ``says`` describes the foreign key or
    the field of the model. ``counted`` is the fact, and the name in it, where the transform counted
    these orphans, if it did.
    """

    owner: Table
    columns: tuple[str, ...]
    target: Table
    keys: tuple[str, ...]
    each: bool
    declared: bool
    says: str
    counted: Counted | None = None

    def __str__(self) -> str:
        columns = ", ".join(self.columns) + "[]" * self.each
        return f"{self.owner.name}.{columns} -> {self.target.name}.{', '.join(self.keys)}"


@dataclass(slots=True)
class ReportPlan:
    """Everything to check, by table where possible."""

    layouts: dict[str, RowLayout]
    left_out: dict[str, RowLayout]
    copies: list[CopiedField]
    references: list[CheckedReference]
    looked_up: dict[tuple[str, tuple[str, ...]], Table] = field(default_factory=dict)
    needs: dict[str, TableNeeds] = field(default_factory=dict)

    def layout(self, table: str) -> RowLayout:
        """The columns of a table that are compared; all columns if no document contains it."""
        return self.layouts.get(table) or self.left_out[table]


def plan(
    schema: Schema, resolution: Resolution, excluded: Collection[str] = frozenset[str]()
) -> ReportPlan:
    """Return everything to check for these collections.

    ``excluded`` are tables of the schema whose rows were excluded from the export.
    """
    found = layouts(resolution.collections)
    left_out = {
        table.name: RowLayout(
            table, tuple((c.name, None) for c in table.columns), table.primary_key
        )
        for table in schema.tables
        if table.name not in found
    }
    declared = [r for r in _declared(schema) if r.target.name not in excluded]
    made = ReportPlan(found, left_out, [], [r for r in declared if r.declared])
    for collection in resolution.collections:
        whole = collection.orphans_of is None
        _follow(made, collection.name, collection.shape, top=whole)
    made.references += (r for r in declared if not r.declared)
    made.references = list({str(r): r for r in reversed(made.references)}.values())[::-1]
    made.needs = _needs(schema, made)
    return made


def _declared(schema: Schema) -> Iterator[CheckedReference]:
    tables = {table.name: table for table in schema.tables}
    for table in schema.tables:
        for key in table.foreign_keys:
            if key.table in tables:
                yield _foreign_key(table, key, tables[key.table])


def _foreign_key(table: Table, key: ForeignKey, target: Table) -> CheckedReference:
    """The check of a foreign key, row by row.

    Several rows together may cover the range of a temporal key. Only the columns before the range
    have to be found.
    """
    held = key.validated and key.exact
    if not key.period:
        return CheckedReference(
            table, key.columns, target, key.target_columns, False, held, key.name
        )
    *own, span = key.columns
    held &= not table.column(span).nullable
    return CheckedReference(
        table, tuple(own), target, key.target_columns[:-1], False, held, key.name
    )


def _follow(made: ReportPlan, place: str, shape: DocumentShape, *, top: bool) -> None:
    for added in shape.additions:
        slot = f"{place}.{added.field}"
        owner = shape.table
        if added.verb.is_home:
            arrow = added.path[0]
            counted: Counted | None = (
                None if added.verb is AdditionVerb.EMBED_ONE else ("orphans", arrow.table.name)
            )
            if not arrow.each:
                made.references.append(
                    CheckedReference(
                        arrow.table, arrow.keys, owner, arrow.columns, False, False, slot, counted
                    )
                )
        else:
            made.copies.append(CopiedField(slot, owner, added))
            _refer(made, slot, owner, added, top=top)
        if added.shape is not None:
            _follow(made, slot, added.shape, top=False)


def _refer(made: ReportPlan, slot: str, owner: Table, added: AddedField, *, top: bool) -> None:
    """Add a path's steps that reference rows; steps of a union or count go from one to many."""
    alone = top and added.verb is AdditionVerb.LOOK_UP and len(added.path) == 1
    for step in added.path:
        if added.verb is AdditionVerb.LOOK_UP or (step.each and step is added.path[-1]):
            made.looked_up[step.table.name, step.keys] = step.table
            counted: Counted | None = ("unresolved", slot) if alone else None
            made.references.append(
                CheckedReference(
                    owner, step.columns, step.table, step.keys, step.each, False, slot, counted
                )
            )
        owner = step.table


def _needs(schema: Schema, made: ReportPlan) -> dict[str, TableNeeds]:
    """The columns that each table's files need for all joins."""
    keys: dict[str, set[str]] = {table.name: set() for table in schema.tables}
    arrays: dict[str, set[str]] = {table.name: set() for table in schema.tables}
    takes: dict[str, dict[Take, None]] = {table.name: {} for table in schema.tables}

    def start(owner: Table, columns: Iterable[str], *, each: bool) -> None:
        (arrays if each else keys)[owner.name].update(columns)

    for table in schema.tables:
        for unique in table.unique_keys:
            keys[table.name].update(unique)
    for reference in made.references:
        start(reference.owner, reference.columns, each=reference.each)
        keys[reference.target.name].update(reference.keys)
    for copy in made.copies:
        owner = copy.owner
        for arrow in copy.added.path:
            start(owner, arrow.columns, each=arrow.each)
            keys[arrow.table.name].update((*arrow.keys, *arrow.table.primary_key))
            owner = arrow.table
        if copy.added.take:
            takes[owner.name][take_of(copy.added)] = None
    return {
        name: TableNeeds(tuple(sorted(keys[name])), tuple(sorted(arrays[name])), tuple(takes[name]))
        for name in keys
    }


def take_of(added: AddedField) -> Take:
    """The part that a copy takes from the row that its path finds."""
    return tuple(part.column.name for part in added.take), added.bare
