"""Reads a model file, and reports all mistakes together, each with file and line."""

import fnmatch
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from yaml.nodes import MappingNode, Node

from mediatool_assets.domain import model as m
from mediatool_assets.domain.comparison import METRICS
from mediatool_assets.domain.errors import BadModel
from mediatool_assets.domain.expectations import Bounds
from mediatool_assets.domain.field_names import collection_name
from mediatool_assets.domain.model_checks import mistakes
from mediatool_assets.flows.formats.yaml_nodes import NotYaml, nodes
from mediatool_assets.flows.formats.yaml_reader import line_of
from mediatool_assets.flows.model.collections import CollectionReader

_TOP = ("type_changes", "tables", "collections", "one_to_one", "left_out", "metrics", "owners")


def load_model(path: Path) -> m.Model:
    """Read and check a model file; raises BadModel with every mistake as ``file:line: ...``."""
    try:
        _, root = nodes(path)
    except NotYaml as error:
        raise BadModel([str(error)]) from error
    reader = _ModelReader(path.name)
    model = reader.model(root)
    problems = {*reader.problems, *mistakes(model)}
    if problems:
        raise BadModel(f"{path.name}:{line}: {text}" for line, text in sorted(problems))
    return model


class _ModelReader(CollectionReader):
    """Turns YAML nodes into a model."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self._source = source
        self._type_changes = m.TypeChanges.STRICT

    def model(self, root: Node | None) -> m.Model:
        """Read the whole file."""
        if root is None:
            self.problems.add((1, "the model is empty; write tables: and collections:"))
            return m.Model(self._source, {}, {})
        parts = self.parts(root, _TOP, "a model")
        if "type_changes" in parts:
            self._type_changes = self._policy(parts["type_changes"])
        sources = {
            name: self._source_table(name, node, line_of(name_node))
            for name, name_node, node in self.items(parts.get("tables"), "tables")
        }
        collections = {
            name: self.collection(name, node, line_of(name_node))
            for name, name_node, node in self.items(parts.get("collections"), "collections")
        }
        for collection in self._one_to_one(parts.get("one_to_one"), sources):
            if collection.name in collections:
                where = f"collection {collection.name} of one_to_one is in collections too"
                self.problems.add((collection.line, where))
            collections[collection.name] = collection
        left_out = {
            name: m.LeftOut(name, self.text(node), line_of(name_node))
            for name, name_node, node in self.items(parts.get("left_out"), "left_out")
        }
        line, metrics = _line_of_entry(root, "tables"), self._metrics(parts.get("metrics"), sources)
        owners = self._owners(parts.get("owners"))
        return m.Model(self._source, sources, collections, left_out, line, metrics, owners)

    def _metrics(self, node: Node | None, known: Collection[str]) -> tuple[str, ...]:
        names = []
        for item in self.listed(node):
            name = self.text(item)
            if name not in known:
                self.wrong(item, f"metrics: there is no table {name} in tables:")
            elif name in METRICS:
                self.wrong(item, f"metrics: {name} is the name of another metric; leave it out")
            elif name in names:
                self.wrong(item, f"metrics: {name} is listed twice")
            names.append(name)
        return tuple(names)

    def _owners(self, node: Node | None) -> tuple[str, ...]:
        names = []
        for item in self.listed(node):
            name = self.text(item)
            if not re.fullmatch(r"team:\w[\w-]*|[^@\s]+@[^@\s]+\.[^@\s]+", name):
                self.wrong(item, f"owners: {name} is neither an e-mail address nor team:NAME")
            names.append(name)
        return tuple(dict.fromkeys(names))

    def _source_table(self, name: str, node: Node, line: int) -> m.SourceTable:
        if not isinstance(node, MappingNode):
            return m.SourceTable(name, self.words(node), line, type_changes=self._type_changes)
        known = ("key", "columns", "type_changes", "may_lose", "may_gain")
        parts = self.parts(node, known, f"table {name}")
        key = self.words(parts["key"]) if "key" in parts else ()
        lines, types = self._columns(parts.get("columns"))
        policy = self._type_changes
        if "type_changes" in parts:
            policy = self._policy(parts["type_changes"])
        for column in key:
            if lines and column not in lines:
                self.wrong(parts["key"], f"table {name}: the key's {column} is not in columns")
        bounds = Bounds(self._share(parts.get("may_lose")), self._share(parts.get("may_gain")))
        return m.SourceTable(name, key, line, tuple(lines), bounds, types, policy, lines)

    def _columns(self, node: Node | None) -> tuple[dict[str, int], dict[str, str]]:
        """The known columns with their lines: a list of names, or names with their types."""
        if isinstance(node, MappingNode):
            entries = list(self.items(node, "columns"))
            types = {name: self.text(value) for name, _, value in entries}
            return {name: line_of(key) for name, key, _ in entries}, types
        return {self.text(item): line_of(item) for item in self.listed(node)}, {}

    def _policy(self, node: Node) -> m.TypeChanges:
        word = self.text(node)
        if word not in list(m.TypeChanges):
            known = ", ".join(m.TypeChanges)
            self.wrong(node, f"type_changes: {word!r} is not one of {known}")
            return m.TypeChanges.STRICT
        return m.TypeChanges(word)

    def _share(self, node: Node | None) -> float | None:
        """A percentage as a number from 0 to 1: 0.6 for ``60%``."""
        if node is None:
            return None
        match = re.fullmatch(r"(\d+)%", text := self.text(node))
        if match is None:
            self.wrong(node, f"{text!r} is not a percentage; write 60%")
        return int(match[1]) / 100 if match else None

    def _one_to_one(
        self, node: Node | None, sources: dict[str, m.SourceTable]
    ) -> Iterator[m.Collection]:
        for item in self.listed(node):
            pattern, line = self.text(item), line_of(item)
            names = fnmatch.filter(sources, pattern)
            if not names:
                self.wrong(item, f"one_to_one: there is no table {pattern} in tables:")
            for name in names:
                yield m.Collection(collection_name(name), m.RowShape(name, line), line)


def _line_of_entry(root: Node, name: str) -> int:
    """The line on which the entry of that name begins; 1 if there is none."""
    keys = [key for key, _ in root.value] if isinstance(root, MappingNode) else []
    return next((line_of(key) for key in keys if key.value == name), 1)
