"""Transform: what a model makes of a raw archive, with every row accounted for."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from bson import json_util
from bson.binary import Binary
from bson.decimal128 import Decimal128

from mediatool_assets.domain.errors import (
    AlreadyExists,
    BadArchive,
    BadModel,
    BadValue,
    CountMismatch,
)
from mediatool_assets.domain.keys import archive_key
from mediatool_assets.domain.manifest import Exclusion
from mediatool_assets.domain.schema import Table
from mediatool_assets.domain.settings import Url
from mediatool_assets.flows import archives
from mediatool_assets.flows.archives import Archived
from mediatool_assets.flows.deep_json import deep_recursion
from mediatool_assets.flows.export import export
from mediatool_assets.flows.load import load
from mediatool_assets.flows.model_file import load_model
from mediatool_assets.flows.transform import transform
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.postgres import PostgresSource
from mediatool_assets_tests.raw_archives import VERSION, raw_archive, table
from mediatool_assets_tests.raw_archives import documents as documents_of
from mediatool_assets_tests.twins import DirectoryObjects

Rows = Sequence[Mapping[str, Any] | bytes]

USERS = table("users", id="uuid", zoho_id="text", name="text")
CAMPAIGNS = table("campaigns", id="text", number="text", owner="text")
STRATEGIES = table("strategies", id="integer", campaign_id="text", name="text")
LINES = table("line_items", id="integer", strategy_id="integer", trader_ids="uuid[]")
PLANS = table("plans", id="integer", line_id="integer", buy_id="integer", rank="numeric")
BUYS = table("buys", id="integer", name="text", numbers="text[]")
TEAMS = table("teams", id="integer", name="text")
REPS = table("reps_x_teams", ("rep_id", "team_id"), rep_id="integer", team_id="integer")
DAILY = table("daily", ("buy_id", "day"), buy_id="integer", day="date", clicks="bigint")


def uuid(number: int) -> str:
    """A small uuid."""
    return f"00000000-0000-0000-0000-{number:012}"


def binary(number: int) -> Binary:
    """The same as BSON has it."""
    return Binary(number_bytes(number), 4)


def number_bytes(number: int) -> bytes:
    """The bytes of that uuid."""
    return bytes.fromhex(uuid(number).replace("-", ""))


@pytest.fixture
def objects(tmp_path: Path) -> DirectoryObjects:
    """A bucket in a directory: these tests are about documents, not about S3."""
    return DirectoryObjects(tmp_path / "bucket")


class Run:
    """One transform of a few rows by a model."""

    def __init__(self, objects: DirectoryObjects, directory: Path) -> None:
        self.objects, self.directory = objects, directory

    def __call__(self, model: str, tables: Mapping[Table, Rows], **options: Any) -> Archived:
        """Publish the rows, transform them, and return the archive."""
        counted = options.pop("counted", None)
        raw_archive(self.objects, tables, excluded=options.pop("excluded", ()), counted=counted)
        return self.again(model, **options)

    def again(self, model: str, executor: Executor | None = None, **options: Any) -> Archived:
        """Transform what was published."""
        path = self.directory / "model.yaml"
        path.write_text(model, "utf-8")
        scratch = self.directory / "scratch"
        scratch.mkdir(exist_ok=True)
        with ThreadPoolExecutor(2) as threads:
            pool = executor or threads
            return transform(self.objects, pool, VERSION, load_model(path), scratch, **options)

    def documents(self, collection: str) -> list[dict[str, Any]]:
        """The documents of a collection."""
        return documents_of(self.objects, collection)

    def metadata(self, collection: str) -> dict[str, Any]:
        """The collection's options and indexes."""
        reader = archives.reader(self.objects, "transformed", VERSION)
        name = f"mediatool_{VERSION}/{collection}.metadata.json"
        content: dict[str, Any] = json_util.loads(reader.read_file(name))
        return content


@pytest.fixture
def run(objects: DirectoryObjects, tmp_path: Path) -> Run:
    """Publishes rows and transforms them."""
    return Run(objects, tmp_path)


def facts(archived: Archived, name: str) -> Any:
    """One of the facts of a manifest."""
    return archived.manifest.facts[name]


def went(archived: Archived, name: str) -> dict[str, int]:
    """Where the rows of a table went; homes without any are left out."""
    rows: dict[str, int] = facts(archived, "rows")[name]
    return {home: count for home, count in rows.items() if count and home != "in"}


def test_a_table_becomes_a_collection_row_by_row(run: Run) -> None:
    """One line of a model is enough; order, nulls and empty values stay."""
    rows: Rows = [
        {"id": 2, "name": "", "numbers": []},
        {"id": 1, "name": None, "numbers": None},
        {"id": 3, "name": "x", "numbers": [None, ""]},
    ]
    made = run("tables: {buys: }\none_to_one: [buys]", {BUYS: rows})
    assert run.documents("buys") == [
        {"_id": 2, "name": "", "numbers": []},
        {"_id": 1, "name": None, "numbers": None},
        {"_id": 3, "name": "x", "numbers": [None, ""]},
    ]
    assert facts(made, "rows")["buys"] == {
        "in": 3,
        "documents": 3,
        "embedded": 0,
        "orphans": 0,
        "folded": 0,
        "left_out": 0,
    }


def test_a_composite_key_is_a_document_in_the_order_of_the_key(run: Run) -> None:
    """``_id`` holds the key's fields, by their own names, and nothing of it is repeated."""
    model = (
        "tables: {daily: [day, buy_id]}\ncollections:\n  days:\n"
        "    root: daily\n    rename: {day: date}"
    )
    run(model, {DAILY: [{"buy_id": 1, "day": "2025-06-21", "clicks": "9223372036854775807"}]})
    [document] = run.documents("days")
    assert list(document) == ["_id", "clicks"]
    assert list(document["_id"]) == ["date", "buyId"]
    assert document["clicks"] == 2**63 - 1


def test_rows_without_a_key_are_identified_by_their_content(run: Run) -> None:
    """Equal rows are told apart by their number; the same rows have the same ids every day."""
    keyless = table("notes", (), text="text")
    rows = [{"text": "a"}, {"text": "b"}, {"text": "a"}]
    made = run("tables: {notes: }\none_to_one: [notes]", {keyless: rows})
    first, second, third = (document["_id"] for document in run.documents("notes"))
    assert (first[:-2], first[-2:], third) == (third[:-2], "-1", first[:-1] + "2")
    assert second != first
    assert went(made, "notes") == {"documents": 3}


LOOK_UPS = """\
tables: {campaigns: , users: , strategies: , line_items: , buys: }
one_to_one: [users, strategies]
collections:
  campaigns:
    root: campaigns
    add:
      team.owner:
        look_up: owner -> users.zoho_id
        take: [id, name]
      ownerName:
        look_up: owner -> users.zoho_id
        take: name
  lineItems:
    root: line_items
    add:
      campaignNumber:
        look_up:
          - strategy_id -> strategies
          - campaign_id -> campaigns
        take: number
  buys:
    root: buys
    add:
      campaignIds:
        look_up: numbers[] -> campaigns.number
        take: id
"""
PEOPLE: Rows = [{"id": uuid(1), "zoho_id": "z1", "name": "Ann"}]


def test_a_look_up_takes_what_its_path_finds(run: Run) -> None:
    """By any key, through chains and element by element; what resolves nothing is null, counted."""
    made = run(
        LOOK_UPS,
        {
            USERS: PEOPLE,
            CAMPAIGNS: [
                {"id": "c1", "number": "CN-1", "owner": "z1"},
                {"id": "c2", "number": "CN-2", "owner": "zz"},
                {"id": "c3", "number": None, "owner": None},
            ],
            STRATEGIES: [
                {"id": 1, "campaign_id": "c1", "name": None},
                {"id": 2, "campaign_id": "gone", "name": None},
                {"id": 3, "campaign_id": None, "name": None},
            ],
            LINES: [{"id": n, "strategy_id": n, "trader_ids": None} for n in range(1, 5)],
            BUYS: [
                {"id": 1, "name": "", "numbers": ["CN-2", "CN-9", None, "CN-1"]},
                {"id": 2, "name": "", "numbers": []},
                {"id": 3, "name": "", "numbers": None},
                {"id": 4, "name": "", "numbers": "[0:0]={CN-1}"},
            ],
        },
    )
    owners = [(c["owner"], c["ownerName"], c["team"]["owner"]) for c in run.documents("campaigns")]
    assert owners == [
        ("z1", "Ann", {"id": binary(1), "name": "Ann"}),
        ("zz", None, None),
        (None, None, None),
    ]
    assert [x["campaignNumber"] for x in run.documents("lineItems")] == ["CN-1", None, None, None]
    assert [b["campaignIds"] for b in run.documents("buys")] == [
        ["c2", None, None, "c1"],
        [],
        None,
        None,
    ]
    assert facts(made, "unresolved") == {
        "buys.campaignIds": 2,
        "campaigns.ownerName": 1,
        "campaigns.team.owner": 1,
        "lineItems.campaignNumber": 2,
    }


def test_an_ambiguous_look_up_takes_the_first_by_key_and_says_so(run: Run) -> None:
    """A value that should be unique and is not gives the same answer whatever the row order."""
    model = LOOK_UPS
    made = run(
        model,
        {
            USERS: PEOPLE,
            CAMPAIGNS: [
                {"id": "c9", "number": "CN-1", "owner": None},
                {"id": "c10", "number": "CN-1", "owner": None},
            ],
            STRATEGIES: [],
            LINES: [],
            BUYS: [{"id": 1, "name": "", "numbers": ["CN-1"]}],
        },
    )
    assert run.documents("buys")[0]["campaignIds"] == ["c10"]
    assert facts(made, "ambiguous") == {"buys.campaignIds": 1}
    assert any("buys.campaignIds" in warning for warning in made.manifest.warnings)


def test_keys_of_different_types_match_by_value(run: Run) -> None:
    """7, "7" and 7.00 are one number; composite keys match in all of their parts."""
    prices = table("prices", ("buy", "day"), buy="numeric", day="date", price="money")
    model = """\
tables: {daily: , prices: }
one_to_one: [prices]
collections:
  daily:
    root: daily
    add:
      price: {look_up: "clicks, day -> prices.buy, day", take: price}
"""
    run(
        model,
        {
            DAILY: [
                {"buy_id": 1, "day": "2025-06-21", "clicks": 7},
                {"buy_id": 2, "day": "2025-06-22", "clicks": 7},
            ],
            prices: [{"buy": "7.00", "day": "2025-06-21", "price": "1.10"}],
        },
    )
    assert [d["price"] for d in run.documents("daily")] == [Decimal128("1.10"), None]


def test_a_union_holds_each_once_and_a_count_counts_rows(run: Run) -> None:
    """Through a path of to-many steps, in a stable order, without what resolves nothing."""
    model = """\
tables: {campaigns: , users: , strategies: , line_items: }
one_to_one: [users, strategies, line_items]
collections:
  campaigns:
    root: campaigns
    add:
      traders:
        union:
          - id -> strategies.campaign_id
          - id -> line_items.strategy_id
          - trader_ids[] -> users.id
        take: [id, name]
      lines:
        count:
          - id -> strategies.campaign_id
          - id -> line_items.strategy_id
"""
    made = run(
        model,
        {
            USERS: [{"id": uuid(n), "zoho_id": None, "name": f"U{n}"} for n in (3, 2, 1)],
            CAMPAIGNS: [{"id": c, "number": None, "owner": None} for c in ("c1", "c2")],
            STRATEGIES: [{"id": n, "campaign_id": "c1", "name": None} for n in (1, 2)],
            LINES: [
                {"id": 1, "strategy_id": 1, "trader_ids": [uuid(2), uuid(1)]},
                {"id": 2, "strategy_id": 2, "trader_ids": [uuid(2), uuid(9), None]},
                {"id": 3, "strategy_id": 2, "trader_ids": None},
            ],
        },
    )
    one, two = run.documents("campaigns")
    assert one["traders"] == [{"id": binary(n), "name": f"U{n}"} for n in (1, 2)]
    assert (one["lines"], two["lines"], two["traders"]) == (3, 0, [])
    assert facts(made, "unresolved") == {"campaigns.traders": 1}


EMBEDS = """\
tables: {line_items: , plans: , buys: , campaigns: , strategies: }
one_to_one: [buys]
collections:
  campaigns:
    root: campaigns
    add:
      strategy:
        embed_one: id -> strategies.campaign_id
        rename: {name: title}
        orphans: strategiesAlone
        add:
          lines:
            embed_many: id -> line_items.strategy_id
            orphans: linesAlone
            add:
              plans:
                embed_many: id -> plans.line_id
                order: [rank descending]
                orphans: plansAlone
                add:
                  buyName: {look_up: buy_id -> buys, take: name}
"""


def test_embedded_rows_live_in_one_document_or_among_the_orphans(run: Run) -> None:
    """Three levels deep, in order, each with its own look-ups; surplus and strays are kept."""
    made = run(
        EMBEDS,
        {
            BUYS: [{"id": 1, "name": "B1", "numbers": None}],
            CAMPAIGNS: [{"id": c, "number": None, "owner": None} for c in ("c1", "c2")],
            STRATEGIES: [
                {"id": 2, "campaign_id": "c1", "name": "surplus"},
                {"id": 1, "campaign_id": "c1", "name": "first"},
                {"id": 3, "campaign_id": "gone", "name": "stray"},
            ],
            LINES: [
                {"id": 1, "strategy_id": 1, "trader_ids": []},
                {"id": 2, "strategy_id": 3, "trader_ids": None},
                {"id": 3, "strategy_id": 9, "trader_ids": None},
            ],
            PLANS: [
                {"id": 1, "line_id": 1, "buy_id": 1, "rank": "9"},
                {"id": 2, "line_id": 1, "buy_id": 7, "rank": "10"},
                {"id": 3, "line_id": 1, "buy_id": None, "rank": None},
                {"id": 4, "line_id": 2, "buy_id": 1, "rank": "1"},
                {"id": 5, "line_id": 9, "buy_id": 1, "rank": "1"},
            ],
        },
    )
    one, two = run.documents("campaigns")
    assert two["strategy"] is None
    assert {k: v for k, v in one["strategy"].items() if k != "lines"} == {
        "id": 1,
        "campaignId": "c1",
        "title": "first",
    }
    [line] = one["strategy"]["lines"]
    assert [(p["id"], p["buyName"]) for p in line["plans"]] == [(2, None), (1, "B1"), (3, None)]
    surplus, stray = run.documents("strategiesAlone")
    assert (surplus["_id"], surplus["lines"]) == (2, [])
    assert [p["buyName"] for p in stray["lines"][0]["plans"]] == ["B1"]
    assert [(x["_id"], x["plans"]) for x in run.documents("linesAlone")] == [(3, [])]
    assert [(x["_id"], x["buyName"]) for x in run.documents("plansAlone")] == [(5, "B1")]
    assert went(made, "strategies") == {"embedded": 1, "orphans": 2}
    assert went(made, "line_items") == {"embedded": 2, "orphans": 1}
    assert went(made, "plans") == {"embedded": 4, "orphans": 1}
    assert sum("belong to no document" in warning for warning in made.manifest.warnings) == 3


def test_a_join_table_folds_into_an_array(run: Run) -> None:
    """References in order; rows that belong to no document are kept among the orphans."""
    model = """\
tables: {teams: , reps_x_teams: }
collections:
  teams:
    root: teams
    add:
      repIds: {fold: id -> reps_x_teams.team_id, take: rep_id, orphans: repsAlone}
"""
    made = run(
        model,
        {
            TEAMS: [{"id": 1, "name": "A"}, {"id": 2, "name": "B"}],
            REPS: [{"rep_id": r, "team_id": t} for r, t in ((10, 1), (9, 1), (3, 4))],
        },
    )
    assert [t["repIds"] for t in run.documents("teams")] == [[9, 10], []]
    assert run.documents("repsAlone") == [{"_id": {"repId": 3, "teamId": 4}}]
    assert went(made, "reps_x_teams") == {"folded": 2, "orphans": 1}


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
    run: Run, pool: Executor, postgres_database: str
) -> None:
    """An excluded table is told of and gives no collection; one that is needed is refused."""
    with psycopg.connect(postgres_database) as connection:
        connection.execute(
            "CREATE SCHEMA media_tool; SET search_path TO media_tool;"
            "CREATE TABLE buys (id int PRIMARY KEY, name text); INSERT INTO buys VALUES (1, 'A');"
            "CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users VALUES (1, 'B')"
        )
    source = PostgresSource(Url(postgres_database), "media_tool")
    export(source, run.objects, pool, VERSION, run.directory, exclude=frozenset({"users"}))
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
    told = "users was excluded from the export: nothing of it is here"
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


@pytest.mark.parametrize(
    ("key_type", "keys"),
    [
        ("text", ["a", "a"]),
        ("numeric", ["1.0", "1.00"]),
        (
            "timestamp with time zone",
            ["2025-06-21T00:00:00.000001+00:00", "2025-06-21T00:00:00.000002+00:00"],
        ),
    ],
)
def test_two_documents_with_one_id_stop_the_version(
    run: Run, key_type: str, keys: list[str]
) -> None:
    """Also where only MongoDB takes them for equal; nothing is published."""
    odd = table("odd", ("k",), k=key_type)
    with pytest.raises(BadValue, match="is the _id of two documents of odd"):
        run("tables: {odd: }\none_to_one: [odd]", {odd: [{"k": key} for key in keys]})
    assert run.objects.head(archive_key("transformed", VERSION)) is None


def test_a_value_that_cannot_be_converted_is_named(run: Run) -> None:
    """Table, key, column and value; nothing becomes null, nothing is published."""
    model = "tables: {teams: }\ncollections:\n  t:\n    root: teams\n    types: {name: int}"
    with pytest.raises(BadValue) as caught:
        run(model, {TEAMS: [{"id": 1, "name": "5"}, {"id": 2, "name": "five"}]})
    found = caught.value
    assert (found.table, found.key, found.column, found.value) == ("teams", 2, "name", "five")
    assert run.objects.head(archive_key("transformed", VERSION)) is None


def test_a_document_above_16_mib_is_named(run: Run) -> None:
    """With the column that makes it so large."""
    rows = [{"id": 1, "name": "x" * (16 << 20)}]
    with pytest.raises(BadValue, match=r"teams 1: column name: .* MongoDB stores 16777216"):
        run("tables: {teams: }\none_to_one: [teams]", {TEAMS: rows})


@pytest.mark.parametrize("row", [b"{", b'{"id":1}', b'{"id":1,"name":"a","more":1}'])
def test_a_row_that_is_not_of_its_table_is_damage(run: Run, row: bytes) -> None:
    """No column is dropped or made up without a word."""
    with pytest.raises(BadArchive, match="teams: row 1"):
        run("tables: {teams: }\none_to_one: [teams]", {TEAMS: [row]})


def test_a_model_that_does_not_fit_is_refused(run: Run) -> None:
    """Before anything is read but the schema."""
    with pytest.raises(BadModel, match=r"model\.yaml:1: the source has no table gone"):
        run("tables: {gone: }\none_to_one: [gone]", {TEAMS: []})


def test_validators_and_indexes_stand_in_the_metadata(run: Run) -> None:
    """mongodump's shape: the schema of the fields that are written, and the model's indexes."""
    model = """\
tables: {users: , buys: , teams: }
collections:
  users:
    root: users
    indexes: [zohoId, {keys: {name: -1}, unique: true, name: byName}]
  buys:
    root: buys
    validator: off
  teams:
    root: teams
    validator: {name: {$exists: true}}
"""
    run(model, {USERS: PEOPLE, BUYS: [], TEAMS: []})
    users = run.metadata("users")
    assert users["options"]["validator"]["$jsonSchema"] == {
        "bsonType": "object",
        "required": ["_id", "zohoId", "name"],
        "properties": {
            "_id": {"bsonType": "binData"},
            "zohoId": {"bsonType": ["string", "null"]},
            "name": {"bsonType": ["string", "null"]},
        },
    }
    assert users["indexes"] == [
        {"v": 2, "key": {"_id": 1}, "name": "_id_"},
        {"v": 2, "key": {"zohoId": 1}, "name": "zohoId_1"},
        {"v": 2, "key": {"name": -1}, "name": "byName", "unique": True},
    ]
    assert run.metadata("buys")["options"] == {}
    assert run.metadata("teams")["options"] == {"validator": {"name": {"$exists": True}}}


def many(rows: int, width: int) -> dict[Table, Rows]:
    """Buys with teams, in blocks enough for several shares."""
    pad = "x" * width
    return {
        TEAMS: [{"id": n, "name": f"{pad}{n}"} for n in range(rows)],
        PLANS: [
            {"id": n, "line_id": n * 7 % rows, "buy_id": n % rows, "rank": str(n)}
            for n in range(rows)
        ],
    }


MANY = """\
tables: {teams: , plans: }
collections:
  teams:
    root: teams
    add:
      plans: {embed_many: id -> plans.line_id, orphans: plansAlone}
      name2: {look_up: id -> teams, take: name}
"""


def test_the_same_archive_and_model_give_the_same_bytes(
    run: Run, tmp_path: Path, pool: Executor
) -> None:
    """Whatever the workers, threads or joins do in between; in processes as in threads."""
    rows = many(60_000, 400)
    key = archive_key("transformed", VERSION)
    first = run(MANY, rows)
    data = run.objects.open(key).read(0, first.size)
    (run.objects.root / "objects" / key).unlink()
    steps: list[tuple[str, int, int]] = []

    def progress(step: str, done: int, total: int) -> None:
        steps.append((step, done, total))

    again = run.again(MANY, pool, progress=progress)
    assert run.objects.open(key).read(0, again.size) == data
    assert len(steps) > 2
    assert steps[-1] == ("transform", 120_000, 120_000)
    assert all(before[1] <= after[1] for before, after in pairwise(steps))


def test_joins_larger_than_their_memory_spill(run: Run) -> None:
    """The same documents with a memory that cannot hold the tables."""
    made = run(MANY, many(100_000, 1000), memory="72MB")
    assert went(made, "plans") == {"embedded": 100_000}
    for number, document in enumerate(run.documents("teams")):
        assert document["_id"] == number
        assert document["name2"] == document["name"]
        assert all(plan["lineId"] == number for plan in document["plans"])


READINGS, PARTS, PEERS = (
    table(name, id="integer", value="double precision", series="real[]", note="text")
    for name in ("readings", "parts", "peers")
)
SIGNED = b'{"id":1,"value":-0,"series":[[-0,0],[1,-0]],"note":"\\"value\\":0,"}'
UNSIGNED = b'{"id":2,"value":0,"series":[0,null],"note":"2025-01-01:-0,"}'


def test_a_negative_zero_is_one_everywhere(run: Run) -> None:
    """In its own document, embedded, looked up, and in arrays; a zero beside it is none."""
    run(
        """\
tables: {readings: , parts: , peers: }
collections:
  readings:
    root: readings
    add:
      seen: {look_up: id -> peers.id, take: [value, series]}
      parts: {embed_many: id -> parts.id, orphans: alone}
  peers: peers
""",
        {each: [SIGNED, UNSIGNED] for each in (READINGS, PARTS, PEERS)},
    )
    for sign, document in zip((-0.0, 0.0), run.documents("readings"), strict=True):
        for found in (document, document["seen"], *document["parts"]):
            series = [[-0.0, 0.0], [1.0, -0.0]] if document["_id"] == 1 else [0.0, None]
            assert repr(found["value"]) == repr(sign)
            assert repr(found["series"]) == repr(series)


def test_a_transform_that_was_done_is_adopted(run: Run) -> None:
    """The same archive is returned; another model for the same version is refused."""
    model = "tables: {users: }\none_to_one: [users]"
    first = run(model, {USERS: PEOPLE})
    assert run.again(model) == first
    assert run.again(f"# what it is for\n{model}") == first
    with pytest.raises(AlreadyExists, match="another raw archive or model"):
        run.again("tables: {users: }\ncollections: {people: users}")


def test_no_rows_give_no_documents(run: Run) -> None:
    """Empty tables make empty collections, joins and all."""
    made = run(EMBEDS, {t: [] for t in (BUYS, CAMPAIGNS, STRATEGIES, LINES, PLANS)})
    assert made.manifest.rows == 0
    assert set(made.manifest.collections()) == {
        "buys",
        "campaigns",
        "linesAlone",
        "plansAlone",
        "strategiesAlone",
    }


def nested(levels: int) -> Any:
    """Arrays within arrays."""
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


def test_mongodb_takes_every_document_that_is_made(
    run: Run, documents: MongoDocuments, pool: Executor
) -> None:
    """Odd keys, the deepest nesting, every type at its ends, and validators over all of it."""
    odd = table(
        "odd",
        id="integer",
        doc="jsonb",
        text="json",
        amount="numeric",
        day="date",
        at="timestamp with time zone",
        spans="int4range[]",
        days="date[]",
        content="bytea",
        ratio="double precision",
    )
    strange = {"$set": 1, "a.b": {"": [], "$db": "x", "$id": None}, "_id": 1}
    common = {"at": None, "spans": None, "days": None, "content": "\\x", "ratio": "NaN"}
    rows: Rows = [
        {"id": 1, "doc": strange, "text": '{"a":1,"a":2}', "amount": "NaN", "day": "infinity"}
        | common,
        {"id": 2, "doc": nested(95), "text": "[1e400]", "amount": "1" * 40, "day": None} | common,
        {"id": 3, "doc": nested(5000), "text": "null", "amount": None, "day": "0001-01-01"}
        | common,
        {
            "id": 4,
            "doc": "18446744073709551616",
            "text": None,
            "amount": "0.00",
            "day": "9999-12-31",
        }
        | common
        | {"at": "0044-03-15T00:00:00+00:00 BC", "spans": "{[1\\,2)}", "days": ["infinity", None]},
    ]
    with deep_recursion():
        made = run("tables: {odd: }\none_to_one: [odd]", {odd: rows})
    documents.drop(f"mediatool_{VERSION}")
    assert load(run.objects, documents, pool, VERSION).documents == {"odd": 4}
    first, _, third, _ = run.documents("odd")
    assert first["doc"] == strange
    assert third["doc"].startswith("[" * 5000)
    assert facts(made, "losses")["odd.doc"] == {"depth": 1}
    documents.drop(f"mediatool_{VERSION}")
