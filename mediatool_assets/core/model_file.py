"""The collections of a model file: their shapes, the fields that are added, and their indexes."""

import re
from collections.abc import Iterator

from yaml.nodes import MappingNode, Node, ScalarNode

from mediatool_assets.domain import model as m
from mediatool_assets.domain.field_names import camel_case
from mediatool_assets.flows.formats.yaml_reader import YamlReader, line_of

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
    """Split names and remove their quotes, which ``domain.model.in_arrow`` adds."""
    return tuple(
        name[1:-1].replace('""', '"') if name.startswith('"') else name
        for name in re.findall(_NAME, names)
    )
