"""Writes an inferred model: certain parts as YAML, all others as comments.

Writes YAML as a person would: quotes only where they are needed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from textwrap import wrap

from mediatool_assets.core.model import AdditionVerb, Step
from mediatool_assets.core.schema import Table
from mediatool_assets.core.shapes import Names, camel_case, collection_name
from mediatool_assets.infer.placement import (
    CopiedColumn,
    Entity,
    Figures,
    NestedTable,
    TableFigures,
    bytes_text,
)
from mediatool_assets.infer.references import (
    CandidateReference,
    fields_of,
    identifying_key,
    orphan_collection,
    plural,
    stem_of,
)

WIDTH = 100

_PLAIN = re.compile(r"[A-Za-z_][\w ./()>,\[\]-]*(?<! )", re.ASCII)
_IN_FLOW = re.compile(r"[A-Za-z_][\w ()>-]*(?<! )", re.ASCII)
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "none"}


def scalar(text: str, *, flow: bool = False) -> str:
    """One text, in double quotes unless YAML reads it unchanged without them."""
    pattern = _IN_FLOW if flow else _PLAIN
    if pattern.fullmatch(text) and text.lower() not in _WORDS:
        return text
    inside = "".join(_escaped(character) for character in text)
    return f'"{inside}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    return f"\\U{ord(character):08X}"


def comment(text: str, indent: int) -> list[str]:
    """Lines of a comment; characters that would end a line are escaped."""
    printable = "".join(c if c.isprintable() else _escaped(c) for c in text)
    start = " " * indent + "# "
    return wrap(
        printable,
        WIDTH,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )


def sequence(items: Iterable[str]) -> str:
    """A list on one line."""
    return "[" + ", ".join(scalar(item, flow=True) for item in items) + "]"


def mapping(entries: Mapping[str, str]) -> str:
    """A mapping on one line."""
    return "{" + ", ".join(_entries(entries)) + "}"


def wrapped(entries: Mapping[str, str], indent: int) -> list[str]:
    """A mapping on as many lines as it needs."""
    lines, line = [], " " * indent + "{"
    for number, entry in enumerate(_entries(entries)):
        text = entry + ("," if number < len(entries) - 1 else "}")
        if len(line) + len(text) + 1 > WIDTH and line.strip() not in ("", "{"):
            lines.append(line)
            line = " " * (indent + 1) + text
        else:
            line += ("" if line.endswith("{") else " ") + text
    return [*lines, line if entries else line + "}"]


def _entries(entries: Mapping[str, str]) -> Iterable[str]:
    return [f"{scalar(k, flow=True)}: {scalar(v, flow=True)}" for k, v in entries.items()]


_MOST_INDEXES = 20  # of one collection; MongoDB takes 64

_OFFER = 'Not certain; without the "# " before it this is part of the model:'

_HEAD = (
    "Written by `mediatool model infer`; docs/reference/models.md explains the language. Entries "
    "are declared by the database or follow by default, and work as they are. What was only "
    "measured is a comment with its evidence: review it, and uncomment what is right."
)


def model_text(source: str, entities: Mapping[str, Entity], figures: Figures) -> str:
    """The whole file; ``source`` describes what it was inferred from."""
    return "\n".join(_Writing(entities, figures).lines(source)) + "\n"


class _Writing:
    def __init__(self, entities: Mapping[str, Entity], figures: Figures) -> None:
        self._entities, self._figures = entities, figures
        self._collections = Names()
        self._names = {
            name: self._collections.give(collection_name(name))
            for name, entity in entities.items()
            if entity.home is None
        }
        self._as_text = _as_text(entities, figures)
        self._inside: dict[str, list[tuple[Entity, NestedTable]]] = {}
        for entity in entities.values():
            if entity.home is not None:
                target = entity.home.relation.reference.target
                self._inside.setdefault(target, []).append((entity, entity.home))

    def lines(self, source: str) -> Iterator[str]:
        yield from comment(f"Inferred from {source}.", 0)
        yield from comment(_HEAD, 0)
        yield ""
        yield "# A column whose type changes its kind: strict stops, flag warns, accept accepts."
        yield "type_changes: strict"
        yield ""
        yield "# Every source table, with the columns that this model was written for."
        yield "tables:"
        for name, entity in self._entities.items():
            yield from self._source(name, entity.table)
        yield ""
        yield "collections:"
        for name, collection in self._names.items():
            yield from self._collection(collection, self._entities[name])

    def _source(self, name: str, table: Table) -> Iterator[str]:
        key, _ = identifying_key(table)
        if not table.columns:
            yield f"  {scalar(name)}:"
            return
        yield f"  {scalar(name)}:"
        if key != table.primary_key:
            yield f"    key: {sequence(key)}"
        yield "    columns:"
        yield from wrapped({c.name: c.plain_type for c in table.columns}, 6)

    def _collection(self, name: str, entity: Entity) -> Iterator[str]:
        table = entity.table
        yield ""
        yield from comment(_summary(table, self._figures.of(table.name)), 2)
        shape = list(self._shape(entity, 4))
        indexes = [
            f"      - {sequence(f) if len(f) > 1 else scalar(f[0])}" for f in _indexes(entity)
        ]
        if not shape and not indexes:
            yield f"  {scalar(name)}: {scalar(table.name)}"
        else:
            yield f"  {scalar(name)}:"
            yield f"    root: {scalar(table.name)}"
            yield from shape
            if indexes:
                yield "    indexes:"
                yield from indexes
        yield from self._notes(entity)

    def _shape(self, entity: Entity, indent: int) -> Iterator[str]:
        """``rename``, ``types`` and ``add``; nothing if all are empty."""
        table, space = entity.table, " " * indent
        key, _ = identifying_key(table)
        fields, names = fields_of(table, key)
        renamed = {c: field for c, field in fields.items() if field != camel_case(c)}
        if renamed:
            yield f"{space}rename:"
            yield from wrapped(renamed, indent + 2)
        if as_text := self._as_text[table.name]:
            yield f"{space}# BSON cuts times to milliseconds, which could make two keys one"
            yield f"{space}types: {mapping(dict.fromkeys(as_text, 'string'))}"
        added = [
            *(line for copy in entity.copies for line in _copied(copy, names, indent + 2)),
            *(
                line
                for child, home in self._inside.get(table.name, ())
                for line in self._within(child, home, names, indent + 2)
            ),
        ]
        if added:
            yield f"{space}add:"
            yield from added
        if entity.home is None:
            yield from self._offer(entity, names, indent + 2 if added else indent, bool(added))

    def _within(self, child: Entity, home: NestedTable, names: Names, indent: int) -> Iterator[str]:
        """The field that contains another table's rows."""
        space, table = " " * indent, child.table
        orphans = self._collections.give(
            orphan_collection(table.name, home.relation.reference.target)
        )
        yield from comment(f"{home.relation.evidence()}; {home.why}", indent)
        yield f"{space}{scalar(names.give(_inside_name(home, table)))}:"
        yield f"{space}  {home.verb}: {scalar(_inward(home.relation.reference))}"
        if home.verb is AdditionVerb.FOLD:
            yield f"{space}  take: {_taken(home.take)}"
        else:
            yield from self._shape(replace(child, home=home), indent + 2)
        yield f"{space}  orphans: {scalar(orphans)}"

    def _offer(self, entity: Entity, names: Names, indent: int, inside: bool) -> Iterator[str]:
        """Proposals as comments; ``inside``: whether the document has an ``add:`` already."""
        within = 0 if inside else 2
        offered: list[str] = []
        for proposal in entity.proposals:
            if isinstance(proposal, CopiedColumn):
                offered.extend(_copied(proposal, names, within))
            else:
                child = self._entities[proposal.relation.reference.table]
                named = self._names.get(child.table.name, child.table.name)
                offered.extend(comment(f"instead of the collection {named}:", within))
                offered.extend(self._within(child, proposal, names, within))
        if offered:
            yield from comment(_OFFER, indent)
            yield from (
                f"{' ' * indent}# {line}" for line in ([] if inside else ["add:"]) + offered
            )

    def _notes(self, entity: Entity) -> Iterator[str]:
        """Comments about references that the database does not declare."""
        found = [r for r in entity.references if not r.certain]
        trees = [r for r in entity.references if r.reference.table == r.reference.target]
        for relation in trees:
            yield from comment(f"A tree, kept by reference: {relation.reference}", 4)
        for relation in found:
            yield from comment(f"{relation.reference}: {relation.evidence()}", 4)


def _summary(table: Table, figures: TableFigures) -> str:
    key, kind = identifying_key(table)
    named = f"key {', '.join(key)} ({kind})" if key else f"no key ({kind})"
    read = "" if figures.whole else f", of which {figures.read:,} were read"
    largest = bytes_text(figures.largest)
    return f"{figures.rows:,} rows{read}; {named}; largest document about {largest}"


def _as_text(entities: Mapping[str, Entity], figures: Figures) -> dict[str, list[str]]:
    """Times that must stay text to stay distinct: those of keys, and references to them."""
    found = {
        name: list(_key_texts(entity.table, figures.of(name))) for name, entity in entities.items()
    }
    references = [r.reference for entity in entities.values() for r in entity.references]
    grown = True
    while grown:
        grown = False
        for reference in references:
            for column, key in zip(reference.columns, reference.keys, strict=True):
                if key in found[reference.target] and column not in found[reference.table]:
                    found[reference.table].append(column)
                    grown = True
    return found


def _key_texts(table: Table, figures: TableFigures) -> Iterator[str]:
    for name in identifying_key(table)[0]:
        timed = table.column(name).base.startswith("timestamp")
        lost = "microseconds" in figures.losses.get(name, {})
        if timed and (lost or not figures.whole):
            yield name


def _indexes(entity: Entity) -> Iterator[list[str]]:
    """One index for each reference, so that referring documents are found."""
    key, _ = identifying_key(entity.table)
    fields, _ = fields_of(entity.table, key)
    seen: set[tuple[str, ...]] = {key[: len(columns)] for columns in ((), key)}
    for relation in entity.references:
        columns = relation.reference.columns
        if (
            relation.reliable
            and columns not in seen
            and columns[:1] != key
            and len(seen) < _MOST_INDEXES
        ):
            seen.add(columns)
            yield [_at_root(fields[c], c, key) for c in columns]


def _at_root(field: str, column: str, key: Sequence[str]) -> str:
    if column not in key:
        return field
    return "_id" if len(key) == 1 else f"_id.{field}"


def _copied(copy: CopiedColumn, names: Names, indent: int) -> Iterator[str]:
    reference, space = copy.relation.reference, " " * indent
    stem = stem_of(reference.columns[0])
    field = camel_case(f"{stem or reference.target}_{copy.column}")
    field = names.give(plural(field) if reference.each else field)
    yield f"{space}{scalar(field)}:"
    yield f"{space}  look_up: {scalar(_outward(reference))}"
    yield f"{space}  take: {scalar(copy.column)}"


def _outward(reference: CandidateReference) -> str:
    return str(Step(reference.columns, reference.target, reference.keys, reference.each, 0))


def _inward(reference: CandidateReference) -> str:
    return str(Step(reference.keys, reference.table, reference.columns, False, 0))


def _inside_name(inside: NestedTable, table: Table) -> str:
    if inside.verb is AdditionVerb.FOLD and len(inside.take) == 1:
        return plural(camel_case(inside.take[0]))
    return camel_case(table.relation)


def _taken(columns: Iterable[str]) -> str:
    columns = tuple(columns)
    if len(columns) == 1:
        return scalar(columns[0])
    names = Names()
    return mapping({names.give(camel_case(c)): c for c in columns})
