"""Reads values from YAML nodes, and collects the mistakes with their lines."""

from collections.abc import Iterator
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode


class YamlReader:
    """Keeps ``(line, problem)`` for each node that is not what it should be, and goes on."""

    def __init__(self) -> None:
        self.problems: set[tuple[int, str]] = set()

    def items(self, node: Node | None, what: str) -> Iterator[tuple[str, ScalarNode, Node]]:
        """The entries of a mapping in order; a name that stands twice is a mistake."""
        if node is None or is_null(node):
            return
        if not isinstance(node, MappingNode):
            self.wrong(node, f"{what}: wants `name: value` lines")
            return
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.wrong(key, f"{what}: a name has to be plain text")
                continue
            if key.value in seen:
                self.wrong(key, f"{what}: {key.value} stands here twice")
                continue
            seen.add(key.value)
            yield key.value, key, value

    def parts(self, node: Node, known: tuple[str, ...], what: str) -> dict[str, Node]:
        """The entries of a mapping by name, of those that it may have."""
        parts: dict[str, Node] = {}
        for name, key, value in self.items(node, what):
            if name in known:
                parts[name] = value
            else:
                self.wrong(key, f"{what} has no {name!r}; it knows {', '.join(known)}")
        return parts

    def listed(self, node: Node | None) -> list[Node]:
        """The items of a list; one value stands for a list of one."""
        if node is None:
            return []
        return list(node.value) if isinstance(node, SequenceNode) else [node]

    def words(self, node: Node) -> tuple[str, ...]:
        """The texts of a list, or of one value; none of null."""
        if is_null(node):
            return ()
        return tuple(self.text(item) for item in self.listed(node))

    def text(self, node: Node) -> str:
        """One word or text; empty where there is none."""
        if isinstance(node, ScalarNode) and node.value:
            return str(node.value)
        self.wrong(node, "wants one word or text here")
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
        """Keep a problem."""
        self.problems.add((line_of(node), problem))


def is_null(node: Node) -> bool:
    """Whether nothing stands there."""
    return isinstance(node, ScalarNode) and node.value in ("", "~", "null")


def line_of(node: Node) -> int:
    """Where the node begins; the first line is 1."""
    return int(node.start_mark.line) + 1
