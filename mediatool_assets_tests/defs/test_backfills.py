"""Backfills from the asset graph: Dagster takes every choice of layers, for a day or a range."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.execution.asset_backfill import AssetBackfillData

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.definitions import definitions

MODELS = {
    "one table": "tables: {a: }\ncollections: {a: a}",
    "one parent each": "tables: {a: , b: }\ncollections: {a: a, b: b}",
    "one parent, and several": """
        tables: {a: , b: }
        collections:
          a: a
          b: {root: b, add: {a: {look_up: a_id -> a.id, take: name}}}
    """,
}
"""The last is what Dagster refused: the collections' subsets were equal, and differed by ``!=``."""

DAYS = (["2026-01-02"], ["2026-01-02", "2026-01-03"])


def _unions(graph: AssetGraph) -> Iterator[set[frozenset[dg.AssetKey]]]:
    """Every choice of the steps whose assets are partitioned, each step with all of its assets."""
    partitioned = [k for k in graph.materializable_asset_keys if graph.get(k).is_partitioned]
    steps = {frozenset(graph.get(key).execution_set_asset_keys) for key in partitioned}
    for size in range(1, len(steps) + 1):
        yield from map(set, combinations(steps, size))


@pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources` is deprecated")  # by Dagster
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_no_choice_of_layers_is_refused(model: str, tmp_path: Path) -> None:
    """As the webserver decides it: all assets of a step have the same target, also by ``!=``."""
    (path := tmp_path / "model.yaml").write_text(MODELS[model])
    restoring = Url("postgresql://someone@localhost/postgres")
    defs = definitions(Settings(model=path, restore_postgres_url=restoring))
    graph, now = defs.resolve_asset_graph(), datetime(2026, 2, 1, tzinfo=UTC).timestamp()
    with dg.DagsterInstance.ephemeral() as instance:
        for steps in _unions(graph):
            chosen = sorted(key for step in steps for key in step)
            for days in DAYS:
                target = AssetBackfillData.from_asset_partitions(
                    graph, days, chosen, instance, now, all_partitions=False
                ).target_subset.partitions_subsets_by_asset_key
                for step in steps:
                    [first, *others] = [target.get(key) for key in step]
                    assert not any(first != other for other in others), chosen
