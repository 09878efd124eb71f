"""Two schemas of one structure differ in nothing; any other names what differs."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from mediatool_assets.core.schema import (
    Column,
    Enum,
    ForeignKey,
    Index,
    Schema,
    Sequence,
    Table,
    differing,
)

KEY = ForeignKey("of_team", ("team_id",), "teams", ("id",))
USERS = Table(
    "users",
    (Column("id", "integer", "integer", default="1"), Column("team_id", "integer", "integer")),
    foreign_keys=(KEY,),
    indexes=(Index("by_team", False, ("team_id",), "CREATE INDEX by_team ON users (team_id)"),),
)
SCHEMA = Schema(
    "media_tool", (USERS,), (Enum("stage", ("new",)),), (Sequence("numbers", 46),), ("people",)
)
REWORDED = replace(
    USERS,
    columns=(replace(USERS.columns[0], default="(1)"), USERS.columns[1]),
    indexes=(replace(USERS.indexes[0], definition="CREATE INDEX by_team ON users(team_id)"),),
)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda s: s, []),
        (lambda s: replace(s, tables=()), ["users"]),
        (lambda s: replace(s, tables=(replace(USERS, indexes=()),)), ["users"]),
        (lambda s: replace(s, tables=(replace(USERS, foreign_keys=()),)), ["users"]),
        (lambda s: replace(s, tables=(REWORDED,)), ["users"]),
        (lambda s: replace(s, enums=(Enum("stage", ("new", "old")),)), ["stage"]),
        (lambda s: replace(s, sequences=(Sequence("numbers", 47),)), ["numbers"]),
        (lambda s: replace(s, views=("people", "more")), ["more"]),
    ],
)
def test_what_differs_is_named(change: Callable[[Schema], Schema], names: list[str]) -> None:
    """On whichever side it stands."""
    other = change(SCHEMA)
    assert differing(SCHEMA, other, left_out=(), texts=True) == names
    assert differing(other, SCHEMA, left_out=(), texts=True) == names


def test_other_words_of_another_server_do_not_count() -> None:
    """Defaults and definitions may be printed otherwise; columns may not be others."""
    other = replace(SCHEMA, tables=(REWORDED,))
    assert differing(SCHEMA, other, left_out=(), texts=False) == []
    fewer = replace(SCHEMA, tables=(replace(REWORDED, columns=REWORDED.columns[:1]),))
    assert differing(SCHEMA, fewer, left_out=(), texts=False) == ["users"]


def test_a_key_that_was_left_out_is_not_asked_for() -> None:
    """But it must not be there either."""
    without = replace(SCHEMA, tables=(replace(USERS, foreign_keys=()),))
    assert differing(SCHEMA, without, left_out=("users of_team",), texts=True) == []
    assert differing(SCHEMA, SCHEMA, left_out=("users of_team",), texts=True) == ["users"]
