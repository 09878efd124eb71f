"""References nobody declared: what is looked for, and what is believed."""

import msgspec
import pytest

from mediatool_assets.core.schema import ForeignKey, Schema
from mediatool_assets.infer.references import (
    CandidateReference,
    Coverage,
    NameMatch,
    accepted_references,
    candidates,
    undeclared_reference,
    words_of,
)
from mediatool_assets_tests.raw_archives import table

USERS = table("users", id="uuid", crm_id="text", name="text")
CHANNELS = table("channels", id="integer", name="text")
CAMPAIGNS = table(
    "campaigns",
    id="uuid",
    owner_user_id="text",
    channel_id="integer",
    trader_user_ids="uuid[]",
    weight="integer",
    booked_by_key="uuid",
)


def found(*unique: str) -> set[str]:
    """The candidates, where these columns of users hold almost only different values."""
    schema = Schema("s", (CAMPAIGNS, CHANNELS, USERS))
    return {str(r) for r in candidates(schema, {"users": frozenset(unique)})}


def test_names_and_types_say_what_to_look_for() -> None:
    """A column of another type is not compared; arrays are, by their elements."""
    assert found() == {
        "campaigns.channel_id -> channels.id",
        "campaigns.trader_user_ids[] -> users.id",
        "campaigns.owner_user_id -> users.id",
    }


def test_what_no_name_tells_is_held_against_every_key() -> None:
    """A column that is called a key, of a type that chance does not match."""
    columns, keys = words_of(Schema("s", (CAMPAIGNS, CHANNELS, USERS)), {})
    assert [(table.name, key.name) for table, key in keys] == [
        ("campaigns", "id"),
        ("users", "id"),
    ]
    references = [undeclared_reference(column, keys[1]) for column in columns]
    assert [str(r) for r in references if r] == ["campaigns.booked_by_key -> users.id"]


def test_a_key_that_is_none_by_law_is_one_by_its_values() -> None:
    """Where nearly every value stands once and the name says that keys are meant."""
    assert "campaigns.owner_user_id -> users.crm_id" in found("crm_id")
    assert not any("users.name" in text for text in found("name"))


def test_what_is_declared_is_not_looked_for() -> None:
    """The database has said so already."""
    key = ForeignKey("fk", ("channel_id",), "channels", ("id",))
    declared = msgspec.structs.replace(CAMPAIGNS, foreign_keys=(key,))
    schema = Schema("s", (CHANNELS, declared))
    assert [str(r) for r in candidates(schema, {})] == []


def reference(target: str, named: NameMatch, *, counted: bool = False) -> CandidateReference:
    """A reference of one column, to the id of a table."""
    return CandidateReference("t", ("x_id",), target, ("id",), named=named, counted=counted)


@pytest.mark.parametrize(
    ("named", "counted", "inclusion", "believed"),
    [
        (NameMatch.FULLY, False, Coverage(0, 0, 0), True),
        (NameMatch.PARTLY, False, Coverage(0, 0, 0), False),
        (NameMatch.FULLY, True, Coverage(100, 20, 9), True),
        (NameMatch.PARTLY, False, Coverage(100, 4, 9), True),
        (NameMatch.PARTLY, True, Coverage(100, 40, 9), False),
        (NameMatch.NONE, False, Coverage(100, 100, 50), True),
        (NameMatch.NONE, False, Coverage(100, 100, 3), False),
        (NameMatch.NONE, False, Coverage(100, 80, 50), False),
        (NameMatch.FULLY, False, Coverage(1000, 1, 50), False),
        (NameMatch.NONE, False, Coverage(1000, 93, 50, 0.1), True),
        (NameMatch.NONE, False, Coverage(1000, 60, 50, 0.1), False),
        (NameMatch.NONE, False, Coverage(1000, 0, 50, 0.001), False),
    ],
)
def test_what_is_believed(
    named: NameMatch, counted: bool, inclusion: Coverage, believed: bool
) -> None:
    """The less a name says the more the values have to, and small numbers say little."""
    relations = accepted_references({reference("other", named, counted=counted): inclusion})
    assert bool(relations) is believed


def test_one_column_refers_to_one_table() -> None:
    """To the one whose values fit, and of those the one that the name means."""
    full, part = Coverage(10, 10, 9), Coverage(10, 3, 3)
    inclusions = {
        reference("meant", NameMatch.FULLY): part,
        reference("fits", NameMatch.PARTLY): full,
        reference("fits_better", NameMatch.FULLY): full,
    }
    [relation] = accepted_references(inclusions)
    assert relation.reference.target == "fits_better"
    assert relation.evidence() == "declared nowhere; 100 % of 10 values found"


def test_what_is_found_in_a_part_of_the_target_stands_for_the_rest() -> None:
    """The evidence says how much was read."""
    found = Coverage(200_000, 390, 180_000, 0.002)
    assert found.share == 0.975
    assert str(found) == (
        "about 97.5 % of 200,000 values, by the 390 found in the 0.2 % of the target that were read"
    )
