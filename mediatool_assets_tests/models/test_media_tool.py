"""media_tool.yaml makes of the demo source what MongoDB takes, and leaves no row behind."""

from pathlib import Path

import pytest

from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.resolution import resolve
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import SHIPPED_MODEL, Url
from mediatool_assets.core.version import Version
from mediatool_assets.demo.seeding import seed
from mediatool_assets.export.flow import export
from mediatool_assets.infer.flow import LiveTables, infer
from mediatool_assets.load.flow import load
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.transform.flow import transform
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.raw_archives import documents as documents_of
from mediatool_assets_tests.twins import DirectoryObjects

MODEL = load_model(SHIPPED_MODEL)


def source_of(url: Url) -> PostgresSource:
    """A demo source of the smallest size, with every table filled."""
    seed(url, scale=0.002, full=True)
    return PostgresSource.of(Settings.parse({"MEDIATOOL_POSTGRES_URL": url.reveal()}))


def test_the_model_knows_every_table_and_column(postgres_database: Url) -> None:
    """The demo source as of its first day has drifted in nothing."""
    with source_of(postgres_database).snapshot() as snapshot:
        resolution = resolve(MODEL, snapshot.schema)
        assert resolution.warnings == ()
        assert {table.name for table in snapshot.schema.tables} == set(MODEL.tables)


@pytest.fixture
def twin(tmp_path: Path) -> DirectoryObjects:
    """A bucket in a directory."""
    return DirectoryObjects(tmp_path / "bucket")


def test_the_demo_source_reaches_mongodb_whole(
    postgres_database: Url,
    twin: DirectoryObjects,
    documents: MongoDocuments,
    pool: Workspace,
) -> None:
    """Every validator accepts its data, every row has a home, and joins follow the right keys."""
    version = Version.parse("20250621-143001")
    raw = export(source_of(postgres_database), twin, pool, version).manifest
    made = transform(twin, pool, version, MODEL).manifest
    loaded = load(twin, documents, pool, version)
    assert loaded.documents == {name: member.rows for name, member in made.collections().items()}
    rows = made.facts["rows"]
    assert isinstance(rows, dict)
    assert {table: counts["in"] for table, counts in rows.items()} == {
        table: member.rows for table, member in raw.tables().items()
    }
    campaigns = documents_of(twin, "campaigns", version)
    users = {user["_id"]: user for user in documents_of(twin, "users", version)}
    for campaign in campaigns:
        owner = campaign["team"]["owner"]
        if owner is not None:
            assert users[owner["id"]]["zohoUserId"] == campaign["ownerUserId"]
        assert all(trader["id"] in users for trader in campaign["team"]["mediaTraders"])
    lines = documents_of(twin, "lineItems", version)
    assert sum(campaign["lineItemCount"] for campaign in campaigns) == sum(
        line["campaignId"] in {campaign["_id"] for campaign in campaigns} for line in lines
    )
    documents.drop(loaded.database)


JOINS = {
    "campaigns.account_id -> accounts.id",
    "strategies.campaign_id -> campaigns.id",
    "line_items.strategy_id -> strategies.id",
    "line_item_media_buys.line_item_id -> line_items.id",
    "line_item_media_buys.media_buy_id -> media_buys.id",
    "media_buys.media_platform_entity_id -> media_platform_entities.id",
    "campaigns.owner_user_id -> users.zoho_user_id",
    "campaigns.lead_account_owner_user_id -> users.zoho_user_id",
    "campaigns.sales_rep_user_id -> reps.zoho_user_id",
    "line_items.media_trader_user_ids[] -> users.id",
    "media_buys.campaign_numbers[] -> campaigns.campaign_number",
    "platform_buy_daily_impressions.platform_buy_id -> media_buys.id",
    "platform_buy_daily_videos.platform_buy_id -> media_buys.id",
}
"""What the team joins, and no foreign key says."""


def test_without_the_model_its_joins_are_found(
    postgres_database: Url, pool: Workspace, tmp_path: Path
) -> None:
    """With their coverage, though most dangle; and what is inferred fits as it stands."""
    with source_of(postgres_database).snapshot() as snapshot:
        found = infer(LiveTables(snapshot), pool)
        schema = snapshot.schema
    undeclared = {str(r.reference) for r in found.relations if not r.certain}
    assert undeclared >= JOINS
    path = tmp_path / "model.yaml"
    path.write_text(found.model, "utf-8")
    assert resolve(load_model(path), schema).warnings == ()
