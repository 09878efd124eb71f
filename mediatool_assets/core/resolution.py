"""Compares a model with a schema: the fields of every document, mistakes and drift."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mediatool_assets.domain import model as m
from mediatool_assets.domain.errors import BadModel
from mediatool_assets.domain.field_names import Names, collection_name
from mediatool_assets.domain.model_checks import exclusion_mistakes
from mediatool_assets.domain.resolution.drift import report_drift
from mediatool_assets.domain.resolution.fields import clashes
from mediatool_assets.domain.resolution.remarks import Remark, Remarks
from mediatool_assets.domain.resolution.shaping import Shaper
from mediatool_assets.domain.schema import Schema
from mediatool_assets.domain.shapes import DocumentCollection, DocumentShape, field_sources


@dataclass(frozen=True, slots=True)
class Resolution:
    """A model applied to one schema: collections by name, and remarks, in the order found."""

    collections: tuple[DocumentCollection, ...]
    left_out: Mapping[str, str]
    remarks: tuple[Remark, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """The remarks' texts, for manifests."""
        return tuple(remark.text for remark in self.remarks)


def resolve(
    model: m.Model, schema: Schema, excluded: Iterable[str] = frozenset[str]()
) -> Resolution:
    """Find every table and column that the model names.

    ``excluded`` are tables that the export left out on purpose, though the schema has them: a
    collection made only from such a table is left out. Raises BadModel with all problems, each with
    its line.
    """
    return _Resolver(model, schema, frozenset(excluded)).resolution()


class _Resolver:
    def __init__(self, model: m.Model, schema: Schema, excluded: frozenset[str]) -> None:
        self._model, self._excluded = model, excluded
        self._tables = {t.name: t for t in schema.tables if t.name not in excluded}
        self._said = Remarks(exclusion_mistakes(model, excluded), model.sources)
        self._shaper = Shaper(model, self._tables, self._said)

    def resolution(self) -> Resolution:
        collections = [*self._modelled(), *self._defaults()]
        for collection in collections:
            for one, other in clashes(collection.shape, root=True):
                line = self._line(collection.name)
                problem = f"{collection.name}: {one} and {other} cannot both be fields"
                self._said.wrong(line, f"{problem}; give one another name, a column with rename:")
        if mistakes := sorted(set(self._said.mistakes)):
            problems = [self._model.at(*mistake) for mistake in mistakes]
            if not any(name in self._tables for name in self._model.tables):
                hint = (
                    "the model belongs to another database, none of its tables is in the source; "
                    "`mediatool model infer --output FILE` writes one, MEDIATOOL_MODEL names it"
                )
                problems.insert(0, self._model.at(self._model.line, hint))
            raise BadModel(problems)
        left_out = {
            table: left.reason
            for table, left in self._model.left_out.items()
            if table in self._tables
        }
        ordered = tuple(sorted(collections, key=lambda collection: collection.name))
        return Resolution(ordered, left_out, tuple(self._said.remarks))

    def _modelled(self) -> Iterator[DocumentCollection]:
        for collection in self._model.collections.values():
            table = self._tables.get(collection.root)
            if table is None:
                continue  # reported by report_drift, or excluded
            shape = self._shaper.shape(collection.shape, table, root=True)
            yield DocumentCollection(
                collection.name, shape, collection.indexes, collection.validator
            )
            yield from self._orphans(collection.name, collection.shape, shape)
            self._check_indexes(collection, shape)
        report_drift(self._model, self._tables, self._excluded, self._shaper.new_fields, self._said)

    def _orphans(
        self, place: str, shape: m.RowShape, resolved: DocumentShape
    ) -> Iterator[DocumentCollection]:
        """The collections for the orphans of a shape's embedded and folded tables."""
        by_field = {added.field: added for added in resolved.additions}
        for addition in shape.additions:
            added = by_field.get(addition.field)
            if added is None or added.orphans is None:
                continue
            own = addition.shape or m.RowShape(added.path[0].table.name, addition.line)
            root = self._shaper.shape(own, added.path[0].table, root=True)
            label = f"{place}.{added.field}"
            yield DocumentCollection(added.orphans, root, orphans_of=label)
            if addition.shape is not None and added.shape is not None:
                yield from self._orphans(label, addition.shape, added.shape)

    def _check_indexes(self, collection: m.Collection, shape: DocumentShape) -> None:
        fields = {name for name, _ in field_sources(shape)} | {"_id"}
        fields |= {a.field for a in shape.additions}
        prefixes = {name.rsplit(".", depth)[0] for name in fields for depth in range(4)}
        for index in collection.indexes:
            for key, _ in index.keys:
                if key not in prefixes:
                    self._said.wrong(
                        index.line,
                        f"index: {collection.name} has no field {key}; name a field of its "
                        "documents, or take the index out",
                    )

    def _defaults(self) -> Iterator[DocumentCollection]:
        names = Names({*self._model.collections, *self._model.orphan_collections})
        for name, table in self._tables.items():
            if name in self._model.sources:
                continue
            wanted = collection_name(name)
            collection = names.give(wanted)
            self._said.remark(
                self._model.line,
                f"new table {name}, unknown to the model: it became the collection {collection}"
                + (f", as there is another {wanted}" if collection != wanted else ""),
                "add it to tables: and give it a home, or leave it out with a reason",
            )
            shape = self._shaper.shape(m.RowShape(name, self._model.line), table, root=True)
            yield DocumentCollection(collection, shape)

    def _line(self, collection: str) -> int:
        known = self._model.collections.get(collection)
        return known.line if known is not None else self._model.line
