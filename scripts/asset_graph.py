"""Draws the assets that one collection comes from, as they are defined, in Mermaid.

docs/explanation/architecture.md has what ``python scripts/asset_graph.py campaigns`` prints; a test
compares them.
"""

import sys
from collections.abc import Callable, Set

import dagster as dg

from mediatool_assets.definitions import defs


def drawing(collection: str) -> str:
    """The assets upstream and downstream of the collection in MongoDB, by group."""
    graph = defs.resolve_asset_graph()
    loaded = dg.AssetKey(["mongodb", collection])
    keys = sorted(
        _reached(loaded, lambda key: graph.get(key).parent_keys)
        | _reached(loaded, lambda key: graph.get(key).child_keys)
    )
    groups: dict[str, list[str]] = {}
    arrows: list[str] = []
    for key in keys:
        node = graph.get(key)
        groups.setdefault(node.group_name, []).append(f'    {_id(key)}["{key.path[-1]}"]')
        arrows += [f"  {_id(key)} --> {_id(child)}" for child in keys if child in node.child_keys]
    boxes = [
        line
        for group, nodes in groups.items()
        for line in (f"  subgraph {group}_assets[{group}]", *nodes, "  end")
    ]
    return "\n".join(["flowchart LR", *boxes, *arrows]) + "\n"


def _reached(
    start: dg.AssetKey, step: Callable[[dg.AssetKey], Set[dg.AssetKey]]
) -> set[dg.AssetKey]:
    """``start`` and whatever is reached from it, step by step."""
    reached, fresh = {start}, {start}
    while fresh:
        fresh = {key for origin in fresh for key in step(origin)} - reached
        reached |= fresh
    return reached


def _id(key: dg.AssetKey) -> str:
    return "__".join(key.path)


if __name__ == "__main__":
    sys.stdout.write(drawing(sys.argv[1]))
