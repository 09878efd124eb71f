"""Reads YAML as nodes with their lines; it never executes anything."""

from collections.abc import Iterator
from pathlib import Path

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node

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
