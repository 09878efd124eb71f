"""The source's tables: external assets, where all lineage begins."""

from collections.abc import Iterable

import dagster as dg

from mediatool_assets.defs.layers import key


def source_tables(tables: Iterable[str]) -> list[dg.AssetSpec]:
    """One external asset for each table of the live database."""
    return [
        dg.AssetSpec(
            key("source", table),
            description=f"The table `{table}` of the live database. It is only read.",
            group_name="source",
            kinds={"postgres"},
            metadata={"dagster/table_name": table},
        )
        for table in tables
    ]
