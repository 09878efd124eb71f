"""The same archive and model give the same documents, whoever works and with what memory."""

from dataclasses import replace
from itertools import pairwise

import pytest

from mediatool_assets.core.errors import AlreadyExists
from mediatool_assets.core.schema import Table
from mediatool_assets.core.version import archive_key
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.fixtures.transform_runs import (
    PEOPLE,
    PLANS,
    TEAMS,
    USERS,
    Rows,
    Run,
    went,
)
from mediatool_assets_tests.raw_archives import VERSION


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


def test_the_same_archive_and_model_give_the_same_bytes(run: Run, pool: Workspace) -> None:
    """Whatever the workers, threads or joins do in between; in processes as in threads."""
    rows = many(12_000, 2000)
    key = archive_key("transformed", VERSION)
    first = run(MANY, rows)
    data = run.objects.open(key).read(0, first.size)
    (run.objects.root / "objects" / key).unlink()
    steps: list[tuple[str, int, int]] = []

    def progress(step: str, done: int, total: int, unit: str = "rows") -> None:
        assert unit == "rows"
        steps.append((step, done, total))

    again = run.again(MANY, replace(pool, progress=progress))
    assert run.objects.open(key).read(0, again.size) == data
    assert len(steps) > 2
    assert steps[-1] == ("transform", 24_000, 24_000)
    assert all(before[1] <= after[1] for before, after in pairwise(steps))


def test_tables_larger_than_the_memory_are_joined(run: Run) -> None:
    """The same documents with a memory that cannot hold the tables."""
    made = run(MANY, many(20_000, 5000), memory="72MB")
    assert went(made, "plans") == {"embedded": 20_000}
    for number, document in enumerate(run.documents("teams")):
        assert document["_id"] == number
        assert document["name2"] == document["name"]
        assert all(plan["lineId"] == number for plan in document["plans"])


def test_a_transform_that_was_done_is_adopted(run: Run) -> None:
    """The same archive is returned; another model for the same version is refused."""
    model = "tables: {users: }\none_to_one: [users]"
    first = run(model, {USERS: PEOPLE})
    assert run.again(model) == first
    assert run.again(f"# what it is for\n{model}") == first
    with pytest.raises(AlreadyExists, match="another raw archive or model"):
        run.again("tables: {users: }\ncollections: {people: users}")
