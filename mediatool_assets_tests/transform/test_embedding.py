"""Embedded and folded rows live in one document, or among the orphans."""

from mediatool_assets_tests.fixtures.transform_runs import (
    BUYS,
    CAMPAIGNS,
    LINES,
    PLANS,
    REPS,
    STRATEGIES,
    TEAMS,
    Run,
    went,
)

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
