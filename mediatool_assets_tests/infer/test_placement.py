"""What is embedded, folded and copied, and what is only proposed."""

import pytest

from mediatool_assets.core.model import AdditionVerb
from mediatool_assets.core.schema import Schema, Table
from mediatool_assets.infer.placement import (
    LARGEST_EMBEDDED,
    MOST_EMBEDDED,
    CopiedColumn,
    Entity,
    FanOut,
    Figures,
    NestedTable,
    TableFigures,
    entities,
)
from mediatool_assets.infer.references import CandidateReference, Coverage, MeasuredReference
from mediatool_assets_tests.raw_archives import table

ORDERS = table("orders", id="integer", channel_id="integer")
LINES = table("lines", ("order_id", "line"), order_id="integer", line="integer", price="money")
NOTES = table("notes", ("order_id", "line", "n"), order_id="integer", line="integer", n="integer")
CHANNELS = table("channels", id="integer", name="text")
TAGS = table("tags", ("order_id", "channel_id"), order_id="integer", channel_id="integer")

OF_ORDER = CandidateReference("lines", ("order_id",), "orders", ("id",), declared="a", cascade=True)
OF_LINE = CandidateReference(
    "notes", ("order_id", "line"), "lines", ("order_id", "line"), declared="b", cascade=True
)
OF_CHANNEL = CandidateReference("orders", ("channel_id",), "channels", ("id",), declared="c")
TAG_ORDER = CandidateReference("tags", ("order_id",), "orders", ("id",), declared="d")
TAG_CHANNEL = CandidateReference(
    "tags", ("channel_id",), "channels", ("id",), declared="e", cascade=True
)

FEW = FanOut(10, 10, 2, 4, 5, 4000)


def shaped(
    tables: tuple[Table, ...],
    fan_outs: dict[CandidateReference, FanOut],
    **read: int,
) -> dict[str, Entity]:
    """What becomes of these tables, of a hundred rows each, of which so many were read."""
    relations = [MeasuredReference(reference, Coverage(100, 100, 10)) for reference in fan_outs]
    figures = Figures(
        {t.name: TableFigures(100, read.get(t.name, 100), 9900, 200) for t in tables}, {}, fan_outs
    )
    return entities(Schema("s", tables), relations, figures)


def test_owned_rows_are_embedded_from_below() -> None:
    """Lines in their order, the lines' notes in the lines."""
    found = shaped((LINES, NOTES, ORDERS), {OF_ORDER: FEW, OF_LINE: FEW})
    assert {name: e.home.verb if e.home else None for name, e in found.items()} == {
        "lines": AdditionVerb.EMBED_MANY,
        "notes": AdditionVerb.EMBED_MANY,
        "orders": None,
    }


@pytest.mark.parametrize(
    "fan_out",
    [
        FanOut(10, 10, 1, 9, MOST_EMBEDDED + 1, 4000),
        FanOut(10, 10, 1, 9, 9, LARGEST_EMBEDDED + 1),
        FanOut(10, 0, 0, 0, 0, 0),
    ],
)
def test_what_has_no_bound_stays_on_its_own(fan_out: FanOut) -> None:
    """Too many rows, too large a document, or nothing measured at all."""
    assert shaped((LINES, ORDERS), {OF_ORDER: fan_out})["lines"].home is None


@pytest.mark.parametrize(
    ("sampled", "left"), [("channels", 2), ("lines", 1), ("orders", 1), ("tags", 1)]
)
def test_what_was_only_sampled_is_not_embedded(sampled: str, left: int) -> None:
    """On either side: the most that one document gets was not seen."""
    fan_outs = {OF_ORDER: FEW, TAG_ORDER: FEW, TAG_CHANNEL: FEW}
    found = shaped((CHANNELS, LINES, ORDERS, TAGS), fan_outs, **{sampled: 50})
    homes = {e.home.relation.reference for e in found.values() if e.home is not None}
    assert not any(sampled in (home.table, home.target) for home in homes)
    assert len(homes) == left


def test_what_nobody_declared_is_proposed_only() -> None:
    """With its evidence, at the table that would take it."""
    undeclared = CandidateReference("lines", ("order_id",), "orders", ("id",))
    found = shaped((LINES, ORDERS), {undeclared: FEW})
    assert found["lines"].home is None
    [proposal] = found["orders"].proposals
    assert isinstance(proposal, NestedTable)
    assert "p99 4, at most 5" in proposal.why


def test_join_tables_become_arrays_and_small_tables_copies() -> None:
    """The side that takes the join's rows along when it goes has them."""
    found = shaped((CHANNELS, ORDERS, TAGS), {OF_CHANNEL: FEW, TAG_ORDER: FEW, TAG_CHANNEL: FEW})
    home = found["tags"].home
    assert home is not None
    assert (home.verb, home.relation.reference.target) == (AdditionVerb.FOLD, "channels")
    assert home.take == ("order_id",)
    assert [copy.column for copy in found["orders"].copies] == ["name"]
    assert isinstance(found["orders"].copies[0], CopiedColumn)


def test_join_tables_that_nobody_declared_are_proposed_as_arrays() -> None:
    """All of the references that such a table is have to be declared for it to be certain."""
    undeclared = CandidateReference("tags", ("channel_id",), "channels", ("id",))
    found = shaped((CHANNELS, ORDERS, TAGS), {undeclared: FEW, TAG_ORDER: FEW})
    assert found["tags"].home is None
    [proposal] = found["orders"].proposals
    assert isinstance(proposal, NestedTable)
    assert (proposal.verb, proposal.take) == (AdditionVerb.FOLD, ("channel_id",))
    assert "with channels (declared nowhere; 100 % of 100 values found)" in proposal.why


def test_trees_and_the_past_are_kept_by_reference() -> None:
    """A row that names its own kind, and rows that grow as long as there is a past."""
    tree = CandidateReference(
        "orders", ("channel_id",), "orders", ("id",), declared="t", cascade=True
    )
    past = table("orders_history", ("id", "version"), id="integer", version="integer")
    of_past = CandidateReference(
        "orders_history", ("id",), "orders", ("id",), declared="h", cascade=True
    )
    found = shaped((ORDERS, past), {tree: FEW, of_past: FEW})
    assert all(entity.home is None for entity in found.values())
