"""JSON documents masked path by path, without touching a byte of what is kept."""

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from mediatool_assets.domain.masking.rules import MaskingRule, MaskingVerb

Leaf = Callable[[bytes, MaskingRule], bytes]

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


class Unclassified(Exception):
    """A place in a document that no path reaches, and nothing says what becomes of it."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(path)


@dataclass(slots=True)
class Node:
    """Where paths part: at the names of an object, any name of it, or the items of an array."""

    path: str = ""
    label: bytes = b""
    rule: MaskingRule | None = None
    names: dict[str, "Node"] = field(default_factory=dict)
    items: "Node | None" = None

    def below(self, name: str) -> str:
        """The path of a name in the object that is here."""
        return f"{self.path}.{name}" if self.path else name


ANY = "*"
"""The name that stands for every name that is not written."""


def path_tree(rule: MaskingRule) -> Node:
    """The paths of a ``json`` rule as a tree; raises ValueError on a path that cannot be."""
    root = Node()
    for path, leaf in rule.paths:
        node = root
        for step in steps(path):
            if node.rule is not None:
                raise ValueError(f"{path} is within a path that has a rule of its own")
            if step:
                node = node.names.setdefault(step, Node(node.below(step), _label(step)))
            else:
                node.items = node.items or Node(f"{node.path}[]")
                node = node.items
        if node.rule is not None or node.names or node.items:
            raise ValueError(f"{path} has a rule already, or paths within it have one")
        node.rule = leaf
    return root


def _label(name: str) -> bytes:
    return msgspec.json.encode(name) + b": "


def steps(path: str) -> list[str]:
    """``weeks[].spend`` as names, and an empty text for each ``[]``; raises ValueError."""
    found: list[str] = []
    for part in path.split("."):
        name = part.rstrip("[]")
        items = part[len(name) :]
        if items.replace("[]", "") or (not name and (found or not items)):
            raise ValueError(f"{path!r} is not a path; write name.name, name[].name or *.name")
        found += [name] * bool(name) + [""] * (len(items) // 2)
    return found


def masked(document: bytes, tree: Node, otherwise: MaskingRule | None, leaf: Leaf) -> bytes:
    """The document with each place masked by its rule; raises Unclassified, msgspec.DecodeError.

    Spaced as jsonb writes it. What a rule keeps is kept to the byte, as are all names.
    """
    rule = tree.rule
    if rule is not None:
        return document if rule.verb is MaskingVerb.KEEP else leaf(document, rule)
    if tree.names and document.startswith(b"{"):
        parts = []
        for name, value in _OBJECT.decode(document).items():
            child = tree.names.get(name)
            label = child.label if child is not None else _label(name)
            child = child or tree.names.get(ANY)
            if child is not None:
                made = masked(bytes(value), child, otherwise, leaf)
            elif otherwise is not None:
                made = leaf(bytes(value), otherwise)
            else:
                raise Unclassified(tree.below(name))
            parts.append(label + made)
        return b"{" + b", ".join(parts) + b"}"
    if tree.items is not None and document.startswith(b"["):
        values = _ARRAY.decode(document)
        items = [masked(bytes(v), tree.items, otherwise, leaf) for v in values]
        return b"[" + b", ".join(items) + b"]"
    if document == b"null":
        return document
    if otherwise is None:
        raise Unclassified(tree.path)
    return leaf(document, otherwise)
