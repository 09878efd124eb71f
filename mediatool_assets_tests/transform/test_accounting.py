"""Every table, row and loss is accounted for."""

import psycopg
import pytest

from mediatool_assets.core.errors import BadModel, CountMismatch
from mediatool_assets.core.manifest import Exclusion
from mediatool_assets.core.texts import Url
from mediatool_assets.export.flow import export
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.fixtures.transform_runs import (
    BUYS,
    PEOPLE,
    REPS,
    TEAMS,
    USERS,
    Run,
    facts,
    went,
)
from mediatool_assets_tests.raw_archives import VERSION, table


def test_left_out_new_and_excluded_tables_are_accounted_for(run: Run) -> None:
    """A reason for each that is not here, a collection for each that the model did not know."""
    model = "tables: {teams: , users: , buys: }\none_to_one: [users, buys]\nleft_out: {teams: old}"
    made = run(
        model,
        {TEAMS: [{"id": 1, "name": "A"}], USERS: PEOPLE, REPS: [{"rep_id": 1, "team_id": 1}]},
        excluded=[Exclusion("buys", "too large", 9)],
    )
    assert went(made, "teams") == {"left_out": 1}
    assert set(made.manifest.collections()) == {"users", "repsXTeams"}
    assert len(made.manifest.warnings) == 2


@pytest.mark.parametrize(
    ("counted", "says"),
    [
        ({"new": 2}, "new: rows of the source: expected 2, found 1"),
        ({"new": 1, "gone": 0}, "gone: rows of the source: expected 0, found None"),
    ],
)
def test_a_row_that_never_arrived_stops_the_transform(
    run: Run, counted: dict[str, int], says: str
) -> None:
    """Of a table too that the model does not name, and that no check of its own guards."""
    new = table("new", id="integer")
    with pytest.raises(CountMismatch, match=says):
        run("tables: {buys: }\none_to_one: [buys]", {BUYS: [], new: [{"id": 1}]}, counted=counted)


def test_an_export_that_excludes_has_the_table_in_its_schema_all_the_same(
    run: Run, pool: Workspace, postgres_database: Url
) -> None:
    """An excluded table is told of and gives no collection; one that is needed is refused."""
    with psycopg.connect(postgres_database.reveal()) as connection:
        connection.execute(
            "CREATE SCHEMA media_tool; SET search_path TO media_tool;"
            "CREATE TABLE buys (id int PRIMARY KEY, name text); INSERT INTO buys VALUES (1, 'A');"
            "CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users VALUES (1, 'B')"
        )
    source = PostgresSource(postgres_database, "media_tool")
    export(source, run.objects, pool, VERSION, exclude=frozenset({"users"}))
    plain = "tables: {users: , buys: }\none_to_one: [users, buys]\n"
    needed = """\
tables: {users: , buys: }
one_to_one: [users]
collections:
  buys:
    root: buys
    add:
      owner:
        look_up: id -> users
        take: name
"""
    with pytest.raises(BadModel, match=r"model\.yaml:8: owner needs users; do not exclude it"):
        run.again(needed)
    made = run.again(plain)
    assert set(made.manifest.collections()) == {"buys"}
    told = "users was excluded from the export: it has no rows here"
    assert made.manifest.warnings == (told,)


def test_losses_are_counted_once_where_the_value_lives(run: Run) -> None:
    """Copies of a value in other documents count nothing more."""
    prices = table("prices", id="integer", price="numeric")
    model = """\
tables: {prices: , buys: }
one_to_one: [prices]
collections:
  buys:
    root: buys
    add:
      price: {look_up: id -> prices, take: price}
"""
    made = run(
        model,
        {
            prices: [{"id": 1, "price": "1" * 40}],
            BUYS: [{"id": 1, "name": "", "numbers": "[2:2]={a}"}],
        },
    )
    assert run.documents("buys")[0]["price"] == "1" * 40
    assert facts(made, "losses") == {
        "buys.numbers": {"array_as_text": 1},
        "prices.price": {"digits": 1},
    }
