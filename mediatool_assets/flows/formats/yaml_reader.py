"""Reads values from YAML nodes, and collects the mistakes with their lines."""

from collections.abc import Iterator
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode


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
