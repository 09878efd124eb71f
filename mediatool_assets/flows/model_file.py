"""Reads a model file, and reports all of its mistakes together, each with file and line."""

import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mediatool_assets.domain import model as m
from mediatool_assets.domain.errors import BadModel
from mediatool_assets.domain.expectations import Bounds
from mediatool_assets.domain.model_checks import mistakes
from mediatool_assets.domain.names import camel_case, collection_name
from mediatool_assets.flows.yaml_file import NotYaml, nodes

_TOP = ("type_changes", "tables", "collections", "one_to_one", "left_out")
_COLLECTION = ("root", "rename", "types", "add", "indexes", "validator")
_EMBEDDED = ("rename", "types", "add", "order", "orphans")
_ADDITION = {
    m.Verb.LOOK_UP: ("take",),
    m.Verb.UNION: ("take",),
    m.Verb.COUNT: (),
    m.Verb.FOLD: ("take", "order", "orphans"),
    m.Verb.EMBED_ONE: _EMBEDDED,
    m.Verb.EMBED_MANY: _EMBEDDED,
}
_NAME = r"""(?:"(?:[^"]|"")+"|[^\s,.\[\]>"]+)"""
_NAMES = rf"{_NAME}(?:\s*,\s*{_NAME})*"
_ORDER = re.compile(rf"({_NAME})\s*(.*)")
_ARROW = re.compile(rf"({_NAMES})(\[\])?\s*->\s*({_NAME})(?:\.({_NAMES}))?")


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


class _ModelReader:
    """Turns YAML nodes into model values; keeps ``(line, problem)`` and goes on."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._type_changes = m.TypeChanges.STRICT
        self.problems: list[tuple[int, str]] = []

    def model(self, root: Node | None) -> m.Model:
        """Read the whole file."""
        if root is None:
            self.problems.append((1, "the model is empty; write tables: and collections:"))
            return m.Model(self._source, {}, {})
        parts = self._parts(root, _TOP, "a model")
        if "type_changes" in parts:
            self._type_changes = self._policy(parts["type_changes"])
        sources = {
            name: self._source_table(name, node, _line(name_node))
            for name, name_node, node in self._items(parts.get("tables"), "tables")
        }
        collections = {
            name: self._collection(name, node, _line(name_node))
            for name, name_node, node in self._items(parts.get("collections"), "collections")
        }
        for collection in self._one_to_one(parts.get("one_to_one"), sources):
            if collection.name in collections:
                where = f"collection {collection.name} of one_to_one stands in collections too"
                self.problems.append((collection.line, where))
            collections[collection.name] = collection
        left_out = {
            name: m.LeftOut(name, self._text(node), _line(name_node))
            for name, name_node, node in self._items(parts.get("left_out"), "left_out")
        }
        return m.Model(self._source, sources, collections, left_out, _line_of(root, "tables"))

    def _source_table(self, name: str, node: Node, line: int) -> m.SourceTable:
        if not isinstance(node, MappingNode):
            return m.SourceTable(name, self._words(node), line, type_changes=self._type_changes)
        known = ("key", "columns", "type_changes", "may_lose", "may_gain")
        parts = self._parts(node, known, f"table {name}")
        key = self._words(parts["key"]) if "key" in parts else ()
        lines, types = self._columns(parts.get("columns"))
        policy = self._type_changes
        if "type_changes" in parts:
            policy = self._policy(parts["type_changes"])
        for column in key:
            if lines and column not in lines:
                self._wrong(parts["key"], f"table {name}: the key's {column} is not in columns")
        bounds = Bounds(self._share(parts.get("may_lose")), self._share(parts.get("may_gain")))
        return m.SourceTable(name, key, line, tuple(lines), bounds, types, policy, lines)

    def _columns(self, node: Node | None) -> tuple[dict[str, int], dict[str, str]]:
        """The known columns with their lines: a list of names, or names with their types."""
        if isinstance(node, MappingNode):
            entries = list(self._items(node, "columns"))
            types = {name: self._text(value) for name, _, value in entries}
            return {name: _line(key) for name, key, _ in entries}, types
        return {self._text(item): _line(item) for item in self._list(node)}, {}

    def _policy(self, node: Node) -> m.TypeChanges:
        word = self._text(node)
        if word not in list(m.TypeChanges):
            known = ", ".join(m.TypeChanges)
            self._wrong(node, f"type_changes: {word!r} is none of {known}")
            return m.TypeChanges.STRICT
        return m.TypeChanges(word)

    def _share(self, node: Node | None) -> float | None:
        """A percentage as a share: 0.6 of ``60%``."""
        if node is None:
            return None
        match = re.fullmatch(r"(\d+)%", text := self._text(node))
        if match is None:
            self._wrong(node, f"{text!r} is not a percentage; write 60%")
        return int(match[1]) / 100 if match else None

    def _one_to_one(
        self, node: Node | None, sources: dict[str, m.SourceTable]
    ) -> Iterator[m.Collection]:
        for item in self._list(node):
            pattern, line = self._text(item), _line(item)
            names = fnmatch.filter(sources, pattern)
            if not names:
                self._wrong(item, f"one_to_one: no table in tables: is called {pattern}")
            for name in names:
                yield m.Collection(collection_name(name), m.Shape(name, line), line)

    def _collection(self, name: str, node: Node, line: int) -> m.Collection:
        if isinstance(node, ScalarNode) and node.value:
            return m.Collection(name, m.Shape(node.value, _line(node)), line)
        parts = self._parts(node, _COLLECTION, f"collection {name}")
        if "root" not in parts:
            self._wrong(node, f"collection {name} has no root: name its table")
            return m.Collection(name, m.Shape("", line), line)
        return m.Collection(
            name,
            self._shape(self._text(parts["root"]), parts, _line(parts["root"])),
            line,
            tuple(self._index(item) for item in self._list(parts.get("indexes"))),
            self._validator(parts.get("validator")),
        )

    def _shape(self, table: str, parts: dict[str, Node], line: int) -> m.Shape:
        return m.Shape(
            table,
            line,
            tuple(
                m.Rename(column, self._field(value), _line(key))
                for column, key, value in self._items(parts.get("rename"), "rename")
            ),
            tuple(self._retypes(parts.get("types"))),
            tuple(
                addition
                for name, key, value in self._items(parts.get("add"), "add")
                if (addition := self._addition(self._field(key), value, _line(key))) is not None
            ),
        )

    def _retypes(self, node: Node | None) -> Iterator[m.Retype]:
        for column, key, value in self._items(node, "types"):
            word = self._text(value)
            try:
                yield m.Retype(column, m.FieldType(word), _line(key))
            except ValueError:
                known = ", ".join(m.FieldType)
                self._wrong(value, f"{column}: {word!r} is not a type; take one of {known}")

    def _addition(self, field: str, node: Node, line: int) -> m.Addition | None:
        if not isinstance(node, MappingNode):
            self._wrong(node, f"{field}: say how it is made: one of {', '.join(m.Verb)}")
            return None
        words = [key.value for key, _ in node.value if isinstance(key, ScalarNode)]
        verbs = [verb for verb in m.Verb if verb in words]
        if len(verbs) != 1:
            self._wrong(node, f"{field}: wants exactly one of {', '.join(m.Verb)}")
            return None
        verb = verbs[0]
        parts = self._parts(node, (verb, *_ADDITION[verb]), f"{field} ({verb})")
        path = tuple(step for item in self._list(parts[verb]) if (step := self._step(item)))
        shape = None
        if verb in (m.Verb.EMBED_ONE, m.Verb.EMBED_MANY) and path:
            shape = self._shape(path[0].table, parts, line)
        orphans = self._text(parts["orphans"]) if "orphans" in parts else None
        return m.Addition(
            field,
            verb,
            path,
            line,
            self._take(parts.get("take")),
            tuple(self._order(item) for item in self._list(parts.get("order"))),
            orphans,
            shape,
        )

    def _step(self, node: Node) -> m.Step | None:
        text = self._text(node).strip()
        match = _ARROW.fullmatch(text)
        if match is None:
            self._wrong(node, f"{text!r} is not an arrow; write `column -> table.key_column`")
            return None
        columns, each, table, keys = match.groups()
        [target] = _split(table)
        step = m.Step(_split(columns), target, _split(keys or ""), bool(each), _line(node))
        if each and len(step.columns) > 1:
            self._wrong(node, f"{text!r}: only one array can be matched element by element")
        if step.keys and len(step.keys) != len(step.columns):
            self._wrong(node, f"{text!r} does not have as many columns on both sides")
        return step

    def _take(self, node: Node | None) -> m.Take | None:
        if node is None:
            return None
        if isinstance(node, ScalarNode):
            return m.Take((("", self._text(node)),), bare=True)
        if isinstance(node, MappingNode):
            pairs = [(field, self._text(v)) for field, _, v in self._items(node, "take")]
            return m.Take(tuple(pairs), bare=False)
        columns = [self._text(item) for item in self._list(node)]
        return m.Take(tuple((camel_case(column), column) for column in columns), bare=False)

    def _order(self, node: Node) -> m.Order:
        match = _ORDER.fullmatch(text := self._text(node).strip())
        if match is None:
            self._wrong(node, f"order: {text!r} is no column, nor a column and descending")
            return m.Order(text, False)
        [column], direction = _split(match[1]), match[2]
        if direction.strip() not in ("", "ascending", "descending"):
            self._wrong(node, f"order: {direction.strip()!r} is neither ascending nor descending")
        return m.Order(column, direction.strip() == "descending")

    def _index(self, node: Node) -> m.Index:
        if isinstance(node, MappingNode):
            options = self._plain(node)
            keys = options.pop("keys", None)
            if isinstance(keys, str):
                keys = [keys]
            if isinstance(keys, list):
                keys = dict.fromkeys(map(str, keys), 1)
            if not isinstance(keys, dict) or not keys:
                self._wrong(node, "an index wants keys: a field, a list, or field: 1 or -1")
                keys = {}
            return m.Index(tuple(keys.items()), options, _line(node))
        keys = [self._field(item) for item in self._list(node)]
        return m.Index(tuple((key, 1) for key in keys), {}, _line(node))

    def _validator(self, node: Node | None) -> dict[str, object] | None:
        if node is None:
            return None
        if isinstance(node, ScalarNode) and node.value in ("off", "none"):
            return {}
        if isinstance(node, MappingNode):
            return self._plain(node)
        self._wrong(node, "validator: write off, or a MongoDB query such as {$jsonSchema: ...}")
        return None

    def _plain(self, node: MappingNode) -> dict[str, Any]:
        """A mapping as plain Python values, by YAML's own rules."""
        constructor = yaml.SafeLoader("")
        try:
            value = constructor.construct_mapping(node, deep=True)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            problem = getattr(error, "problem", None) or error
            self._wrong(node, f"this is no value ({problem})")
            return {}
        return {str(key): part for key, part in value.items()}

    def _parts(self, node: Node, known: tuple[str, ...], what: str) -> dict[str, Node]:
        parts: dict[str, Node] = {}
        for name, key, value in self._items(node, what):
            if name in known:
                parts[name] = value
            else:
                self._wrong(key, f"{what} has no {name!r}; it knows {', '.join(known)}")
        return parts

    def _items(self, node: Node | None, what: str) -> Iterator[tuple[str, ScalarNode, Node]]:
        """The entries of a mapping in order; a name that stands twice is a mistake."""
        if node is None or (isinstance(node, ScalarNode) and node.value in ("", "~", "null")):
            return
        if not isinstance(node, MappingNode):
            self._wrong(node, f"{what}: wants `name: value` lines")
            return
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self._wrong(key, f"{what}: a name has to be plain text")
                continue
            if key.value in seen:
                self._wrong(key, f"{what}: {key.value} stands here twice")
                continue
            seen.add(key.value)
            yield key.value, key, value

    def _list(self, node: Node | None) -> list[Node]:
        """The items of a list; one value stands for a list of one."""
        if node is None:
            return []
        return list(node.value) if isinstance(node, SequenceNode) else [node]

    def _words(self, node: Node) -> tuple[str, ...]:
        if isinstance(node, ScalarNode) and node.value in ("", "~", "null"):
            return ()
        return tuple(self._text(item) for item in self._list(node))

    def _text(self, node: Node) -> str:
        if isinstance(node, ScalarNode) and node.value:
            return str(node.value)
        self._wrong(node, "wants one word or text here")
        return ""

    def _field(self, node: Node) -> str:
        """The name of a field; dots part sub-documents."""
        text = self._text(node)
        if any(not part or part.startswith("$") for part in text.split(".")):
            self._wrong(node, f"{text!r} is not a field: its parts are not empty, nor start with $")
        return text

    def _wrong(self, node: Node, problem: str) -> None:
        self.problems.append((_line(node), problem))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _line_of(root: Node, name: str) -> int:
    """Where the entry of that name begins; 1 without it."""
    keys = [key for key, _ in root.value] if isinstance(root, MappingNode) else []
    return next((_line(key) for key in keys if key.value == name), 1)


def _split(names: str) -> tuple[str, ...]:
    """Names with their quotes taken off, as ``domain.model.in_arrow`` puts them on."""
    return tuple(
        name[1:-1].replace('""', '"') if name.startswith('"') else name
        for name in re.findall(_NAME, names)
    )
