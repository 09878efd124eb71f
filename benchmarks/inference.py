"""How many of the media tool's references `mediatool model infer` finds without the shipped model.

    python benchmarks/inference.py [SCALE]

Fills a separate schema on the local servers (`mediatool up`), infers, and drops it again. Prints
precision (how many proposed references are true) and recall (how many true references are proposed)
for all known references of the tables, and for those without a foreign key; then the collections
and fields that only one of the two models has.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import psycopg

from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.resolution import resolve
from mediatool_assets.core.schema import Schema
from mediatool_assets.core.texts import SHIPPED_MODEL
from mediatool_assets.demo.seeding import seed
from mediatool_assets.infer.flow import LiveTables, infer
from mediatool_assets.stores.environment import local_settings
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.work import worker_pool
from mediatool_assets.work.scratch import Workspace

SCHEMA = "inference_benchmark"

JOINS = {
    "campaigns.account_id -> accounts.id",
    "strategies.campaign_id -> campaigns.id",
    "line_items.strategy_id -> strategies.id",
    "line_item_media_buys.line_item_id -> line_items.id",
    "line_item_media_buys.media_buy_id -> media_buys.id",
    "media_buys.media_platform_entity_id -> media_platform_entities.id",
    "campaigns.owner_user_id -> users.zoho_user_id",
    "campaigns.lead_account_owner_user_id -> users.zoho_user_id",
    "line_items.media_trader_user_ids[] -> users.id",
    "media_buys.campaign_numbers[] -> campaigns.campaign_number",
    "platform_buy_daily_impressions.platform_id -> media_platforms.id",
    "platform_buy_daily_impressions.platform_buy_id -> media_buys.id",
    "platform_buy_daily_videos.platform_id -> media_platforms.id",
    "platform_buy_daily_videos.platform_buy_id -> media_buys.id",
}
"""The joins that the team is known to make."""

OTHERS = {
    "accounts.owner_user_id -> users.zoho_user_id",
    "attachments.line_item_id -> line_items.id",
    "campaigns.sales_rep_user_id -> reps.zoho_user_id",
    "changesets.user_id -> users.id",
    "line_item_media_buys.changeset_id -> changesets.id",
    "line_items.changeset_id -> changesets.id",
    "line_items.channel_id -> channels.id",
    "line_items.media_platform_ids[] -> media_platforms.id",
    "line_items.tactic_id -> tactics.id",
    "line_items.unit_price_type_id -> unit_price_types.id",
    "media_buys.advertiser_media_platform_entity_id -> media_platform_entities.id",
    "media_buys.changeset_id -> changesets.id",
    "media_buys.media_platform_id -> media_platforms.id",
    "media_platform_entities.media_platform_id -> media_platforms.id",
    "media_platform_entities.parent_id -> media_platform_entities.id",
    "media_platform_entity_metadata.media_platform_entity_id -> media_platform_entities.id",
    "rate_card.media_platform_id -> media_platforms.id",
    "rate_card.tactic_id -> tactics.id",
    "rate_card.unit_price_type_id -> unit_price_types.id",
    "reps_x_teams.rep_id -> reps.id",
    "reps_x_teams.team_id -> teams.id",
    "strategies.changeset_id -> changesets.id",
    "tactic_media_platforms.media_platform_id -> media_platforms.id",
    "tactic_media_platforms.tactic_id -> tactics.id",
    "tactics.channel_id -> channels.id",
    "teams.parent_team_id -> teams.id",
}
"""What else refers to what, by the comments and views of the schema."""

WITH_HISTORY = (
    "accounts",
    "campaigns",
    "line_item_media_buys",
    "line_items",
    "media_buys",
    "media_platform_entities",
    "rate_card",
    "reps",
    "strategies",
    "teams",
    "users",
)


def every_reference() -> set[str]:
    """All of them: a history table has those of its table, and names its row and a changeset."""
    known = JOINS | OTHERS
    for table in WITH_HISTORY:
        past = f"{table}_history"
        own = {text for text in known if text.startswith(f"{table}.")}
        known |= {past + text.removeprefix(table) for text in own}
        known |= {f"{past}.id -> {table}.id", f"{past}.changeset_id -> changesets.id"}
    return known


def score(what: str, wanted: set[str], found: set[str]) -> str:
    """One line of the table that is printed."""
    hits = len(wanted & found)
    return f"{what:42} {len(wanted):7} {hits:7} {hits / len(wanted):8.1%}"


def shapes(path: Path, schema: Schema) -> dict[str, set[str]]:
    """The fields of each collection that a model makes of a schema."""
    return {
        collection.name: {part.field for part in collection.shape.columns}
        | {added.field for added in collection.shape.additions}
        for collection in resolve(load_model(path), schema, set()).collections
    }


def main(scale: float) -> None:
    """Seed, infer, print, drop."""
    settings = replace(local_settings(), postgres_schema=SCHEMA)
    url = settings.postgres_url
    assert url is not None, "the local servers are up"
    try:
        rows = seed(url, scale=scale, full=True, schema=SCHEMA).rows
        with (
            PostgresSource.of(settings).snapshot() as snapshot,
            worker_pool(settings.workers) as pool,
            tempfile.TemporaryDirectory() as scratch,
        ):
            began = perf_counter()
            inferred = infer(LiveTables(snapshot), Workspace(pool, Path(scratch)))
            seconds = perf_counter() - began
            (model := Path(scratch) / "inferred.yaml").write_text(inferred.model)
            ours, theirs = (shapes(path, snapshot.schema) for path in (SHIPPED_MODEL, model))
    finally:
        with psycopg.connect(url.reveal(), autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    found = {str(relation.reference) for relation in inferred.relations}
    declared = {str(r.reference) for r in inferred.relations if r.certain}
    true = every_reference()
    print(f"{rows:,} rows, scale {scale:g}: inferred in {seconds:.1f} s")
    print(f"{'references':42} {'true':>7} {'found':>7} {'recall':>8}")
    print(score("the team's joins", JOINS, found))
    print(score("the team's joins, not declared", JOINS - declared, found))
    print(score("all", true, found))
    print(score("all that are not declared", true - declared, found))
    hits = len(true & found)
    print(f"precision: {hits} of {len(found)} offered are true, {hits / len(found):.1%}")
    for text in sorted(true - found):
        print(f"missed: {text}")
    for text in sorted(found - true):
        print(f"false:  {text}")
    for name in sorted(ours.keys() | theirs.keys()):
        for whose, one, other in (("shipped", ours, theirs), ("inferred", theirs, ours)):
            if name not in other:
                print(f"only {whose}: {name}")
            elif name in one and (fields := sorted(one[name] - other[name])):
                print(f"only {whose}: {name}: {', '.join(fields)}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.02)
