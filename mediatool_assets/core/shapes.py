"""Mistakes in a model that can be found without the source."""

from collections import defaultdict
from collections.abc import Iterator

from mediatool_assets.domain.model import AdditionVerb, Collection, FieldAddition, Model, RowShape

Mistake = tuple[int, str]
"""Line and text."""


def mistakes(model: Model) -> list[Mistake]:
    """Every mistake that can be found without a schema, in the order of the checks."""
    found = [*_homes(model), *_names(model)]
    for collection in model.collections.values():
        found += _shape(model, collection.shape)
        found += _duplicate_fields(collection)
    return [*found, *_shared_names(model)]


def exclusion_mistakes(model: Model, excluded: frozenset[str]) -> Iterator[Mistake]:
    """Excluded tables that the model needs, and collections that are only partly excluded."""
    for collection in model.collections.values():
        for addition in collection.shape.every_addition():
            if collection.root not in excluded:
                for step in addition.path:
                    if step.table in excluded:
                        yield step.line, f"{addition.field} needs {step.table}; do not exclude it"
            elif addition.verb.is_home and addition.path[0].table not in excluded:
                yield (
                    addition.line,
                    f"{addition.path[0].table} lives in {collection.name}, which goes with "
                    f"{collection.root}: exclude both or neither",
                )


def _shared_names(model: Model) -> Iterator[Mistake]:
    """Added fields of two collections with one name: ``a.b`` with ``c``, and ``a`` with ``b.c``.

    By that name, the results of joins and the counts of a version are found.
    """
    owners: dict[str, str] = {}
    for collection in model.collections.values():
        for owner, name, line in _added_names(collection.name, collection.name, collection.shape):
            other = owners.setdefault(name, owner)
            if other != owner:
                yield (
                    line,
                    f"{name} is an added field of {other} and of {owner}; rename one of them",
                )


def _added_names(owner: str, place: str, shape: RowShape) -> Iterator[tuple[str, str, int]]:
    """``(collection, name, line)`` of every added field, and of those of orphans."""
    for addition in shape.additions:
        name = f"{place}.{addition.field}"
        yield owner, name, addition.line
        if addition.shape is not None:
            yield from _added_names(owner, name, addition.shape)
            if addition.orphans is not None:
                yield from _added_names(addition.orphans, addition.orphans, addition.shape)


def _homes(model: Model) -> Iterator[Mistake]:
    homes: dict[str, list[str]] = defaultdict(list)
    for table, place, line in model.homes():
        if not table:
            continue  # the reader has reported it
        if table not in model.sources:
            yield line, f"{place}: unknown table {table}; add it to tables:, or correct its name"
            continue
        homes[table].append(place)
        if len(homes[table]) > 1:
            places = " and ".join(homes[table])
            yield line, f"{table} has {len(homes[table])} homes, {places}; its rows can have one"
    for name, source in model.sources.items():
        if name not in homes:
            yield (
                source.line,
                f"{name} is neither used nor left out; give it a collection, embed or fold it, or "
                "name it in left_out: with the reason",
            )


def _names(model: Model) -> Iterator[Mistake]:
    taken = {name: f"collection {name}" for name in model.collections}
    for collection in model.collections.values():
        if collection.name.startswith("system.") or "$" in collection.name:
            yield collection.line, f"MongoDB keeps collection names such as {collection.name}"
        for addition in collection.shape.every_addition():
            if addition.orphans is None:
                continue
            if addition.orphans in taken:
                where = f"{addition.field}: orphans: {addition.orphans} is taken by"
                yield addition.line, f"{where} {taken[addition.orphans]}"
            taken[addition.orphans] = f"the orphans of {addition.field} of {collection.name}"


def _shape(model: Model, shape: RowShape) -> Iterator[Mistake]:
    for addition in shape.additions:
        yield from _addition(model, addition)
        if addition.shape is not None:
            yield from _shape(model, addition.shape)


def _addition(model: Model, addition: FieldAddition) -> Iterator[Mistake]:
    verb, line, name = addition.verb, addition.line, addition.field
    if not addition.path:
        yield line, f"{name}: {verb} wants at least one arrow"
    if verb.is_home and len(addition.path) > 1:
        yield line, f"{name}: {verb} takes one arrow; longer paths are for look_up, union and count"
    if (
        verb in (AdditionVerb.LOOK_UP, AdditionVerb.UNION, AdditionVerb.FOLD)
        and addition.take is None
    ):
        yield line, f"{name}: {verb} wants take: which columns of {_last(addition)}"
    if addition.take is not None and not addition.take.columns:
        yield line, f"{name}: take is empty; name at least one column of {_last(addition)}"
    if verb.is_home and addition.orphans is None:
        yield line, f"{name}: {verb} wants orphans: the collection for rows without a document"
    for position, step in enumerate(addition.path):
        if step.table not in model.sources and not (verb.is_home and position == 0):
            yield step.line, f"{name}: unknown table {step.table}; add it to tables:"
        if step.each and (verb.is_home or (verb is AdditionVerb.LOOK_UP and position > 0)):
            yield step.line, f"{name}: {verb} cannot match elements ([]) in {step}"


def _last(addition: FieldAddition) -> str:
    return addition.path[-1].table if addition.path else "the table"


def _duplicate_fields(collection: Collection) -> Iterator[Mistake]:
    shapes = [collection.shape]
    while shapes:
        shape = shapes.pop()
        seen: set[str] = set()
        named = [(r.field, r.line) for r in shape.renames] + [
            (a.field, a.line) for a in shape.additions
        ]
        for name, line in named:
            if name in seen:
                yield line, f"two fields of {collection.name} are called {name}; rename one"
            seen.add(name)
        shapes += [a.shape for a in shape.additions if a.shape is not None]
