"""The function that makes the rows of each table, and the order of its columns."""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from mediatool_assets.seed import history, lookups, planning, platforms
from mediatool_assets.seed.lookups import Row
from mediatool_assets.seed.sizes import World

BASE: Mapping[str, Callable[[World, int], Row]] = {
    "channels": lookups.channel,
    "tactics": lookups.tactic,
    "media_platforms": lookups.media_platform,
    "tactic_media_platforms": lookups.tactic_media_platform,
    "unit_price_types": lookups.unit_price_type,
    "teams": lookups.team,
    "users": lookups.user,
    "reps": lookups.rep,
    "reps_x_teams": lookups.rep_team,
    "rate_card": lookups.rate,
    "changesets": lookups.changeset,
    "schema_migrations": lookups.schema_migration,
    "accounts": planning.account,
    "campaigns": planning.campaign,
    "strategies": planning.strategy,
    "line_items": planning.line_item,
    "line_item_media_buys": planning.line_item_media_buy,
    "media_buys": platforms.media_buy,
    "media_platform_entities": platforms.entity,
    "media_platform_entity_metadata": platforms.entity_metadata,
    "platform_buy_daily_impressions": platforms.daily_impressions,
    "platform_buy_daily_videos": platforms.daily_videos,
}
"""The n-th row of every table but the history tables, from the world and n alone."""


def rows(world: World, table: str) -> Iterator[Row]:
    """Make all rows of one table at day 0."""
    if table in BASE:
        make = BASE[table]
        return (make(world, n) for n in range(world[table]))
    base = table.removesuffix("_history")
    count = world[base]
    return chain.from_iterable(
        history.versions(world, table, BASE[base](world, n), n, count) for n in range(count)
    )
