"""Look-ups, unions and counts take what other tables say."""

from bson.decimal128 import Decimal128

from mediatool_assets_tests.fixtures.transform_runs import (
    BUYS,
    CAMPAIGNS,
    DAILY,
    LINES,
    PEOPLE,
    STRATEGIES,
    USERS,
    Run,
    binary,
    facts,
    uuid,
)
from mediatool_assets_tests.raw_archives import table

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
