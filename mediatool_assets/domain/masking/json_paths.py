"""Masks JSON documents path by path, without changing a byte of what is kept."""

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from mediatool_assets.domain.masking.rules import MaskingRule

Mask = Callable[[bytes], bytes]

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


class Unclassified(Exception):
    """A value in a document that no path covers and that has no default rule."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(path)


@dataclass(slots=True)
class Node:
    """A node of the path tree, with children for names, for any name, or for array items."""

    path: str = ""
    label: bytes = b""
    rule: MaskingRule | None = None
    names: dict[str, "Node"] = field(default_factory=dict)
    items: "Node | None" = None

    def below(self, name: str) -> str:
        """The path of a name in the object at this node."""
        return f"{self.path}.{name}" if self.path else name


ANY = "*"
"""The name that matches every name without a path of its own."""


def path_tree(rule: MaskingRule) -> Node:
    """The paths of a ``json`` rule as a tree; raises ValueError on an invalid path."""
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


def document_mask(
    tree: Node,
    leaf: Callable[[MaskingRule], Mask | None],
    otherwise: MaskingRule | None,
    item: Callable[[Mask], Mask],
) -> Mask | None:
    """The function that masks each value of a document by its rule; None if all is kept.

    ``leaf`` makes the function of a rule, ``item`` that of an array's items. The output is spaced
    like jsonb's text; names and kept values are unchanged to the byte. The function raises
    Unclassified, msgspec.DecodeError.
    """
    if tree.rule is not None:
        return leaf(tree.rule)
    names = {
        name: (node.label, document_mask(node, leaf, otherwise, item))
        for name, node in tree.names.items()
    }
    every_name = names.get(ANY)
    of_item = None if tree.items is None else document_mask(tree.items, leaf, otherwise, item)
    items = None if of_item is None else item(of_item)
    rest = None if otherwise is None else leaf(otherwise)

    def of_name(name: str) -> tuple[bytes, Mask | None]:
        if every_name is not None:
            return _label(name), every_name[1]
        if otherwise is None:
            raise Unclassified(tree.below(name))
        return _label(name), rest

    def masked(document: bytes) -> bytes:
        if names and document.startswith(b"{"):
            parts = []
            for name, value in _OBJECT.decode(document).items():
                label, mask = names.get(name) or of_name(name)
                parts.append(label + (value if mask is None else mask(bytes(value))))
            return b"{" + b", ".join(parts) + b"}"
        if tree.items is not None and document.startswith(b"["):
            values = _ARRAY.decode(document)
            made = values if items is None else [items(bytes(value)) for value in values]
            return b"[" + b", ".join(made) + b"]"
        if document == b"null":
            return document
        if otherwise is None:
            raise Unclassified(tree.path)
        return document if rest is None else rest(document)

    return masked
