"""Values that have broken exporters before."""

from collections.abc import Sequence

import psycopg
import pytest

from mediatool_assets.core.texts import Url
from mediatool_assets.demo import values as awkward
from mediatool_assets.demo.seeding import seed


@pytest.fixture(scope="module")
def expected() -> dict[tuple[str, str], tuple[str, Sequence[object]]]:
    """By table and column: the type to read the values back with, and the values."""
    return {
        ("campaigns", "campaign_name"): ("text", awkward.TEXTS),
        ("line_items", "name"): ("text", awkward.TEXTS),
        ("line_items", "description"): ("text", awkward.TEXTS),
        ("media_buys", "name"): ("text", awkward.TEXTS),
        ("media_platform_entities", "name"): ("text", awkward.TEXTS),
        ("campaigns", "budget"): ("numeric", awkward.NUMERICS),
        ("line_items", "price"): ("numeric", awkward.NUMERICS),
        ("line_item_media_buys", "target_unit_cost"): ("numeric", awkward.NUMERICS),
        ("media_buys", "budget"): ("numeric", awkward.NUMERICS),
        ("campaigns", "expected_revenue"): ("money", awkward.MONEY),
        ("rate_card", "price"): ("money", awkward.MONEY),
        ("changesets", "transaction_id"): ("bigint", awkward.BIGINTS),
        ("media_platform_entity_metadata", "external_account_number"): ("bigint", awkward.BIGINTS),
        ("media_platform_entity_metadata", "relevance"): ("float8", awkward.DOUBLES),
        ("media_platform_entity_metadata", "match_quality"): ("float4", awkward.REALS),
        ("campaigns", "modified_time"): ("timestamptz", awkward.MOMENTS),
        ("media_platform_entity_metadata", "expires_at"): (
            "timestamptz",
            awkward.INFINITE_MOMENTS,
        ),
        ("line_items", "start_date"): ("date", awkward.DATES),
        ("line_items", "pacing_details"): ("jsonb", awkward.JSONB),
        ("media_platform_entities", "metadata"): ("jsonb", awkward.JSONB),
        ("media_platform_entity_metadata", "value"): ("json", awkward.JSON),
        ("media_platform_entity_metadata", "digest"): ("bytea", awkward.BYTES),
        ("media_platform_entity_metadata", "labels"): ("text[]", awkward.TEXT_ARRAYS),
        ("media_buys", "campaign_numbers"): ("text[]", awkward.TEXT_ARRAYS),
    }


def test_every_awkward_value_is_in_its_column(
    postgres_database: Url, expected: dict[tuple[str, str], tuple[str, Sequence[object]]]
) -> None:
    """Unchanged to the character, at the smallest scale, in ordinary columns."""
    seed(postgres_database, scale=0.0001)
    with psycopg.connect(postgres_database.reveal()) as connection:
        missing = {
            place: lost
            for place, (type_, values) in expected.items()
            if (lost := _missing(connection, place, type_, values))
        }
    assert missing == {}


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("media_trader_user_ids", {"{}", "{NULL}", None}),
        ("media_platform_ids", {"{}", "{NULL,3}", None}),
        ("geo", {"", None}),
        ("purchase_order_number", {"", None}),
    ],
)
def test_nothing_comes_in_all_its_forms(
    postgres_database: Url, column: str, values: set[str | None]
) -> None:
    """Null, empty and null inside stand beside each other."""
    seed(postgres_database, scale=0.02)
    with psycopg.connect(postgres_database.reveal()) as connection:
        found = connection.execute(
            f"SELECT DISTINCT {column}::text FROM media_tool.line_items"  # noqa: S608  # a column's name of our own
        )
        assert values <= {value for (value,) in found}


def test_deep_documents_and_odd_keys_are_kept() -> None:
    """The jsonb values nest forty deep and have keys with $ and a full stop, and an empty one."""
    text = "\n".join(awkward.JSONB)
    assert "[" * 40 in text
    assert all(key in text for key in ('"$set"', '"a.b.c"', '"":', '"."', '"$"'))


def _missing(
    connection: psycopg.Connection[tuple[object, ...]],
    place: tuple[str, str],
    type_: str,
    values: Sequence[object],
) -> list[object]:
    """Ask the server for each value, by its text of the type."""
    table, column = place
    lost = []
    for value in values:
        found = connection.execute(
            f"SELECT count(*) FROM media_tool.{table} WHERE {column}::{type_}::text"  # noqa: S608  # names of our own
            f" IS NOT DISTINCT FROM %s::{type_}::text",
            (value,),
        ).fetchone()
        if found == (0,):
            lost.append(value)
    return lost
