"""How many rows each table of the demo source has, as a pure function of scale and fullness."""

from collections.abc import Mapping
from dataclasses import dataclass

SCHEMA_MIGRATIONS = 214
"""Migrations do not grow with the business, nor do the tables of FIXED."""

FIXED: Mapping[str, int] = {
    "channels": 7,
    "tactics": 36,
    "media_platforms": 24,
    "tactic_media_platforms": 180,
    "unit_price_types": 9,
    "schema_migrations": SCHEMA_MIGRATIONS,
}
"""Lookups: the same at every scale. Counts of the published export where it names them."""

PUBLISHED: Mapping[str, int] = {
    "teams": 88,
    "users": 326,
    "reps": 120,
    "reps_x_teams": 210,
    "rate_card": 430,
    "accounts": 9_796,
    "campaigns": 13_417,
    "strategies": 13_417,
    "line_items": 4_118,
    "line_item_media_buys": 5_548,
    "media_buys": 56_020,
    "media_platform_entities": 142_333,
    "media_platform_entity_metadata": 28_400,
    "changesets": 270_186,
    "strategies_history": 26_834,
    "line_items_history": 12_354,
    "line_item_media_buys_history": 13_870,
    "media_buys_history": 251_000,
}
"""Rows at scale 1. Named by the published export: teams, users, accounts, campaigns, strategies,
line_items, line_item_media_buys, media_buys, media_platform_entities. The rest is chosen so that
the 24 tables hold 848,937 rows and 924 MB of JSON."""

VERSIONS: Mapping[str, int] = {
    "accounts_history": 3,
    "campaigns_history": 5,
    "users_history": 4,
    "teams_history": 2,
    "reps_history": 2,
    "rate_card_history": 2,
    "media_platform_entities_history": 3,
}
"""With full: history rows per row of the base table."""

DAYS_A_BUY = 20
"""With full: days of impressions per platform buy; every third one is video as well."""

FLOOR = 60
"""The minimum rows of a scaled table, so that every awkward value has a row at every scale."""


@dataclass(frozen=True, slots=True)
class World:
    """The tables to generate, with their rows at day 0; empty tables are absent."""

    counts: Mapping[str, int]
    full: bool

    @classmethod
    def of(cls, scale: float, *, full: bool) -> "World":
        """Size the world; scale 1 without full is the published export, to the row."""
        counts = dict(FIXED)
        for table, rows in PUBLISHED.items():
            counts[table] = max(min(rows, FLOOR), round(rows * scale))
        counts["strategies"] = counts["campaigns"]
        counts["teams"] = min(counts["teams"], PUBLISHED["teams"])
        for history in [table for table in PUBLISHED if table.endswith("_history")]:
            counts[history] = max(counts[history], counts[history.removesuffix("_history")])
        if full:
            for history, versions in VERSIONS.items():
                counts[history] = versions * counts[history.removesuffix("_history")]
            buys = counts["media_buys"]
            counts["platform_buy_daily_impressions"] = DAYS_A_BUY * buys
            counts["platform_buy_daily_videos"] = DAYS_A_BUY * ((buys + 2) // 3)
        return cls(counts, full)

    def __getitem__(self, table: str) -> int:
        """Rows of a table at day 0, 0 for one that stays empty."""
        return self.counts.get(table, 0)

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(self.counts.values())
