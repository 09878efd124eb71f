"""Seeding a real database."""

from collections.abc import Mapping
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from mediatool_assets.core.errors import Misuse, Refused, Unreachable
from mediatool_assets.core.texts import Url
from mediatool_assets.demo.seeding import rows_gained, seed
from mediatool_assets.demo.values import World
from mediatool_assets_tests.demo.contents import contents, differences, fingerprints

SCALE = 0.001


@pytest.mark.parametrize(("full", "filled"), [(False, 24), (True, 33)])
def test_tables_hold_what_the_sizes_say(postgres_database: Url, full: bool, filled: int) -> None:
    """Every table has its count in the database, in the answer and in the sizes."""
    seeded = seed(postgres_database, scale=SCALE, full=full)
    world = World.of(SCALE, full=full)
    in_database = {table: len(rows) for table, rows in contents(postgres_database.reveal()).items()}
    assert in_database == seeded.tables == {table: world[table] for table in seeded.tables}
    assert len(in_database) == 34
    assert sum(rows > 0 for rows in in_database.values()) == filled
    assert (seeded.rows, seeded.edits) == (world.rows, {})


def test_a_scale_gives_the_same_rows_every_time(postgres_database: Url) -> None:
    """Two schemas of one scale have the same content; another scale has another."""
    for schema, scale in (("one", SCALE), ("other", SCALE), ("larger", 0.006)):
        seed(postgres_database, scale=scale, full=True, schema=schema)
    one, other, larger = (
        fingerprints(postgres_database.reveal(), schema) for schema in ("one", "other", "larger")
    )
    assert one == other
    assert larger["media_buys"] != one["media_buys"]


def test_the_json_is_as_large_as_the_published_export(postgres_database: Url) -> None:
    """The mean sizes of rows, times the published counts, are within 2 percent of its megabytes."""
    seed(postgres_database, scale=0.02)
    published = World.of(1, full=False)
    megabytes = {
        table: rows * published[table] / 1e6
        for table, rows in _mean_json_bytes(postgres_database).items()
    }
    assert megabytes["media_platform_entities"] == pytest.approx(605.2, rel=0.02)
    assert megabytes["media_buys"] == pytest.approx(34.2, rel=0.05)
    assert megabytes["campaigns"] == pytest.approx(10.7, rel=0.05)
    assert sum(megabytes.values()) == pytest.approx(924, rel=0.02)


@pytest.mark.parametrize("full", [False, True])
def test_reported_edits_are_the_actual_differences(postgres_database: Url, full: bool) -> None:
    """Day after day, what the seed reports is what comparing every row finds."""
    seed(postgres_database, scale=SCALE, full=full)
    before = contents(postgres_database.reveal())
    for day in range(1, 7):
        edits = dict(seed(postgres_database, scale=SCALE, full=full, day=day).edits[day])
        schema = edits.pop("schema")
        after = contents(postgres_database.reveal())
        assert edits == differences(before, after)
        assert schema == {
            4: ["line_items.brand_safety_tier: column added"],
            5: ["campaign_notes: table added"],
        }.get(day, [])
        before = after


def test_every_kind_of_edit_happens(postgres_database: Url) -> None:
    """A week inserts, updates, flags and deletes; new columns and tables are there and filled."""
    edits = seed(postgres_database, scale=SCALE, full=True, day=7).edits
    kinds: dict[str, int] = {}
    for day in edits.values():
        for table in day.keys() - {"schema"}:
            for kind, rows in day[table].items():
                kinds[kind] = kinds.get(kind, 0) + rows
    assert set(edits) == set(range(1, 8))
    assert min(kinds.values()) > 0 and len(kinds) == 4
    with psycopg.connect(postgres_database.reveal()) as connection:
        tiers = "SELECT count(brand_safety_tier) FROM media_tool.line_items"
        assert connection.execute(tiers).fetchone() != (0,)
        assert connection.execute("SELECT count(*) > 0 FROM media_tool.campaign_notes").fetchone()


def test_a_week_of_growth_is_the_published_one() -> None:
    """13,417 campaigns become 13,498 in seven days, and so on."""
    world = World.of(1, full=False)
    later = {
        "campaigns": 13_498,
        "accounts": 9_861,
        "line_items": 4_251,
        "media_buys": 56_339,
        "media_platform_entities": 143_313,
        "users": 327,
    }
    assert {table: world[table] + rows_gained(world, table, 7) for table in later} == later


def test_going_on_equals_starting_anew(postgres_database: Url) -> None:
    """Days 0, 1 and 5 in turn leave what day 5 at once leaves; a lower day seeds anew."""
    for day in (0, 1, 5):
        seed(postgres_database, scale=SCALE, full=True, day=day, schema="in_turn")
    at_once = seed(postgres_database, scale=SCALE, full=True, day=5, schema="at_once")
    assert fingerprints(postgres_database.reveal(), "in_turn") == fingerprints(
        postgres_database.reveal(), "at_once"
    )
    assert at_once.edits.keys() == {1, 2, 3, 4, 5}
    lower = seed(postgres_database, scale=SCALE, full=True, day=1, schema="in_turn")
    fresh = seed(postgres_database, scale=SCALE, full=True, day=1, schema="at_once")
    assert lower == fresh
    assert fingerprints(postgres_database.reveal(), "in_turn") == fingerprints(
        postgres_database.reveal(), "at_once"
    )


def test_history_ends_in_the_row_as_it_stands(postgres_database: Url) -> None:
    """After edits, each standing row's open version equals it, and versions follow each other."""
    seed(postgres_database, scale=SCALE, full=True, day=2)
    with psycopg.connect(postgres_database.reveal()) as connection:
        stale = connection.execute(
            "SELECT count(*) FROM media_tool.media_buys b"
            " LEFT JOIN media_tool.media_buys_history h ON h.id = b.id AND h.valid_to IS NULL"
            " WHERE (h.name, h.spend, h.is_deleted, h.updated_at)"
            " IS DISTINCT FROM (b.name, b.spend, b.is_deleted, b.updated_at)"
        ).fetchone()
        gaps = connection.execute(
            "SELECT count(*) FROM (SELECT version, row_number() OVER w AS n, valid_from,"
            " lag(valid_to) OVER w AS until FROM media_tool.line_items_history"
            " WINDOW w AS (PARTITION BY id ORDER BY version)) v"
            " WHERE version <> n OR until <> valid_from"
        ).fetchone()
    assert (stale, gaps) == ((0,), (0,))


def test_other_schemas_stay_as_they_are(postgres_database: Url) -> None:
    """Replacing the schema leaves its neighbour alone."""
    seed(postgres_database, scale=SCALE, schema="neighbour")
    before = fingerprints(postgres_database.reveal(), "neighbour")
    seed(postgres_database, scale=SCALE)
    seed(postgres_database, scale=SCALE, full=True)
    assert fingerprints(postgres_database.reveal(), "neighbour") == before


def test_a_schema_that_is_not_ours_is_refused(postgres_database: Url) -> None:
    """A real media tool is never replaced by a made-up one."""
    _execute(postgres_database, "CREATE SCHEMA media_tool; CREATE TABLE media_tool.campaigns ()")
    with pytest.raises(Refused, match="the seed did not make"):
        seed(postgres_database, scale=SCALE)


def test_what_depends_on_the_schema_is_never_dropped_with_it(postgres_database: Url) -> None:
    """A view elsewhere stops the seed, which leaves both as they are."""
    seed(postgres_database, scale=SCALE)
    before = fingerprints(postgres_database.reveal())
    _execute(postgres_database, "CREATE VIEW public.mine AS SELECT id FROM media_tool.campaigns")
    with pytest.raises(Refused, match="view mine depends on"):
        seed(postgres_database, scale=SCALE, full=True)
    assert fingerprints(postgres_database.reveal()) == before


def test_a_user_who_may_not_create_schemas_is_told(postgres_database: Url) -> None:
    """The seed needs a schema of its own and says so."""
    name = f"reader_{uuid4().hex}"
    _execute(postgres_database, f"CREATE ROLE {name} LOGIN PASSWORD 'geheim'")
    parts = urlsplit(postgres_database.reveal())
    url = parts._replace(netloc=f"{name}:geheim@{parts.hostname}:{parts.port}").geturl()
    try:
        with pytest.raises(Refused, match=r"permission denied .* may create schemas") as caught:
            seed(Url(url), scale=SCALE)
        assert "geheim" not in str(caught.value)
    finally:
        _execute(postgres_database, f"DROP ROLE {name}")


@pytest.mark.parametrize(
    "arguments",
    [{"scale": 0}, {"scale": -1}, {"scale": 1e9}, {"day": -1}, {"schema": "pg_x"}, {"schema": ""}],
)
def test_arguments_without_meaning_are_refused(arguments: Mapping[str, float | str]) -> None:
    """Before any server is asked."""
    with pytest.raises(Misuse):
        seed(Url("postgresql://nobody@127.0.0.1:1/none"), **arguments)  # type: ignore[arg-type]  # wrong on purpose


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    """And the message says what to do."""
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1/none.*start it") as caught:
        seed(Url("postgresql://nobody:geheim@127.0.0.1:1/none?connect_timeout=2"), scale=SCALE)
    assert "geheim" not in str(caught.value)


def _mean_json_bytes(url: Url) -> dict[str, float]:
    with psycopg.connect(url.reveal()) as connection:
        connection.execute("SET TimeZone TO 'UTC'")
        return {
            table: float(
                connection.execute(
                    f"SELECT avg(octet_length(row_to_json(t)::text) + 1) FROM media_tool.{table} t"  # noqa: S608  # a table's name of our own
                ).fetchone()[0]  # type: ignore[index]  # an aggregate has one row
            )
            for table in World.of(0.02, full=False).counts
        }


def _execute(url: Url, statement: str) -> None:
    with psycopg.connect(url.reveal()) as connection:
        connection.execute(statement)
