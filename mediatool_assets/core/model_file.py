"""Reads a model file, and reports all mistakes together, each with file and line.

The collections of a model file: their shapes, the fields that are added, and their indexes.

Reads YAML as nodes with their lines; it never executes anything.

Reads values from YAML nodes, and collects the mistakes with their lines.
"""

import fnmatch
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from mediatool_assets.core import model as m
from mediatool_assets.core.comparison import METRICS
from mediatool_assets.core.errors import BadModel
from mediatool_assets.core.model import Bounds
from mediatool_assets.core.shapes import camel_case, collection_name, mistakes

_OWN = "tag:yaml.org,2002:"
_PLAIN = frozenset(
    {_OWN + name for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")}
    | {_OWN + "merge", _OWN + "value"}
)


class NotYaml(Exception):
    """A file that cannot be read or is not plain YAML; the message names file and line."""


def nodes(path: Path) -> tuple[bytes, Node | None]:
    """Return the bytes of a file, and its single document; raises NotYaml.

    Documents are composed and never constructed: no tag creates an object, and no alias is
    expanded. A document with a custom tag, such as ``!!python/object``, is rejected as well.
    """
    try:
        data = path.read_bytes()
        root = yaml.compose(data.decode("utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise NotYaml(f"{path}: cannot be read ({error}); name another file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        problem = getattr(error, "problem", None) or error
        raise NotYaml(f"{path.name}:{line}: not YAML ({problem})") from error
    except RecursionError:
        raise NotYaml(f"{path.name}:1: nested too deeply") from None
    for node in _every(root):
        if node.tag not in _PLAIN:
            line = node.start_mark.line + 1
            raise NotYaml(f"{path.name}:{line}: {node.tag[:60]!r} is not a plain value; remove it")
    return data, root


def _every(root: Node | None) -> Iterator[Node]:
    """Every node once, regardless of aliases."""
    waiting, seen = [root] if root is not None else [], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, CollectionNode):
            waiting += node.value


class YamlReader:
    """Collects ``(line, problem)`` for each invalid node, and continues."""

    def __init__(self) -> None:
        self.problems: set[tuple[int, str]] = set()

    def items(self, node: Node | None, what: str) -> Iterator[tuple[str, ScalarNode, Node]]:
        """Yield the entries of a mapping in order; a duplicate name is reported as a mistake."""
        if node is None or is_null(node):
            return
        if not isinstance(node, MappingNode):
            self.wrong(node, f"{what}: write `name: value` lines")
            return
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, ScalarNode) or not key.value:
                self.wrong(key, f"{what}: a name has to be plain text")
            elif key.value in seen:
                self.wrong(key, f"{what}: {key.value} is listed twice")
            else:
                seen.add(key.value)
                yield key.value, key, value

    def parts(self, node: Node | None, known: tuple[str, ...], what: str) -> dict[str, Node]:
        """Return the entries of a mapping by name; names not in ``known`` are mistakes."""
        parts: dict[str, Node] = {}
        for name, key, value in self.items(node, what):
            if name in known:
                parts[name] = value
            else:
                self.wrong(key, f"{what}: unknown name {name!r}; choose from {', '.join(known)}")
        return parts

    def listed(self, node: Node | None) -> list[Node]:
        """The items of a list; a single value counts as a list of one."""
        if node is None:
            return []
        return list(node.value) if isinstance(node, SequenceNode) else [node]

    def words(self, node: Node) -> tuple[str, ...]:
        """The texts of a list, or of a single value; empty for null."""
        if is_null(node):
            return ()
        return tuple(self.text(item) for item in self.listed(node))

    def text(self, node: Node) -> str:
        """One word or text; empty if there is none."""
        if isinstance(node, ScalarNode) and node.value:
            return str(node.value)
        self.wrong(node, "write one word or text here")
        return ""

    def plain(self, node: MappingNode) -> dict[str, Any]:
        """A mapping as plain Python values, by YAML's own rules."""
        constructor = yaml.SafeLoader("")
        try:
            value = constructor.construct_mapping(node, deep=True)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            problem = getattr(error, "problem", None) or error
            self.wrong(node, f"this is no value ({problem})")
            return {}
        return {str(key): part for key, part in value.items()}

    def wrong(self, node: Node, problem: str) -> None:
        """Record a problem."""
        self.problems.add((line_of(node), problem))


def is_null(node: Node) -> bool:
    """True if the node is absent or null."""
    return isinstance(node, ScalarNode) and node.value in ("", "~", "null")


def line_of(node: Node) -> int:
    """The line on which the node begins, from 1."""
    return int(node.start_mark.line) + 1


_COLLECTION = ("root", "rename", "types", "add", "indexes", "validator")
_EMBEDDED = ("rename", "types", "add", "order", "orphans")
_ADDITION = {
    m.AdditionVerb.LOOK_UP: ("take",),
    m.AdditionVerb.UNION: ("take",),
    m.AdditionVerb.COUNT: (),
    m.AdditionVerb.FOLD: ("take", "order", "orphans"),
    m.AdditionVerb.EMBED_ONE: _EMBEDDED,
    m.AdditionVerb.EMBED_MANY: _EMBEDDED,
}
_NAME = r"""(?:"(?:[^"]|"")+"|[^\s,.\[\]>"]+)"""
_NAMES = rf"{_NAME}(?:\s*,\s*{_NAME})*"
_ORDER = re.compile(rf"({_NAME})\s*(.*)")
_ARROW = re.compile(rf"({_NAMES})(\[\])?\s*->\s*({_NAME})(?:\.({_NAMES}))?")


class CollectionReader(YamlReader):
    """Turns YAML nodes into collections."""

    def collection(self, name: str, node: Node, line: int) -> m.Collection:
        """Read a collection, whose name is on that line."""
        if isinstance(node, ScalarNode) and node.value:
            return m.Collection(name, m.RowShape(node.value, line_of(node)), line)
        parts = self.parts(node, _COLLECTION, f"collection {name}")
        if "root" not in parts:
            self.wrong(node, f"collection {name} has no root: name its table")
            return m.Collection(name, m.RowShape("", line), line)
        return m.Collection(
            name,
            self._shape(self.text(parts["root"]), parts, line_of(parts["root"])),
            line,
            tuple(self._index(item) for item in self.listed(parts.get("indexes"))),
            self._validator(parts.get("validator")),
        )

    def _shape(self, table: str, parts: dict[str, Node], line: int) -> m.RowShape:
        return m.RowShape(
            table,
            line,
            tuple(
                m.RenamedField(column, self._field(value), line_of(key))
                for column, key, value in self.items(parts.get("rename"), "rename")
            ),
            tuple(self._retypes(parts.get("types"))),
            tuple(
                addition
                for name, key, value in self.items(parts.get("add"), "add")
                if (addition := self._addition(self._field(key), value, line_of(key))) is not None
            ),
        )

    def _retypes(self, node: Node | None) -> Iterator[m.Retype]:
        for column, key, value in self.items(node, "types"):
            word = self.text(value)
            try:
                yield m.Retype(column, m.FieldType(word), line_of(key))
            except ValueError:
                known = ", ".join(m.FieldType)
                self.wrong(value, f"{column}: {word!r} is not a type; take one of {known}")

    def _addition(self, field: str, node: Node, line: int) -> m.FieldAddition | None:
        if not isinstance(node, MappingNode):
            self.wrong(node, f"{field}: say how it is made: one of {', '.join(m.AdditionVerb)}")
            return None
        words = [key.value for key, _ in node.value if isinstance(key, ScalarNode)]
        verbs = [verb for verb in m.AdditionVerb if verb in words]
        if len(verbs) != 1:
            self.wrong(node, f"{field}: write exactly one of {', '.join(m.AdditionVerb)}")
            return None
        verb = verbs[0]
        parts = self.parts(node, (verb, *_ADDITION[verb]), f"{field} ({verb})")
        path = tuple(step for item in self.listed(parts[verb]) if (step := self._step(item)))
        shape = None
        if verb in (m.AdditionVerb.EMBED_ONE, m.AdditionVerb.EMBED_MANY) and path:
            shape = self._shape(path[0].table, parts, line)
        orphans = self.text(parts["orphans"]) if "orphans" in parts else None
        return m.FieldAddition(
            field,
            verb,
            path,
            line,
            self._take(parts.get("take")),
            tuple(self._order(item) for item in self.listed(parts.get("order"))),
            orphans,
            shape,
        )

    def _step(self, node: Node) -> m.Step | None:
        text = self.text(node).strip()
        match = _ARROW.fullmatch(text)
        if match is None:
            self.wrong(node, f"{text!r} is not an arrow; write `column -> table.key_column`")
            return None
        columns, each, table, keys = match.groups()
        [target] = _split(table)
        step = m.Step(_split(columns), target, _split(keys or ""), bool(each), line_of(node))
        if each and len(step.columns) > 1:
            self.wrong(node, f"{text!r}: only one array can be matched element by element")
        if step.keys and len(step.keys) != len(step.columns):
            self.wrong(node, f"{text!r} needs as many columns on both sides")
        return step

    def _take(self, node: Node | None) -> m.Take | None:
        if node is None:
            return None
        if isinstance(node, ScalarNode):
            return m.Take((("", self.text(node)),), bare=True)
        if isinstance(node, MappingNode):
            pairs = [(field, self.text(v)) for field, _, v in self.items(node, "take")]
            return m.Take(tuple(pairs), bare=False)
        columns = [self.text(item) for item in self.listed(node)]
        return m.Take(tuple((camel_case(column), column) for column in columns), bare=False)

    def _order(self, node: Node) -> m.Order:
        match = _ORDER.fullmatch(text := self.text(node).strip())
        if match is None:
            self.wrong(node, f"order: {text!r} is not a column, or a column followed by descending")
            return m.Order(text, False)
        [column], direction = _split(match[1]), match[2]
        if direction.strip() not in ("", "ascending", "descending"):
            self.wrong(node, f"order: {direction.strip()!r} is neither ascending nor descending")
        return m.Order(column, direction.strip() == "descending")

    def _index(self, node: Node) -> m.CollectionIndex:
        if isinstance(node, MappingNode):
            options = self.plain(node)
            keys = options.pop("keys", None)
            if isinstance(keys, str):
                keys = [keys]
            if isinstance(keys, list):
                keys = dict.fromkeys(map(str, keys), 1)
            if not isinstance(keys, dict) or not keys:
                self.wrong(node, "an index needs keys: a field, a list, or field: 1 or -1")
                keys = {}
            return m.CollectionIndex(tuple(keys.items()), options, line_of(node))
        keys = [self._field(item) for item in self.listed(node)]
        return m.CollectionIndex(tuple((key, 1) for key in keys), {}, line_of(node))

    def _validator(self, node: Node | None) -> dict[str, object] | None:
        if node is None:
            return None
        if isinstance(node, ScalarNode) and node.value in ("off", "none"):
            return {}
        if isinstance(node, MappingNode):
            return self.plain(node)
        self.wrong(node, "validator: write off, or a MongoDB query such as {$jsonSchema: ...}")
        return None

    def _field(self, node: Node) -> str:
        """Read the name of a field; dots separate sub-documents."""
        text = self.text(node)
        if any(not part or part.startswith("$") for part in text.split(".")):
            self.wrong(node, f"{text!r} is not a field: no part may be empty or start with $")
        return text


def _split(names: str) -> tuple[str, ...]:
    """Split names and remove their quotes, which ``core.model.in_arrow`` adds."""
    return tuple(
        name[1:-1].replace('""', '"') if name.startswith('"') else name
        for name in re.findall(_NAME, names)
    )


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
