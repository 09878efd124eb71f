"""A step costs as much as its tables, not as their square.

For each output of a step Dagster makes the set of all the step's keys anew, twice: of 2,000 tables
that is a minute a layer. What a set is made of never changes, so each is kept.
"""

from functools import cached_property, lru_cache

from dagster import AssetsDefinition
from dagster._core.execution.context.system import StepExecutionContext

KEYS = "asset_and_check_keys"


def keep_key_sets() -> None:
    """Keep, in this process, the keys of each definition, and those of the step that runs."""
    keys = vars(AssetsDefinition)[KEYS]
    if isinstance(keys, cached_property):
        return  # they are kept
    kept = cached_property(keys.fget)
    kept.__set_name__(AssetsDefinition, KEYS)
    setattr(AssetsDefinition, KEYS, kept)
    of_step = lru_cache(maxsize=1)(StepExecutionContext.get_output_asset_keys)
    StepExecutionContext.get_output_asset_keys = of_step  # type: ignore[method-assign]
